package sessioninit

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentd/internal/beneath"
	"agentd/internal/frame"
	"agentd/internal/sessionlog"
)

// texts are the output that lines of a log stand for, by stream.
func join(t *testing.T, log []byte) string {
	t.Helper()
	var b strings.Builder
	for raw := range bytes.Lines(log) {
		l := sessionlog.Parse(bytes.TrimSuffix(raw, []byte("\n")))
		if l.Stream == sessionlog.Damaged || len(l.Text) > sessionlog.MaxText {
			t.Fatalf("line %q", raw)
		}
		b.Write(l.Text)
		if !l.Partial {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestSplitter_LosesNoByteWhereverItIsCut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's
	for _, output := range []string{"", "\n", "a", "a\n", "a\nb", "\n\n\n", "a\r\nb\x00\xff\n",
		strings.Repeat("x", sessionlog.MaxText), strings.Repeat("x", sessionlog.MaxText) + "\n",
		strings.Repeat("x", 5*sessionlog.MaxText+1) + "\nrest", strings.Repeat("line\n", 20000)} {
		var log []byte
		var lines int64
		s := &splitter{step: "startup", stream: sessionlog.Stdout, put: func(e entry) {
			if len(e.data) > logEntry+sessionlog.MaxLine {
				t.Errorf("entry of %d bytes", len(e.data))
			}
			log = append(log, e.data...)
			lines += e.lines
		}}
		for rest := []byte(output); len(rest) > 0; {
			n := min(len(rest), 1+r.IntN(readBuffer))
			s.write(time.Now(), rest[:n])
			rest = rest[n:]
			if r.IntN(3) == 0 {
				s.pause(time.Now())
			}
		}
		s.pause(time.Now())
		if got := join(t, log); got != output {
			t.Errorf("%d bytes became %d", len(output), len(got))
		}
		if want := int64(bytes.Count(log, []byte("\n"))); lines != want {
			t.Errorf("%d lines were counted, want %d", lines, want)
		}
	}
}

func newTestLog(t *testing.T) (*logFile, string) {
	t.Helper()
	path := t.TempDir()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() }) //nolint:errcheck // only read
	return &logFile{dir: dir, name: "log", partMax: 1000}, path
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestLogFile_KeepsItsBoundAndItsNewestLines(t *testing.T) {
	l, path := newTestLog(t)
	line := []byte(strings.Repeat("x", 99) + "\n")
	for range 500 {
		l.write(line, 1)
		total := int64(0)
		for i := range sessionlog.Parts + 2 {
			total += size(t, filepath.Join(path, sessionlog.PartName("log", i)))
		}
		if total > sessionlog.Parts*l.partMax {
			t.Fatalf("%d bytes", total)
		}
	}
	if l.lost != 0 || size(t, filepath.Join(path, "log.3")) != 1000 || size(t, filepath.Join(path, "log.4")) != 0 {
		t.Errorf("lost %d", l.lost)
	}
}

func TestLogFile_BlockedRotationStillKeepsTheBound(t *testing.T) {
	l, path := newTestLog(t)
	if err := os.MkdirAll(filepath.Join(path, "log.1", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "log.2", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		l.write([]byte(strings.Repeat("x", 99)+"\n"), 1)
		if n := size(t, filepath.Join(path, "log")); n > l.partMax {
			t.Fatalf("%d bytes", n)
		}
	}
	if l.lost != 0 {
		t.Errorf("lost %d", l.lost)
	}
}

func TestLogFile_RemovedOneIsMadeAgain(t *testing.T) {
	l, path := newTestLog(t)
	l.write([]byte("one\n"), 1)
	if err := os.Remove(filepath.Join(path, "log")); err != nil {
		t.Fatal(err)
	}
	l.write([]byte("two\n"), 1)
	dir, err := beneath.Dir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close() //nolint:errcheck // only read
	if got, err := beneath.ReadFile(dir, "log", 100); err != nil || string(got) != "two\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLogger_HangingDiskHoldsNobodyForEver(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close() //nolint:errcheck // only read
	l := newLogger(dir, "log")
	// Nobody runs it: the queue does not move, as with a disk that hangs.
	for range logQueue + 100 {
		l.put(entry{data: []byte("x\n"), lines: 1})
	}
	if got := l.lostLines(); got != 100 {
		t.Errorf("%d lines lost, want 100", got)
	}
	go l.run()
	l.close()
	text, err := os.ReadFile(filepath.Join(dir.Name(), "log"))
	if err != nil || !strings.Contains(string(text), "100 lines lost: the disk was too slow") {
		t.Errorf("log %q, %v", text, err)
	}
	l.put(entry{data: []byte("late\n"), lines: 1}) // after the end: nothing, and no panic
}

func TestInlet_RefusesMoreThanItsWindow(t *testing.T) {
	r, w, err := pipe(childs)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(r, w)
	credit := make(chan int, 100)
	q := newInlet(w, func(n int) { credit <- n }, func() { w.Close() }) //nolint:errcheck // a pipe
	if err := q.put(make([]byte, frame.StdinWindow+1)); err == nil {
		t.Error("more than the window was taken")
	}
	if err := q.put(make([]byte, frame.StdinWindow)); err != nil {
		t.Fatal(err)
	}
	q.finish()
	go q.run()
	n, err := io.Copy(io.Discard, r)
	if err != nil || n != frame.StdinWindow {
		t.Errorf("%d bytes, %v", n, err)
	}
	total := 0
	for total < frame.StdinWindow {
		total += <-credit
	}
	if err := q.put([]byte("x")); err == nil {
		t.Error("input after its end was taken")
	}
}

func TestLastOfEach_LastOfANameCounts(t *testing.T) {
	got := strings.Join(lastOfEach([]string{"A=1", "B=2", "A=3", "C=x=y"}), " ")
	if got != "A=3 B=2 C=x=y" {
		t.Errorf("got %q", got)
	}
}

// TestSources_WaitInOnePlaceOnly guards the contract of the package comment: os/exec beside a reaper loses exit codes.
func TestSources_WaitInOnePlaceOnly(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	waits := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, banned := range []string{`"os/exec"`, "os.StartProcess", "Process.Wait", "FindProcess", "Waitid", "Wait6"} {
			if bytes.Contains(text, []byte(banned)) {
				t.Errorf("%s has %s", f, banned)
			}
		}
		waits += bytes.Count(text, []byte("Wait4("))
	}
	if waits != 1 {
		t.Errorf("%d calls of Wait4, want one", waits)
	}
}
