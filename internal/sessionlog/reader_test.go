package sessionlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"agentd/internal/beneath"
	"agentd/internal/errs"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant, but for Go

// numbered are the lines first to last, one a second.
func numbered(first, last int) string {
	var b []byte
	for i := first; i <= last; i++ {
		l := Line{Time: epoch.Add(time.Duration(i) * time.Second), Step: "startup", Stream: Stdout, Text: fmt.Append(nil, i)}
		b = l.Append(b)
	}
	return string(b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a test's
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	dir, err := beneath.Dir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() }) //nolint:errcheck // only read
	return dir
}

func read(t *testing.T, dir string, o Options) []string {
	t.Helper()
	o.Name = "log"
	var got []string
	err := Read(t.Context(), open(t, dir), o, func(l Line) error {
		got = append(got, string(l.Text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRead_TailAndSinceOverParts(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "log.2"), numbered(1, 3))
	write(t, filepath.Join(dir, "log.1"), numbered(4, 6))
	write(t, filepath.Join(dir, "log"), numbered(7, 9))
	for _, tc := range []struct {
		name string
		o    Options
		want string
	}{
		{"all", Options{Tail: -1}, "1 2 3 4 5 6 7 8 9"},
		{"none", Options{Tail: 0}, ""},
		{"one", Options{Tail: 1}, "9"},
		{"one part", Options{Tail: 3}, "7 8 9"},
		{"over two", Options{Tail: 4}, "6 7 8 9"},
		{"exactly all", Options{Tail: 9}, "1 2 3 4 5 6 7 8 9"},
		{"more than all", Options{Tail: 100}, "1 2 3 4 5 6 7 8 9"},
		{"since", Options{Tail: -1, Since: epoch.Add(5 * time.Second)}, "5 6 7 8 9"},
		{"both", Options{Tail: 2, Since: epoch.Add(5 * time.Second)}, "8 9"},
	} {
		if got := strings.Join(read(t, dir, tc.o), " "); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestRead_TailOfLargeFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "log"), numbered(1, 20000)) // several blocks
	for _, n := range []int{1, 1500, 9999, 20000} {
		got := read(t, dir, Options{Tail: n})
		if len(got) != n || got[n-1] != "20000" || got[0] != fmt.Sprint(20000-n+1) {
			t.Errorf("tail %d: %d lines from %s", n, len(got), got[0])
		}
	}
}

func TestRead_NoLogIsEmpty(t *testing.T) {
	if got := read(t, t.TempDir(), Options{Tail: -1}); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestRead_EndsWithYieldsError(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "log"), numbered(1, 3))
	stop := errors.New("enough")
	n := 0
	err := Read(t.Context(), open(t, dir), Options{Name: "log", Tail: -1}, func(Line) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d lines", err, n)
	}
}

func TestRead_HostileFilesAreBoundedOrPassedOver(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, numbered(66, 66))
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	for name, make := range map[string]func() error{
		"link":      func() error { return os.Symlink(secret, path) },
		"FIFO":      func() error { return unix.Mkfifo(path, 0o600) },
		"directory": func() error { return os.Mkdir(path, 0o700) },
	} {
		os.Remove(path) //nolint:errcheck // none at first
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if got := read(t, dir, Options{Tail: -1}); got != nil {
			t.Errorf("%s: read %q", name, got)
		}
	}
	os.Remove(path) //nolint:errcheck // the directory
	// A line without an end is cut, and nothing is lost; a file of terabytes costs no more than the bound.
	write(t, path, strings.Repeat("x", 3*MaxLine+5))
	got := read(t, dir, Options{Tail: -1})
	if len(got) != 4 || len(strings.Join(got, "")) != 3*MaxLine+5 || len(got[0]) != MaxLine {
		t.Errorf("%d lines", len(got))
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, l := range read(t, dir, Options{Tail: -1, MaxBytes: 1 << 20}) {
		total += len(l)
	}
	if total != 1<<20 {
		t.Errorf("read %d bytes, want the bound", total)
	}
	read(t, dir, Options{Tail: 5, MaxBytes: 1 << 20}) // no line feed anywhere
}

// following reads in the background; lines come through the channel.
func following(t *testing.T, dir string, tail int) (lines <-chan string, end func() error) {
	t.Helper()
	ended := make(chan struct{})
	done := make(chan error, 1)
	ch := make(chan string, 10000)
	d := open(t, dir)
	go func() {
		done <- Read(t.Context(), d, Options{Name: "log", Tail: tail, Ended: ended}, func(l Line) error {
			ch <- string(l.Text)
			return nil
		})
		close(ch)
	}()
	return ch, func() error {
		close(ended)
		return <-done
	}
}

func want(t *testing.T, lines <-chan string, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		select {
		case got := <-lines:
			if got != fmt.Sprint(i) {
				t.Fatalf("got %q, want %d", got, i)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no line %d", i)
		}
	}
}

func TestFollow_GoesOnOverRotations(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	rotate := func() {
		for i := Parts - 1; i > 0; i-- {
			os.Rename(filepath.Join(dir, PartName("log", i-1)), filepath.Join(dir, PartName("log", i))) //nolint:errcheck // may be none
		}
	}
	lines, end := following(t, dir, -1)
	appendTo(t, path, numbered(1, 2))
	want(t, lines, 1, 2)
	appendTo(t, path, numbered(3, 3))
	rotate()
	appendTo(t, path, numbered(4, 4))
	want(t, lines, 3, 4)
	// Several rotations between two looks: as long as the parts are there, nothing is lost.
	for i := range 3 {
		rotate()
		appendTo(t, path, numbered(5+i, 5+i))
	}
	want(t, lines, 5, 7)
	// Half a line is not shown before its end, or the end.
	half := numbered(8, 8)
	appendTo(t, path, half[:len(half)-1])
	if err := end(); err != nil {
		t.Fatal(err)
	}
	want(t, lines, 8, 8)
	if l, more := <-lines; more {
		t.Errorf("one more: %q", l)
	}
}

func TestFollow_BeginsAtItsTail(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "log"), numbered(1, 9))
	lines, end := following(t, dir, 2)
	want(t, lines, 8, 9)
	appendTo(t, filepath.Join(dir, "log"), numbered(10, 10))
	want(t, lines, 10, 10)
	if err := end(); err != nil {
		t.Fatal(err)
	}
}

func TestFollow_SurvivesReplacementAndEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	write(t, path, numbered(1, 1))
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 10)
	done := make(chan error, 1)
	d := open(t, dir)
	go func() {
		done <- Read(ctx, d, Options{Name: "log", Tail: -1, Ended: make(chan struct{})}, func(l Line) error {
			got <- string(l.Text)
			return nil
		})
	}()
	first := <-got
	os.Remove(path)                 //nolint:errcheck // then a link is there
	os.Symlink("/etc/passwd", path) //nolint:errcheck // read below
	os.Remove(path)                 //nolint:errcheck // and a file again
	write(t, path, numbered(2, 2))
	second := <-got
	if diff := cmp.Diff([]string{"1", "2"}, []string{first, second}); diff != "" {
		t.Error(diff)
	}
	cancel()
	if err := <-done; !errs.Is(err, errs.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
}
