package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// sessionInfoOutput is what info prints with -o json.
type sessionInfoOutput struct {
	SchemaVersion int             `json:"schema_version"`
	Session       api.SessionInfo `json:"session"`
}

func (a *app) sessionInfo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info SESSION",
		Short: "Show all that there is to tell about a session",
		Long: `Show all that there is to tell about a session: what it was made from, what it
has, what limits are in force, how long its steps took, where its files are on
this machine, and why it failed if it did.

-o json and -o yaml have the whole plan, with the source of each value.`,
		Example: `  ctl session info template1234

  # The commit that was checked out
  ctl session info template1234 -o json | jq -r .session.staged.commit`,
		Args:              argumentNames("SESSION"),
		ValidArgsFunction: a.completeSessions(1, true),
	}
	f := addOutput(cmd, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		info, err := a.client().Session(cmd.Context(), args[0])
		switch {
		case err != nil:
			return err
		case a.quiet:
			return a.println("%s", info.ID)
		case f.value == formatName:
			return a.println("%s", info.Name)
		case f.value == formatTable:
			return a.table(describeSession(info, a.now()))
		}
		return a.data(f.value, sessionInfoOutput{SchemaVersion: api.SchemaVersion, Session: info})
	}
	return cmd
}

// describeSession is one session, a field a row; rows without a value are left out.
func describeSession(s api.SessionInfo, now time.Time) *table {
	d := &table{header: []column{{title: "FIELD"}, {title: "VALUE", shrinks: true}}}
	add := func(field, value string) {
		if value != "" {
			d.add(field, value)
		}
	}
	add("name", s.Name)
	add("id", s.ID)
	add("status", string(s.Status))
	add("waits for", s.Waiting)
	add("result", outcome(s.Session))
	if s.ExitCode != nil {
		add("exit code", strconv.Itoa(*s.ExitCode))
	}
	if s.Failure != nil {
		add("failed step", s.Failure.Step)
		add("failure", s.Failure.Message)
		add("hint", s.Failure.Hint)
	}
	add("type", s.Type)
	add("tag", s.Tag)
	add("owner", userName(s.OwnerUID))
	add("template", fmt.Sprintf("%s (%s) revision %d", s.Template.Name, s.Template.ID, s.Template.Revision))
	add("image", s.Image)
	add("image id", s.Staged.ImageID)
	add("architecture", s.Architecture)
	if c := s.Plan.Checkout; c != nil {
		add("repository", c.Repository+" in "+c.Target)
		add("commit", s.Staged.Commit)
		add("clone", cloneText(s.Staged))
	}
	for _, m := range s.Plan.Mounts {
		add("mount", mountText(m))
	}
	add("limits", limitsText(s.Plan.Limits))
	if in := s.Staged.Applied; in != nil {
		add("in force", limitsText(plan.Limits{NanoCPUs: in.NanoCPUs, MemoryBytes: in.MemoryBytes, Pids: in.Pids}))
		add("cgroup", in.Cgroup)
	}
	add("created", when(s.CreatedAt, now))
	add("started", whenIfEver(s.StartedAt, now))
	add("ended", whenIfEver(s.EndedAt, now))
	for _, t := range s.Timings {
		add("took "+t.Step, rounded(t.Took))
	}
	add("files", s.ScratchPath)
	add("files go", whenIfEver(s.FilesUntil, now))
	return d
}

// cloneText says how a clone came about.
func cloneText(s session.Staged) string {
	text := map[string]string{
		"cache":         "from the cache, without the network",
		"current cache": "from the cache, which has what the host has",
		"updated cache": "from the cache, with what was new fetched",
		"host":          "fetched, and kept in the cache",
	}[s.CloneOrigin]
	if text != "" && s.CloneCopied != "" {
		text += "; objects by " + s.CloneCopied
	}
	return text
}

func whenIfEver(t *time.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	return when(*t, now)
}

func mountText(m plan.Mount) string {
	text := m.Source + " on " + m.Target
	if m.Name != "" {
		text = m.Name + " on " + m.Target
	}
	if m.ReadOnly {
		text += " (read-only)"
	}
	return text
}

// limitsText is limits as a template writes them.
func limitsText(l plan.Limits) string {
	parts := []string{
		"cpu " + plan.FormatAmount("cpu", l.NanoCPUs), "mem " + plan.FormatAmount("mem", l.MemoryBytes),
	}
	if l.ShmBytes > 0 {
		parts = append(parts, "shmem "+plan.FormatAmount("shmem", l.ShmBytes))
	}
	for _, d := range l.Devices {
		parts = append(parts, d.Slot+" "+strconv.FormatInt(d.Count, 10))
	}
	if l.Pids > 0 {
		parts = append(parts, "processes "+strconv.FormatInt(l.Pids, 10))
	}
	return strings.Join(parts, ", ")
}

// rounded is a duration as people say it.
func rounded(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
