package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"agentd/internal/api"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// topHistory is how many looks a sparkline goes back.
const topHistory = 16

// topModel is what top shows: it is told what was found and which key was pressed, and draws it all anew.
type topModel struct {
	info     api.SystemInfo
	sessions []api.Session
	stats    map[string]statsItem
	// history is the use of the processor of late, in percent, by session; the newest is last.
	history map[string][]float64
	// selected is the id of the session that keys are about.
	selected string
	// asking is the session that is to be terminated if the next key is y.
	asking string
	// said is the line above the keys: what went wrong, or what was done.
	said  string
	color bool
}

// update takes in a look.
func (m *topModel) update(info api.SystemInfo, sessions []api.Session, stats []statsItem) {
	m.info, m.stats = info, map[string]statsItem{}
	history := map[string][]float64{}
	for _, s := range stats {
		m.stats[s.ID] = s
		kept := append(m.history[s.ID], s.CPUPercent)
		history[s.ID] = kept[max(0, len(kept)-topHistory):]
	}
	m.history = history
	// What runs comes first, then the queue in its order: the oldest is served first.
	m.sessions = slices.Clone(sessions)
	slices.SortStableFunc(m.sessions, func(a, b api.Session) int {
		if x, y := waits(a), waits(b); x != y {
			if x {
				return 1
			}
			return -1
		}
		return a.CreatedAt.Compare(b.CreatedAt)
	})
	if !slices.ContainsFunc(m.sessions, func(s api.Session) bool { return s.ID == m.selected }) {
		m.selected = ""
		if len(m.sessions) > 0 {
			m.selected = m.sessions[0].ID
		}
	}
}

// waits holds for a session that has no slots yet.
func waits(s api.Session) bool {
	return s.Status == session.Pending || s.Status == session.Preparing || s.Status == session.Pulling ||
		s.Status == session.Prepared
}

// move selects the session by places below the selected one.
func (m *topModel) move(by int) {
	at := slices.IndexFunc(m.sessions, func(s api.Session) bool { return s.ID == m.selected })
	if next := at + by; len(m.sessions) > 0 {
		m.selected = m.sessions[min(max(next, 0), len(m.sessions)-1)].ID
	}
}

// chosen is the selected session; false if there is none.
func (m *topModel) chosen() (api.Session, bool) {
	for _, s := range m.sessions {
		if s.ID == m.selected {
			return s, true
		}
	}
	return api.Session{}, false
}

// lines draws the screen.
func (m *topModel) lines(width, height int, now time.Time) []string {
	running := 0
	for _, s := range m.sessions {
		if !waits(s) {
			running++
		}
	}
	var head strings.Builder
	fmt.Fprintf(&head, "%s  %d running, %d waiting", m.info.AgentID, running, len(m.sessions)-running)
	for _, slot := range m.info.Slots {
		if slot.Capacity > 0 || slot.Held > 0 {
			fmt.Fprintf(&head, "  %s %s of %s", slot.Name, plan.FormatAmount(slot.Name, slot.Held), slotText(slot))
		}
	}
	lines := []string{shorten(printable(head.String()), width), ""}
	body := strings.Split(strings.TrimRight(m.table(now).render(width), "\n"), "\n")
	room := max(1, height-len(lines)-3)
	lines = append(lines, m.window(body, room)...)
	for len(lines) < height-2 {
		lines = append(lines, "")
	}
	foot := m.said
	if m.asking != "" {
		foot = "terminate " + m.asking + "? y or n"
	}
	return append(lines[:max(0, height-2)], shorten(printable(foot), width),
		shorten("up/down select  l logs  s shell  t terminate  q quit", width))
}

func slotText(slot api.Slot) string {
	if slot.Name == "mem" {
		return bytesText(slot.Capacity)
	}
	return plan.FormatAmount(slot.Name, slot.Capacity)
}

// window is the header, and as many rows as there is room for, the selected one among them.
func (m *topModel) window(body []string, room int) []string {
	rows := body[1:]
	at := max(0, slices.IndexFunc(m.sessions, func(s api.Session) bool { return s.ID == m.selected }))
	first := max(0, at-(room-2))
	out := []string{body[0]}
	for i := first; i < len(rows) && len(out) < room; i++ {
		row := rows[i]
		if i == at && m.color {
			row = "\x1b[7m" + row + "\x1b[m"
		}
		out = append(out, row)
	}
	return out
}

func (m *topModel) table(now time.Time) *table {
	t := &table{header: []column{
		{title: " "}, {title: "NAME", shrinks: true}, {title: "STATUS"}, {title: "CPU%"}, {title: "OF LATE"}, {title: "MEM"},
		{title: "MEM%"}, {title: "PRESSURE", shrinks: true}, {title: "AGE"},
	}}
	for _, s := range m.sessions {
		mark := " "
		if s.ID == m.selected {
			mark = ">"
		}
		row := []string{mark, s.Name, string(s.Status), "", "", "", "", "", span(now.Sub(s.CreatedAt))}
		if u, ok := m.stats[s.ID]; ok {
			row[3], row[4] = fmt.Sprintf("%.0f", u.CPUPercent), sparkline(m.history[s.ID], float64(u.NanoCPUs)/1e7)
			row[5], row[6] = bytesText(u.MemoryBytes), fmt.Sprintf("%.0f", share(u.MemoryBytes, u.MemoryLimitBytes))
			if u.Pressure != nil {
				row[7] = fmt.Sprintf("%.0f%% %.0f%%", u.Pressure.CPU, u.Pressure.Memory)
			}
		}
		t.add(row...)
		if waits(s) && s.Waiting != "" {
			t.rows[len(t.rows)-1][7] = printable(oneLine(s.Waiting))
		}
	}
	return t
}

// sparkline draws values, each as a bar of up to full; the newest is at the right, and the width is always the same.
func sparkline(values []float64, full float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	out := make([]rune, 0, len(values))
	for _, v := range values {
		level := 0
		if full > 0 {
			level = int(v / full * float64(len(bars)))
		}
		out = append(out, bars[min(max(level, 0), len(bars)-1)])
	}
	return strings.Repeat(" ", max(0, topHistory-len(out))) + string(out)
}
