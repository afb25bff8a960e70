package daemon

import (
	"bytes"
	"log/slog"
	"testing"
)

func TestJournalHandler_PriorityInFrontOfEachLine(t *testing.T) {
	var out bytes.Buffer
	level := &slog.LevelVar{}
	level.Set(levelOf("debug"))
	log := slog.New(newJournalHandler(&out, level))
	log.Debug("d")
	log.Info("i", "level", "kept inside", "text", "two\nlines")
	log.With("uid", 7).Warn("w")
	log.WithGroup("g").Error("e", "time", 3)
	level.Set(levelOf("warn"))
	log.Info("not heard")
	want := `<7>msg=d
<6>msg=i level="kept inside" text="two\nlines"
<4>msg=w uid=7
<3>msg=e g.time=3
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
