package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"agentd/internal/api"
)

// progress shows a launch to the person who waits for it, on standard error.
type progress interface {
	show(e api.Event)
	// done leaves nothing behind that moves.
	done()
}

// progress is moving lines on a terminal, plain lines off it, and nothing with -q.
func (a *app) progress() progress {
	switch f := terminal(a.Err); {
	case a.quiet:
		return silence{}
	case f == nil || a.Getenv("TERM") == "dumb":
		return plainProgress{a.Err}
	default:
		width := func() int {
			if cols, _, err := term.GetSize(int(f.Fd())); err == nil && cols > 0 {
				return cols
			}
			return 80
		}
		return newLiveProgress(a.Err, width, !a.noColor && a.Getenv("NO_COLOR") == "", a.now)
	}
}

type silence struct{}

func (silence) show(api.Event) {}
func (silence) done()          {}

// plainProgress is for logs: a line when a step begins and one when it ends.
type plainProgress struct{ w io.Writer }

func (p plainProgress) show(e api.Event) {
	text := ""
	switch {
	case e.Kind == api.EventNote && e.Message != "":
		text = "note: " + e.Message
	case e.Kind == api.EventStep && e.State == "begin":
		text = e.Step + " ..."
	case e.Kind == api.EventStep:
		text = stepEnd(e)
	default:
		return
	}
	fmt.Fprintln(p.w, printable(oneLine(text))) //nolint:errcheck // it stops nothing
}

func (plainProgress) done() {}

// stepEnd is how a step ended, in words.
func stepEnd(e api.Event) string {
	if e.State == "failed" {
		return e.Step + " failed after " + rounded(e.Took)
	}
	return e.Step + " done in " + rounded(e.Took)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// liveProgress keeps a line for each step that is under way at the bottom of a terminal; what is over moves up.
type liveProgress struct {
	w     io.Writer
	width func() int
	color bool
	now   func() time.Time

	// mu guards what follows: the clock's goroutine draws too.
	mu     sync.Mutex
	active []activeStep
	// drawn is how many moving lines there are now.
	drawn  int
	frame  int
	ended  bool
	stop   chan struct{}
	ticker *time.Ticker
}

type activeStep struct {
	name  string
	begun time.Time
	last  api.Event
}

// redraw is how often the times are brought up to date.
const redraw = 120 * time.Millisecond

func newLiveProgress(w io.Writer, width func() int, color bool, now func() time.Time) *liveProgress {
	p := &liveProgress{
		w: w, width: width, color: color, now: now, stop: make(chan struct{}), ticker: time.NewTicker(redraw),
	}
	go func() {
		for {
			select {
			case <-p.ticker.C:
				p.mu.Lock()
				if !p.ended && len(p.active) > 0 {
					p.frame++
					p.drawLocked("")
				}
				p.mu.Unlock()
			case <-p.stop:
				return
			}
		}
	}()
	return p
}

func (p *liveProgress) show(e api.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
	case e.Kind == api.EventNote && e.Message != "":
		p.drawLocked("note: " + e.Message)
	case e.Kind == api.EventStep && e.State == "begin":
		p.active = append(p.active, activeStep{name: e.Step, begun: p.now()})
		p.drawLocked("")
	case e.Kind == api.EventStep:
		for i, s := range p.active {
			if s.name == e.Step {
				p.active = append(p.active[:i:i], p.active[i+1:]...)
				break
			}
		}
		p.drawLocked(p.over(e))
	case e.Kind == api.EventProgress:
		for i := range p.active {
			if p.active[i].name == e.Step {
				p.active[i].last = e
			}
		}
	}
}

// done takes the moving lines away; what was under way is told by who knows why it is so no more.
func (p *liveProgress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended, p.active = true, nil
	p.ticker.Stop()
	close(p.stop)
	p.drawLocked("")
}

// over is the line that stays of a step.
func (p *liveProgress) over(e api.Event) string {
	mark, code := "✓", "32"
	if e.State == "failed" {
		mark, code = "✗", "31"
	}
	if p.color {
		mark = "\x1b[" + code + "m" + mark + "\x1b[m"
	}
	return mark + " " + fmt.Sprintf("%-10s %8s", printable(e.Step), rounded(e.Took))
}

// drawLocked replaces the moving lines, after a line that stays if there is one.
func (p *liveProgress) drawLocked(stays string) {
	var b strings.Builder
	if p.drawn > 0 {
		// Back to the first of them, and clear from there to the end of the screen.
		b.WriteString("\x1b[" + strconv.Itoa(p.drawn) + "A\r\x1b[J")
	}
	if stays != "" {
		if strings.HasPrefix(stays, "note: ") {
			stays = printable(oneLine(stays))
		}
		b.WriteString(stays + "\r\n")
	}
	spinner := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	for _, s := range p.active {
		line := fmt.Sprintf("%c %-10s %8s  %s", spinner[p.frame%len(spinner)], s.name,
			p.now().Sub(s.begun).Truncate(100*time.Millisecond), amount(s.last))
		// One column less than there are: some terminals wrap behind the last.
		b.WriteString(shorten(printable(strings.TrimRight(line, " ")), p.width()-1) + "\r\n")
	}
	p.drawn = len(p.active)
	io.WriteString(p.w, b.String()) //nolint:errcheck // it stops nothing
}

// amount is how far a step is.
func amount(e api.Event) string {
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	if e.Unit == "bytes" {
		count = byteCount
	}
	var parts []string
	switch {
	case e.Total > 0:
		parts = append(parts, fmt.Sprintf("%3d%%  %s of %s", min(100, 100*e.Done/e.Total), count(e.Done), count(e.Total)))
	case e.Done > 0:
		parts = append(parts, count(e.Done))
	}
	if len(parts) > 0 && e.Unit != "bytes" && e.Unit != "" {
		parts = append(parts, e.Unit)
	}
	if e.Kind == api.EventProgress && e.Message != "" {
		parts = append(parts, oneLine(e.Message))
	}
	return strings.Join(parts, " ")
}

// byteCount is a number of bytes in the largest unit of 1024.
func byteCount(n int64) string {
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB"} {
		if value /= 1 << 10; value < 1<<10 || unit == "GiB" {
			return strconv.FormatFloat(value, 'f', 1, 64) + " " + unit
		}
	}
	return ""
}
