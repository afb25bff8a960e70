package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/plan"
)

// system is the group of commands about the agent itself.
func (a *app) system() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "system",
		Short: "The agent itself",
		Long: `The agent itself: what it is, what it has to give, whether all that it needs is
well, and who did what with it.`,
		Example: `  ctl system info
  ctl system doctor
  ctl system audit --since 24h`,
	})
	cmd.AddCommand(a.systemInfo(), a.systemDoctor(), a.systemDisk(), a.systemAudit())
	return cmd
}

func (a *app) systemInfo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Show what this agent is and has to give",
		Long: `Show what this agent is, its engine, the architectures that it runs, and the
resources that it has and that sessions hold.`,
		Example: `  ctl system info
  ctl system info -o json`,
		Args: argumentNames(),
	}
	f := addOutput(cmd, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		info, err := a.client().SystemInfo(cmd.Context())
		switch {
		case err != nil:
			return err
		case a.quiet || f.value == formatName:
			return a.println("%s", info.AgentID)
		case f.value != formatTable:
			info.SchemaVersion = api.SchemaVersion
			return a.data(f.value, info)
		}
		if err := a.table(describeSystem(info)); err != nil {
			return err
		}
		return a.print("\n" + slotTable(info.Slots).render(a.outWidth()))
	}
	return cmd
}

func describeSystem(info api.SystemInfo) *table {
	t := &table{header: []column{{title: "FIELD"}, {title: "VALUE", shrinks: true}}}
	t.add("agent", info.AgentID)
	t.add("version", info.Version)
	t.add("scaling group", info.ScalingGroup)
	t.add("platforms", strings.Join(info.Platforms, ", "))
	t.add("sessions", strconv.Itoa(info.Sessions))
	e := info.Engine
	if e.Error != "" {
		t.add("engine", e.Error)
		return t
	}
	t.add("engine", "Docker "+e.Version+", API "+e.APIVersion)
	t.add("engine host", e.Host)
	t.add("storage", e.StorageDriver)
	t.add("cgroups", "version "+strconv.Itoa(e.CgroupVersion)+", "+e.CgroupDriver)
	return t
}

func slotTable(slots []api.Slot) *table {
	t := &table{header: []column{{title: "SLOT"}, {title: "CAPACITY"}, {title: "HELD"}, {title: "FREE"}}}
	for _, s := range slots {
		t.add(s.Name, plan.RoughAmount(s.Name, s.Capacity), plan.FormatAmount(s.Name, s.Held),
			plan.RoughAmount(s.Name, max(0, s.Capacity-s.Held)))
	}
	return t
}

func (a *app) systemDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong, and what to do about it",
		Long: `Look at all that sessions need, and say for each finding what to do about it.

Exit status: 1 if something is broken; warnings alone are 0.`,
		Example: `  ctl system doctor`,
		Args:    argumentNames(),
	}
	f := addOutput(cmd, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		found, err := a.client().Doctor(cmd.Context())
		if err != nil {
			return err
		}
		found.SchemaVersion = api.SchemaVersion
		broken := error(nil)
		for _, finding := range found.Findings {
			if finding.Status == api.FindingFail {
				broken = exitStatus(1)
			}
		}
		switch {
		case a.quiet || f.value == formatName:
			err = a.lines(each(found.Findings, func(x api.Finding) string { return x.Check + " " + x.Status }))
		case f.value != formatTable:
			err = a.data(f.value, found)
		default:
			err = a.lines(findingLines(found.Findings))
		}
		if err != nil {
			return err
		}
		return broken
	}
	return cmd
}

// findingLines are the findings for people: what is to do stands below what was found, and is never cut.
func findingLines(findings []api.Finding) []string {
	var lines []string
	for _, x := range findings {
		lines = append(lines, fmt.Sprintf("%-5s %s: %s", strings.ToUpper(x.Status), x.Check, oneLine(x.Detail)))
		if x.Fix != "" && x.Status != api.FindingOK {
			lines = append(lines, "      fix: "+oneLine(x.Fix))
		}
	}
	return lines
}
