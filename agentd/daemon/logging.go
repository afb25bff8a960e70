package daemon

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"sync"

	"agentd/internal/config"
	"agentd/internal/systemd"
)

// newLogger writes to w in the configured format: journal, json or text; auto is journal if w goes to the journal, and
// text else. If w does go to the journal, the format journal talks to journald itself, with fields.
func newLogger(w *os.File, c config.Log, level *slog.LevelVar) *slog.Logger {
	level.Set(levelOf(c.Level))
	opt := &slog.HandlerOptions{Level: level}
	switch {
	case c.Format == "json":
		return slog.New(slog.NewJSONHandler(w, opt))
	case c.Format == "journal" || c.Format == "auto" && systemd.UnderJournal(w):
		lines := newJournalHandler(w, level)
		if systemd.UnderJournal(w) && systemd.JournalAvailable() {
			return slog.New(systemd.NewJournalHandler(level, lines))
		}
		return slog.New(lines)
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// levelOf is the level of a name that the configuration allows.
func levelOf(name string) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo
	}
	return level
}

// journalHandler writes lines for journald, which has the time of its own: the level becomes the priority in front, as
// sd-daemon(3) says, so that journalctl -p and its colours work.
type journalHandler struct {
	slog.Handler
	out *line
}

// line is one line in the making; the handlers that With makes share it.
type line struct {
	mu  sync.Mutex
	buf bytes.Buffer
	w   io.Writer
}

func newJournalHandler(w io.Writer, level *slog.LevelVar) *journalHandler {
	out := &line{w: w}
	plain := func(groups []string, a slog.Attr) slog.Attr {
		_, isLevel := a.Value.Any().(slog.Level)
		if len(groups) == 0 && (isLevel || a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime) {
			return slog.Attr{}
		}
		return a
	}
	return &journalHandler{
		Handler: slog.NewTextHandler(&out.buf, &slog.HandlerOptions{Level: level, ReplaceAttr: plain}), out: out,
	}
}

// Handle writes one line.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.buf.Reset()
	h.out.buf.WriteString(priority(r.Level))
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err //nolint:wrapcheck // slog throws it away
	}
	_, err := h.out.w.Write(h.out.buf.Bytes())
	return err //nolint:wrapcheck // slog throws it away
}

// WithAttrs adds attributes to all lines.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{Handler: h.Handler.WithAttrs(attrs), out: h.out}
}

// WithGroup puts what follows into a group.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{Handler: h.Handler.WithGroup(name), out: h.out}
}

// priority is the level in the words of syslog(3).
func priority(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "<3>"
	case level >= slog.LevelWarn:
		return "<4>"
	case level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}
