package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"agentd/internal/filecopy"
)

// meter shows on a terminal how far a copy is.
type meter struct {
	w     io.Writer
	width func() int
	now   func() time.Time
	// live is whether there is a terminal to show it on.
	live  bool
	quiet bool

	mu    sync.Mutex
	total int64
	done  int64
	name  string
	begun time.Time
	end   chan struct{}
	drawn bool
}

func (a *app) meter() *meter {
	m := &meter{w: a.Err, now: a.now, quiet: a.quiet, live: terminal(a.Err) != nil && !a.quiet && a.Getenv("TERM") != "dumb"}
	m.width = func() int {
		return max(Stdio{Out: a.Err}.outWidth(), 40)
	}
	return m
}

// meterPause is how often it is drawn.
const meterPause = 200 * time.Millisecond

// begin starts the clock.
func (m *meter) begin(about filecopy.Source) {
	m.total, m.begun = about.Bytes, m.now()
	if !m.live {
		return
	}
	m.end = make(chan struct{})
	go func(end chan struct{}) {
		t := time.NewTicker(meterPause)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				m.draw()
			case <-end:
				return
			}
		}
	}(m.end)
}

// add counts bytes; it is a Progress of package filecopy.
func (m *meter) add(path []byte, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	if m.live && m.name != string(path) {
		m.name = string(path)
	}
}

func (m *meter) moved() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done
}

// draw shows one line: how much of how much, how fast, how long still, and what.
func (m *meter) draw() {
	m.mu.Lock()
	defer m.mu.Unlock()
	line := meterLine(m.done, m.total, m.now().Sub(m.begun))
	if room := m.width() - len(line) - 3; m.name != "" && room > 8 {
		name := []rune(printable(m.name))
		if len(name) > room {
			name = append([]rune("…"), name[len(name)-room+1:]...)
		}
		line += "  " + string(name)
	}
	m.drawn = true
	io.WriteString(m.w, "\r\x1b[K"+line) //nolint:errcheck // it stops nothing
}

func meterLine(done, total int64, took time.Duration) string {
	var b strings.Builder
	b.WriteString(byteCount(done))
	if total > 0 {
		fmt.Fprintf(&b, " of %s  %d%%", byteCount(total), min(done*100/total, 100))
	}
	if took < time.Second {
		return b.String()
	}
	rate := float64(done) / took.Seconds()
	fmt.Fprintf(&b, "  %s/s", byteCount(int64(rate)))
	if left := total - done; left > 0 && rate > 0 {
		eta := time.Duration(float64(left) / rate * float64(time.Second))
		fmt.Fprintf(&b, "  %d:%02d left", int(eta.Minutes()), int(eta.Seconds())%60)
	}
	return b.String()
}

// stop takes the line away.
func (m *meter) stop() {
	if m.end != nil {
		close(m.end)
		m.end = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.drawn {
		io.WriteString(m.w, "\r\x1b[K") //nolint:errcheck // it stops nothing
	}
	m.live = false
}

// result says on a terminal what was copied.
func (m *meter) result(end filecopy.End) {
	if m.quiet || m.end != nil || !m.drawn {
		return
	}
	files := fmt.Sprintf("%d files", end.Files)
	if end.Files == 1 {
		files = "1 file"
	}
	fmt.Fprintf(m.w, "%s, %s in %s\n", files, byteCount(end.Bytes), //nolint:errcheck // it stops nothing
		m.now().Sub(m.begun).Round(time.Second/10))
}
