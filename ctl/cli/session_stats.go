package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/plan"
)

// statsInterval is the time between two looks.
const statsInterval = time.Second

// statsItem is what stats prints of a session with -o json.
type statsItem struct {
	api.SessionStats
	// CPUPercent is the use of late, 100 for one core.
	CPUPercent float64 `json:"cpu_percent"`
}

// statsOutput is what stats prints with -o json, once a look.
type statsOutput struct {
	SchemaVersion int         `json:"schema_version"`
	Stats         []statsItem `json:"stats"`
}

func (a *app) sessionStats() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stats [SESSION...]",
		Short: "Show what sessions use",
		Long: `Show the processor, memory and processes that your running sessions use, or
those named, against their limits, once a second until ctrl-C; on a terminal in
place. With --no-stream once.

CPU% is that of the last second, 100 for one core. MEM leaves out what of the
page cache can be dropped at once. PRESSURE is the share of the last ten seconds
in which something waited for the processor and for memory, where the kernel
tells it (control groups of version 2).`,
		Example: `  ctl session stats
  ctl session stats --no-stream template1234

  # Bytes, for a script
  ctl session stats --no-stream -o json | jq '.stats[].memory_bytes'`,
		ValidArgsFunction: a.completeSessions(-1, false),
	}
	var once, all bool
	cmd.Flags().BoolVar(&once, "no-stream", false, "look once")
	cmd.Flags().BoolVar(&all, "all-users", false, "everybody's; for administrators")
	f := addOutput(cmd, formatTable, formatJSON, formatYAML)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if slices.Contains(args, "") {
			return usage(cmd, "%s: an argument is empty", called(cmd))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		w := statsWatch{c: a.client(), refs: args, all: all}
		return a.stats(cmd.Context(), f, &w, once)
	}
	return cmd
}

// statsWatch looks again and again; the use of the processor lies between two looks.
type statsWatch struct {
	c    *client.Client
	refs []string
	all  bool
	last map[string]api.SessionStats
}

// look reads once.
func (w *statsWatch) look(ctx context.Context) ([]statsItem, error) {
	var now []api.SessionStats
	var err error
	if len(w.refs) == 0 {
		now, err = w.c.Stats(ctx, w.all)
	}
	for _, ref := range w.refs {
		var s api.SessionStats
		if s, err = w.c.SessionStats(ctx, ref); err != nil {
			break
		}
		now = append(now, s)
	}
	if err != nil {
		return nil, err
	}
	items := make([]statsItem, 0, len(now))
	seen := map[string]api.SessionStats{}
	for _, s := range now {
		item := statsItem{SessionStats: s}
		if before, ok := w.last[s.ID]; ok && s.Time.After(before.Time) && s.CPU >= before.CPU {
			item.CPUPercent = 100 * float64(s.CPU-before.CPU) / float64(s.Time.Sub(before.Time))
		}
		seen[s.ID] = s
		items = append(items, item)
	}
	w.last = seen
	slices.SortStableFunc(items, func(a, b statsItem) int { return cmp.Compare(a.Name, b.Name) })
	return items, nil
}

func (a *app) stats(ctx context.Context, f *format, w *statsWatch, once bool) error {
	// The first look only begins the measure.
	if _, err := w.look(ctx); err != nil {
		return err
	}
	drawn := 0
	for {
		if err := pause(ctx, statsInterval); err != nil {
			return exitStatus(exitInterrupted)
		}
		items, err := w.look(ctx)
		if err != nil && !once && ctx.Err() != nil {
			return exitStatus(exitInterrupted)
		}
		if err != nil && !once && errs.Is(err, errs.Conflict) {
			// What was watched has ended.
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case f.value != formatTable:
			err = a.data(f.value, statsOutput{SchemaVersion: api.SchemaVersion, Stats: items})
		case once || terminal(a.Out) == nil:
			err = a.table(statsTable(items))
		default:
			text := statsTable(items).render(a.outWidth())
			_, err = io.WriteString(a.Out, up(drawn)+strings.ReplaceAll(text, "\n", "\x1b[K\n"))
			drawn = strings.Count(text, "\n")
		}
		if err != nil || once {
			return err
		}
	}
}

// up moves the cursor to where the last picture began, and clears what was there.
func up(lines int) string {
	if lines == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", lines)
}

func statsTable(items []statsItem) *table {
	t := &table{header: []column{
		{title: "NAME", shrinks: true}, {title: "ID"}, {title: "CPU%"}, {title: "MEM"}, {title: "LIMIT"}, {title: "MEM%"},
		{title: "PIDS"}, {title: "PRESSURE"},
	}}
	for _, s := range items {
		pressure := ""
		if s.Pressure != nil {
			pressure = fmt.Sprintf("%.0f%% %.0f%%", s.Pressure.CPU, s.Pressure.Memory)
		}
		t.add(s.Name, s.ID, fmt.Sprintf("%.1f", s.CPUPercent), bytesText(s.MemoryBytes),
			plan.FormatAmount("mem", s.MemoryLimitBytes), fmt.Sprintf("%.1f", share(s.MemoryBytes, s.MemoryLimitBytes)),
			number(s.Pids), pressure)
	}
	return t
}

// share is part of whole in percent; 0 where there is no whole.
func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}
