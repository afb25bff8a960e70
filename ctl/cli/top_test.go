package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"agentd/internal/api"
	"agentd/internal/session"
	"agentd/internal/testenv"
)

// screen is what a terminal of 80 times 24 shows: as much of one as ctl top makes use of.
type screen struct {
	mu       sync.Mutex
	rows     [24][80]rune
	row, col int
	// other is true while the other screen is shown; raw is all that came.
	other bool
	raw   strings.Builder
}

var sequence = regexp.MustCompile(`^\x1b\[([?0-9;]*)([A-Za-z])`)

func (s *screen) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.WriteString(text)
	for text != "" {
		if m := sequence.FindStringSubmatch(text); m != nil {
			s.obey(m[1], m[2])
			text = text[len(m[0]):]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch {
		case r == '\r':
			s.col = 0
		case r == '\n':
			s.row = min(s.row+1, 23)
		case s.col < 80:
			s.rows[s.row][s.col] = r
			s.col++
		}
	}
}

func (s *screen) obey(number, command string) {
	clear := func(row, from int) {
		for i := from; i < 80; i++ {
			s.rows[row][i] = 0
		}
	}
	switch command {
	case "H":
		s.row, s.col = 0, 0
	case "K":
		clear(s.row, s.col)
	case "J":
		clear(s.row, s.col)
		for row := s.row + 1; row < 24; row++ {
			clear(row, 0)
		}
	case "h", "l":
		if number == "?1049" {
			s.other = command == "h"
		}
	}
}

// text is the screen with bars as one sign, since nobody knows how many there are yet.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, row := range s.rows {
		line := strings.TrimRight(strings.ReplaceAll(string(row[:]), "\x00", " "), " ")
		lines = append(lines, regexp.MustCompile(` *[▁▂▃▄▅▆▇█]+ *`).ReplaceAllString(line, " ~ "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// agentOf answers as an agentd with three sessions does, one of which uses half a core.
func agentOf(t *testing.T) (socket string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var posts []string
	looks := 0
	begun := time.Now().Add(-330 * time.Second)
	one := func(id, name string, status session.Status, waiting string) api.Session {
		return api.Session{ID: id, Name: name, Status: status, CreatedAt: begun, Waiting: waiting}
	}
	answers := map[string]func() any{
		"/v1/system/info": func() any {
			return api.SystemInfo{AgentID: "box", Slots: []api.Slot{
				{Name: "cpu", Capacity: 2e9, Held: 15e8}, {Name: "mem", Capacity: 4 << 30, Held: 512 << 20},
			}}
		},
		"/v1/sessions": func() any {
			return api.SessionList{Sessions: []api.Session{
				one("s3", "next\x1b[2J", session.Prepared, "needs 1 cpu, 0.5 free"), one("s1", "train", session.Running, ""),
				one("s2", "notebook", session.Running, ""),
			}}
		},
		"/v1/stats": func() any {
			looks++
			at := time.Unix(int64(looks), 0)
			return api.StatsList{Stats: []api.SessionStats{
				{ID: "s1", Name: "train", Time: at, CPU: time.Duration(looks) * time.Second / 2, NanoCPUs: 1e9,
					MemoryBytes: 192 << 20, MemoryLimitBytes: 256 << 20, Pressure: &api.Pressure{CPU: 12.3, Memory: 4}},
				{ID: "s2", Name: "notebook", Time: at, NanoCPUs: 5e8, MemoryBytes: 64 << 20, MemoryLimitBytes: 256 << 20},
			}}
		},
		"/v1/sessions/s2/terminate": func() any { return one("s2", "notebook", session.Terminating, "") },
	}
	socket = filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		answer, ok := answers[r.URL.Path]
		if r.Method != "GET" || !ok {
			posts = append(posts, r.Method+" "+r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		if ok {
			json.NewEncoder(w).Encode(answer())
			return
		}
		w.Header().Set("Content-Type", api.ProblemType)
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"code": "not_found", "detail": "no such thing"}`)
	}))
	return socket, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), posts...)
	}
}

func TestTop_OnATerminal(t *testing.T) {
	socket, asked := agentOf(t)
	cmd := exec.Command(filepath.Join(testenv.Binaries(t), "ctl"), "--no-color", "top")
	cmd.Env = append(os.Environ(), "AGENTD_SOCKET="+socket, "TERM=xterm")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	var s screen
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 1<<16)
		for {
			n, err := tty.Read(buf)
			s.write(string(buf[:n]))
			if err != nil {
				return
			}
		}
	}()
	await := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the screen is\n%s\nasked %q", what, s.text(), asked())
			}
		}
	}
	shows := func(text string) {
		t.Helper()
		await("to show "+text, func() bool { return strings.Contains(s.text(), text) })
	}
	press := func(keys string) {
		t.Helper()
		if _, err := io.WriteString(tty, keys); err != nil {
			t.Fatal(err)
		}
	}

	shows("RUNNING   50")
	want := strings.Join([]string{
		"box  2 running, 1 waiting  cpu 1.5 of 2  mem 512m of 4g", "",
		"   NAME         STATUS    CPU%  OF LATE           MEM   MEM%  PRESSURE       AGE",
		">  train        RUNNING   50 ~ 192m  75    12% 4%         5m",
		"   notebook     RUNNING   0 ~ 64m   25    -              5m",
		`   next\x1b[2J  PREPARED  -     -                 -     -     needs 1 cpu,…  5m`,
	}, "\n") + strings.Repeat("\n", 18) + "up/down select  l logs  s shell  t terminate  q quit"
	if diff := cmp.Diff(want, s.text()); diff != "" {
		t.Errorf("the screen (-want +got)\n%s", diff)
	}

	press("\x1b[B")
	shows(">  notebook")
	press("t")
	shows("terminate notebook? y or n")
	press("n")
	shows("nothing was terminated")
	press("ty")
	shows("asked notebook (s2) to end")
	if got := asked(); len(got) != 1 || got[0] != "POST /v1/sessions/s2/terminate" {
		t.Errorf("asked %q", got)
	}
	press("k")
	shows(">  train")
	press("l")
	shows("the logs of train failed: exit status 3")
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 10, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	await("ten rows", func() bool { return strings.HasPrefix(strings.Split(s.text(), "\n")[9], "up/down select") })
	press("q")
	if err := cmd.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
	<-read
	if s.other {
		t.Error("the terminal is left on the other screen: " + strconv.Quote(s.raw.String()[max(0, s.raw.Len()-80):]))
	}
}

func TestTop_NeedsATerminal(t *testing.T) {
	t.Parallel()
	if status, _, stderr := run(t, "top"); status != 2 || !strings.Contains(stderr, "for scripts there is ctl session stats") {
		t.Errorf("status %d, %s", status, stderr)
	}
}
