package cli

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"agentd/internal/api"
)

// launchStory is what a launch tells.
func launchStory() []api.Event {
	long := strings.Repeat("a very long message ", 20)
	return []api.Event{
		{Kind: api.EventStatus, Status: "PREPARING"},
		{Kind: api.EventStep, Step: "image", State: "begin"},
		{Kind: api.EventStep, Step: "checkout", State: "begin"},
		{Kind: api.EventProgress, Step: "image", Done: 3 << 20, Total: 12 << 20, Unit: "bytes", Message: long},
		{Kind: api.EventProgress, Step: "checkout", Done: 5, Total: 10, Unit: "objects"},
		{Kind: api.EventNote, Message: "commit abc is\nabbreviated \x1b[31m"},
		{Kind: api.EventStep, Step: "checkout", State: "end", Took: 1500 * time.Millisecond},
		{Kind: api.EventStep, Step: "image", State: "failed", Took: 61 * time.Second},
	}
}

func TestProgress_PlainLines(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	a := &app{Stdio: Stdio{Err: &b, Getenv: func(string) string { return "" }}}
	p := a.progress()
	for _, e := range launchStory() {
		p.show(e)
	}
	p.done()
	want := "image ...\ncheckout ...\nnote: commit abc is abbreviated \\x1b[31m\ncheckout done in 1.5s\n" +
		"image failed after 1m1s\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	a.quiet = true
	a.progress().show(launchStory()[1])
	if b.Len() > 0 {
		t.Errorf("-q says %q", b.String())
	}
}

// screen shows what a terminal of 80 columns would after text; a line that is too long wraps, as there.
func screen(t *testing.T, text string) string {
	t.Helper()
	lines, row, col := [][]rune{nil}, 0, 0
	put := func(r rune) {
		for len(lines) <= row {
			lines = append(lines, nil)
		}
		for len(lines[row]) <= col {
			lines[row] = append(lines[row], ' ')
		}
		lines[row][col] = r
		if col++; col == 80 {
			row, col = row+1, 0
		}
	}
	escape := regexp.MustCompile(`^\x1b\[([0-9]*)([A-Za-z])`)
	for text != "" {
		if m := escape.FindStringSubmatch(text); m != nil {
			text = text[len(m[0]):]
			switch m[2] {
			case "A":
				row -= int(m[1][0] - '0')
			case "J":
				lines = append(lines[:row:row], lines[row][:min(col, len(lines[row]))])
			case "m":
			default:
				t.Fatalf("escape %q", m[0])
			}
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch r {
		case '\r':
			col = 0
		case '\n':
			if row++; len(lines) <= row {
				lines = append(lines, nil)
			}
		default:
			put(r)
		}
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func TestProgress_OnATerminal(t *testing.T) {
	t.Parallel()
	terminalEnd, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		text, _ := io.ReadAll(terminalEnd) // it ends with EIO when the other end is closed
		shown <- string(text)
	}()
	a := &app{Stdio: Stdio{Err: tty, Getenv: func(string) string { return "" }}, noColor: true, now: time.Now}
	p := a.progress()
	story := launchStory()
	for _, e := range story {
		p.show(e)
	}
	p.done()
	p.show(story[1]) // too late: it must not draw
	tty.Close()
	text := <-shown
	want := "note: commit abc is abbreviated \\x1b[31m\n✓ checkout       1.5s\n✗ image          1m1s\n"
	if got := screen(t, strings.ReplaceAll(text, "\r\r\n", "\r\n")); got != want {
		t.Errorf("got\n%s\nwant\n%s\nof %q", got, want, text)
	}
	terminalEnd.Close()
}

func TestProgress_MovingLinesFit(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	at := time.Now()
	p := newLiveProgress(&b, func() int { return 80 }, true, func() time.Time { return at })
	story := launchStory()
	for _, e := range story[:5] {
		p.show(e)
	}
	p.mu.Lock()
	p.drawLocked("")
	got := screen(t, b.String())
	p.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "image") || !strings.Contains(lines[0], "25%  3.0 MiB of 12.0 MiB") ||
		!strings.HasSuffix(lines[0], "…") || !strings.Contains(lines[1], "50%  5 of 10 objects") {
		t.Errorf("got\n%s", got)
	}
	p.show(story[6])
	p.done()
	if !strings.Contains(b.String(), "\x1b[32m✓\x1b[m") {
		t.Errorf("no colours: %q", b.String())
	}
}

func TestByteCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536 << 10: "1.5 MiB", 5 << 40: "5120.0 GiB"} {
		if got := byteCount(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestColored(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"plain\ttab":                 {"plain\ttab", "plain\ttab"},
		"a\x1b[31mred\x1b[0mb":       {"a\x1b[31mred\x1b[0mb\x1b[m", "aredb"},
		"a\x1b[2Jb":                  {"a\\x1b[2Jb", "a\\x1b[2Jb"},
		"\x1b]0;title\x07":           {"\\x1b]0;title\\x07", "\\x1b]0;title\\x07"},
		"\x1b[31":                    {"\\x1b[31", "\\x1b[31"},
		"\x1b\x1b[1m":                {"\\x1b\x1b[1m\x1b[m", "\\x1b"},
		"\u202eevil":                 {"\\u202eevil", "\\u202eevil"},
		"":                           {"", ""},
		"\x1b[38;5;196mx\x1b[1:2mxx": {"\x1b[38;5;196mx\x1b[1:2mxx\x1b[m", "xxx"},
	} {
		for i, colors := range []bool{true, false} {
			if got := colored(in, colors); got != want[i] {
				t.Errorf("%q colours %t: got %q, want %q", in, colors, got, want[i])
			}
		}
	}
}

func TestLogPrinter_StreamsAndPartialLines(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	p := logPrinter{app: &app{Stdio: Stdio{Out: &out, Err: &errOut}}, kind: formatText}
	for _, l := range []api.LogLine{
		{Stream: "stdout", Text: "a", Partial: true}, {Stream: "stdout", Text: "b"},
		{Stream: "stdout", Text: "?", Raw: []byte("\xff\x1b[2J"), Partial: true}, {Stream: "stderr", Text: "e"},
		{Stream: "init", Text: "i"}, {Stream: "stdout", Text: "last", Partial: true},
	} {
		if err := p.line(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.finish(); err != nil {
		t.Fatal(err)
	}
	if out.String() != "ab\n\xff\x1b[2J\nlast" || errOut.String() != "e\n[agentd-init] i\n" {
		t.Errorf("out %q, err %q", out.String(), errOut.String())
	}
}

func TestMain_ExitStatusOfJobs(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]int{
		"session exec":                     125,
		"session exec x":                   125,
		"session exec --frob x y":          125,
		"session exec x -- true":           125,
		"session shell x":                  125,
		"session wait x":                   125,
		"session wait x y":                 7,
		"session wait --for RUNNING x":     7,
		"session wait":                     2,
		"launch x --wait":                  125,
		"launch x --wait --rm --frob":      125,
		"launch x":                         7,
		"launch x --frob":                  2,
		"session ls":                       7,
		"session logs x":                   7,
		"session create-from-template":     2,
		"vfolder rm -y x":                  7,
		"system doctor":                    7,
		"session launch x --max-wait none": 2,
	} {
		var errOut bytes.Buffer
		got := Main(strings.Fields(call), Stdio{
			In: strings.NewReader(""), Out: io.Discard, Err: &errOut, UID: os.Getuid(),
			Getenv: func(name string) string {
				return map[string]string{"AGENTD_SOCKET": "/nonexistent/agentd.sock"}[name]
			},
		})
		if got != want || !strings.HasPrefix(errOut.String(), "ctl: ") {
			t.Errorf("%s: status %d, want %d: %s", call, got, want, errOut.String())
		}
	}
}
