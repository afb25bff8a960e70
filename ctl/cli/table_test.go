package cli

import (
	"strings"
	"testing"
	"time"

	"agentd/internal/api"
)

func longList(t *testing.T, q api.ListQuery, limit int) string {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	deleted, purge := now.Add(-time.Hour), now.Add(29*24*time.Hour)
	a := &app{now: func() time.Time { return now }}
	return a.listTable(q, []api.Template{
		{
			ID: "k3f9xq2b", Name: strings.Repeat("한글 name ", 12), Type: "interactive", Revision: 12345, OwnerUID: 4000000000,
			Image:     "registry.example.org/a/very/long/repository/with/many/parts/python:3.9-ubuntu20.04",
			UpdatedAt: now.Add(-3 * time.Minute), DeletedAt: &deleted, PurgeAt: &purge,
		},
		{ID: "b2222222", Name: "b", Type: "batch", Image: "busybox", Revision: 1, UpdatedAt: now},
	}).render(limit)
}

func TestTable_FitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, q := range []api.ListQuery{{}, {Deleted: true}, {AllUsers: true}, {AllUsers: true, Deleted: true}} {
		for _, limit := range []int{80, 100, 132} {
			text := longList(t, q, limit)
			for line := range strings.Lines(text) {
				if n := columns(strings.TrimSuffix(line, "\n")); n > limit {
					t.Errorf("%+v: %d columns, want at most %d: %s", q, n, limit, line)
				}
			}
			if !strings.Contains(text, "k3f9xq2b") {
				t.Errorf("%+v: the id was cut:\n%s", q, text)
			}
		}
	}
}

func TestTable_IsWholeOffATerminal(t *testing.T) {
	t.Parallel()
	text := longList(t, api.ListQuery{}, 0)
	if strings.Contains(text, "…") || !strings.Contains(text, "python:3.9-ubuntu20.04") {
		t.Errorf("something was cut:\n%s", text)
	}
}

func TestTable_ColumnsStandBelowOneAnother(t *testing.T) {
	t.Parallel()
	tab := table{header: []column{{title: "NAME"}, {title: "X"}}}
	tab.add("한글", "1")
	tab.add("a\x1bb", "")
	want := "NAME    X\n한글    1\na\\x1bb  -\n"
	if got := tab.render(0); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhen_InTheLargestUnit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for age, want := range map[time.Duration]string{
		0:                               "0s ago",
		59*time.Second + 999999999:      "59s ago",
		time.Minute:                     "1m ago",
		59*time.Minute + 59*time.Second: "59m ago",
		23*time.Hour + 59*time.Minute:   "23h ago",
		24 * time.Hour:                  "1d ago",
		364 * 24 * time.Hour:            "364d ago",
		-90 * time.Minute:               "in 1h",
		-29 * 24 * time.Hour:            "in 29d",
	} {
		if got := when(now.Add(-age), now); got != want {
			t.Errorf("%v: got %q, want %q", age, got, want)
		}
	}
	if got := when(now.Add(-365*24*time.Hour), now); !strings.HasPrefix(got, "2025-0") {
		t.Errorf("a year ago: got %q, want a date", got)
	}
	if got := when(time.Time{}, now); got != "-" {
		t.Errorf("no time: got %q", got)
	}
}
