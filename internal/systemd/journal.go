package systemd

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
)

// JournalAvailable reports whether journald takes entries with fields on this machine.
func JournalAvailable() bool { return journal.Enabled() }

// journalField is the field of the journal that an attribute has too, so that `journalctl AGENTD_SESSION=…` finds it;
// empty for the others. Each stands in the text of its entry as well.
func journalField(key string) string {
	switch key {
	case "session", "template", "step", "owner", "action", "outcome", "uid", "pid", "code", "reason", "request":
		return "AGENTD_" + strings.ToUpper(key)
	}
	return ""
}

// journalHandler sends each entry to journald with its fields, in the native protocol.
type journalHandler struct {
	// text prints the attributes into out.
	text slog.Handler
	out  *journalText
	// fields are those of the attributes that With added.
	fields map[string]string
	// inGroup is true for attributes that are in a group: they are nobody's fields.
	inGroup bool
	level   slog.Leveler
	// fallback takes what journald does not.
	fallback slog.Handler
}

// journalText is one entry in the making; the handlers that With makes share it.
type journalText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// NewJournalHandler returns a handler for entries of at least that level. The attributes that [journalField] names become
// fields AGENTD_SESSION and so on; all of them follow the message. What journald does not take goes to fallback.
func NewJournalHandler(level slog.Leveler, fallback slog.Handler) slog.Handler {
	out := &journalText{}
	rest := func(groups []string, a slog.Attr) slog.Attr {
		// The handler asks with these for what is no attribute; a key of the same name is one.
		_, isLevel := a.Value.Any().(slog.Level)
		builtIn := a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime || a.Key == slog.LevelKey && isLevel
		if len(groups) == 0 && builtIn {
			return slog.Attr{}
		}
		return a
	}
	return &journalHandler{
		text: slog.NewTextHandler(&out.buf, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: rest}),
		out:  out, fields: map[string]string{}, level: level, fallback: fallback,
	}
}

// Enabled reports whether entries of that level are written.
func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle sends one entry.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	message, err := h.message(ctx, r)
	if err != nil {
		return err
	}
	fields := maps.Clone(h.fields)
	r.Attrs(func(a slog.Attr) bool {
		h.field(fields, a)
		return true
	})
	if journal.Send(message, journalPriority(r.Level), fields) != nil {
		return h.fallback.Handle(ctx, r) //nolint:wrapcheck // slog throws it away
	}
	return nil
}

// message is the text of an entry: the message as it is, and the attributes.
func (h *journalHandler) message(ctx context.Context, r slog.Record) (string, error) {
	bare := r.Clone()
	bare.Message = ""
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.buf.Reset()
	if err := h.text.Handle(ctx, bare); err != nil {
		return "", err //nolint:wrapcheck // slog throws it away
	}
	rest := strings.TrimSpace(strings.TrimPrefix(h.out.buf.String(), `msg=""`))
	return strings.TrimSpace(r.Message + " " + rest), nil
}

func (h *journalHandler) field(fields map[string]string, a slog.Attr) {
	if name := journalField(a.Key); name != "" && !h.inGroup {
		fields[name] = a.Value.Resolve().String()
	}
}

// WithAttrs adds attributes to all entries.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.fields = maps.Clone(h.fields)
	for _, a := range attrs {
		c.field(c.fields, a)
	}
	c.text, c.fallback = h.text.WithAttrs(attrs), h.fallback.WithAttrs(attrs)
	return &c
}

// WithGroup puts what follows into a group.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.inGroup = h.inGroup || name != ""
	c.text, c.fallback = h.text.WithGroup(name), h.fallback.WithGroup(name)
	return &c
}

func journalPriority(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
