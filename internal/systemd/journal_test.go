package systemd

import (
	"context"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What an entry says and which fields it has; that journald takes it is seen in the virtual machine.
func TestJournalHandler_FieldsAndText(t *testing.T) {
	fallback := slog.DiscardHandler
	h := NewJournalHandler(slog.LevelInfo, fallback)
	log := func(h slog.Handler, message string, attrs ...slog.Attr) (string, map[string]string) {
		t.Helper()
		r := slog.NewRecord(time.Now(), slog.LevelInfo, message, 0)
		r.AddAttrs(attrs...)
		j := h.(*journalHandler)
		text, err := j.message(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		fields := maps.Clone(j.fields)
		r.Attrs(func(a slog.Attr) bool { j.field(fields, a); return true })
		return text, fields
	}
	with := h.WithAttrs([]slog.Attr{slog.String("session", "s1"), slog.Int("owner", 1000)})
	for _, row := range []struct {
		name    string
		handler slog.Handler
		attrs   []slog.Attr
		text    string
		fields  map[string]string
	}{
		{"nothing", h, nil, "hello there", map[string]string{}},
		{"its own", h, []slog.Attr{slog.String("step", "image"), slog.String("template", "t 1"), slog.Int("n", 3)},
			`hello there step=image template="t 1" n=3`, map[string]string{"AGENTD_STEP": "image", "AGENTD_TEMPLATE": "t 1"}},
		{"added before", with, []slog.Attr{slog.String("step", "start")}, "hello there session=s1 owner=1000 step=start",
			map[string]string{"AGENTD_SESSION": "s1", "AGENTD_OWNER": "1000", "AGENTD_STEP": "start"}},
		{"a group's are not", with.WithGroup("g"), []slog.Attr{slog.String("session", "other")},
			"hello there session=s1 owner=1000 g.session=other", map[string]string{"AGENTD_SESSION": "s1", "AGENTD_OWNER": "1000"}},
		{"named as the handler's own", h, []slog.Attr{slog.String("msg", "x"), slog.String("level", "y")},
			"hello there msg=x level=y", map[string]string{}},
	} {
		text, fields := log(row.handler, "hello there", row.attrs...)
		if text != row.text {
			t.Errorf("%s: got %q; want %q", row.name, text, row.text)
		}
		if diff := cmp.Diff(row.fields, fields); diff != "" {
			t.Errorf("%s: fields (-want +got):\n%s", row.name, diff)
		}
	}
	if h.Enabled(t.Context(), slog.LevelDebug) || !h.Enabled(t.Context(), slog.LevelInfo) {
		t.Error("the level is not kept")
	}
}
