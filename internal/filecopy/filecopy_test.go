package filecopy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

// pair is a connection; both ends are closed with the test.
func pair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if conns[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		f.Close()                              //nolint:errcheck // FileConn has its own
		t.Cleanup(func() { conns[i].Close() }) //nolint:errcheck // a test's
	}
	return conns[0], conns[1]
}

// transfer copies src to dst; cut, if not 0, ends the connection when that many bytes have come.
func transfer(t *testing.T, src, dst string, resume bool, cut int64) (sent, received End, sendErr, err error) {
	t.Helper()
	a, b := pair(t)
	tree, err := NewTree(Anywhere{}, src, false)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		sent, sendErr = Send(t.Context(), a, Options{Resume: resume}, tree.Each)
		a.Close() //nolint:errcheck // it is over
	})
	var came int64
	received, err = Receive(t.Context(), b, Options{Resume: resume, Progress: func(_ []byte, n int64) {
		if came += n; cut > 0 && came >= cut {
			b.Close() //nolint:errcheck // the cut
		}
	}}, NewDisk(Anywhere{}, dst, tree.Contents()))
	b.Close() //nolint:errcheck // it is over
	wg.Wait()
	return sent, received, sendErr, err
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o640); err != nil {
		t.Fatal(err)
	}
}

func TestCopy_ABrokenOneGoesOnWhereItStopped(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	data := bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16)
	write(t, src, data)
	_, _, sendErr, err := transfer(t, src, dst, false, 4<<20)
	if !errs.Is(err, errs.Unavailable) || sendErr == nil {
		t.Fatalf("a cut: %v, sender %v", err, sendErr)
	}
	if _, err := os.Lstat(dst); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("half a file has its name: %v", err)
	}
	sent, _, _, err := transfer(t, src, dst, true, 0)
	got, readErr := os.ReadFile(dst)
	if err != nil || readErr != nil || !bytes.Equal(got, data) {
		t.Fatalf("%v %v, %d bytes", err, readErr, len(got))
	}
	if sent.Bytes > 4<<20 || sent.Bytes == 0 {
		t.Errorf("%d bytes were sent, half of it was there", sent.Bytes)
	}
	if sent, _, _, err := transfer(t, src, dst, true, 0); err != nil || sent.Bytes != 0 {
		t.Errorf("all was there: %d bytes, %v", sent.Bytes, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestCopy_AnotherFileIsNotGoneOnWith(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	write(t, src, bytes.Repeat([]byte("a"), 8<<20))
	transfer(t, src, dst, false, 4<<20) //nolint:errcheck // the cut
	want := bytes.Repeat([]byte("b"), 8<<20)
	write(t, src, want)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(src, later, later); err != nil {
		t.Fatal(err)
	}
	_, _, _, err := transfer(t, src, dst, true, 0)
	got, readErr := os.ReadFile(dst)
	if err != nil || readErr != nil || !bytes.Equal(got, want) {
		t.Errorf("%v %v: two files were mixed", err, readErr)
	}
}

func TestCopy_KeepsHoles(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	f, err := os.Create(src)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("middle"), 1<<30) //nolint:errcheck // read back below
	f.Truncate(3 << 30)                //nolint:errcheck // the same
	f.Close()                          //nolint:errcheck // the same
	sent, _, _, err := transfer(t, src, dst, false, 0)
	if err != nil || sent.Bytes > 1<<20 {
		t.Fatalf("%d bytes were sent, %v", sent.Bytes, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dst, &st); err != nil || st.Size != 3<<30 || st.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes on %d of disk, %v", st.Size, st.Blocks*512, err)
	}
}

// hostile sends entries as they are.
func hostile(t *testing.T, dst string, entries ...Entry) (End, error) {
	t.Helper()
	a, b := pair(t)
	go func() {
		w := frame.NewWriter(a)
		for _, e := range entries {
			w.WriteJSON(frame.TypeEntry, e) //nolint:errcheck // the other side may have had enough
			if e.Kind == File {
				w.Write(frame.TypeData, []byte("evil")) //nolint:errcheck // the same
				w.Write(frame.TypeEOF, nil)             //nolint:errcheck // the same
			}
		}
		w.WriteJSON(frame.TypeEnd, End{}) //nolint:errcheck // the same
		io.Copy(io.Discard, a)            //nolint:errcheck // until it has
	}()
	end, err := Receive(t.Context(), b, Options{}, NewDisk(Anywhere{}, dst, false))
	b.Close() //nolint:errcheck // it is over
	return end, err
}

func TestReceive_WritesBeneathItsDestinationOnly(t *testing.T) {
	root := Entry{Kind: Dir, Name: []byte("top"), Mode: 0o755}
	for name, entries := range map[string][]Entry{
		"name of the root": {{Kind: File, Name: []byte("../victim")}},
		"no name":          {{Kind: File, Name: []byte("..")}},
		"path":             {root, {Kind: File, Path: []byte("../../victim")}},
		"absolute":         {root, {Kind: File, Path: []byte("/victim")}},
		"not clean":        {root, {Kind: Dir, Path: []byte("a")}, {Kind: File, Path: []byte("a/../../../victim")}},
		"through a link":   {root, {Kind: Link, Path: []byte("l"), Target: []byte("../..")}, {Kind: File, Path: []byte("l/victim")}},
		"a link as a directory": {root, {Kind: Link, Path: []byte("l"), Target: []byte("../..")}, {Kind: Dir, Path: []byte("l")},
			{Kind: File, Path: []byte("l/victim")}},
		"second root": {root, {Kind: File, Name: []byte("victim")}},
		"no root":     {{Kind: File, Path: []byte("victim")}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			dst := filepath.Join(dir, "dst")
			if err := os.Mkdir(dst, 0o700); err != nil {
				t.Fatal(err)
			}
			victim := filepath.Join(dir, "victim")
			write(t, victim, []byte("untouched"))
			end, err := hostile(t, dst, entries...)
			if err == nil && !end.Failed {
				t.Errorf("nothing was said: %+v", end)
			}
			if got, err := os.ReadFile(victim); err != nil || string(got) != "untouched" {
				t.Errorf("the victim has %q, %v", got, err)
			}
		})
	}
}

func TestReceive_ReplacesALinkInsteadOfFollowingIt(t *testing.T) {
	dir := t.TempDir()
	victim, dst := filepath.Join(dir, "victim"), filepath.Join(dir, "dst")
	write(t, victim, []byte("untouched"))
	if err := os.Mkdir(dst, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(dst, "file")); err != nil {
		t.Fatal(err)
	}
	if _, err := hostile(t, dst, Entry{Kind: File, Name: []byte("file"), Mode: 0o7777}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(victim)
	info, statErr := os.Lstat(filepath.Join(dst, "file"))
	if err != nil || statErr != nil || string(got) != "untouched" || info.Mode() != 0o777 {
		t.Errorf("%q %v, %v %v", got, err, info, statErr)
	}
}

func TestSend_EndsWithWhatTheReceiverSays(t *testing.T) {
	a, b := pair(t)
	go func() {
		frame.NewWriter(b).WriteJSON(frame.TypeError, frame.Failure{Code: errs.NoSpace, Message: "disk full"}) //nolint:errcheck // read below
	}()
	_, err := Send(t.Context(), a, Options{}, func(yield Yield) error {
		return yield(Entry{Kind: File, Size: -1}, endless{})
	})
	if !errs.Is(err, errs.NoSpace) || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("%v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestReceive_EndsWithItsContext(t *testing.T) {
	_, b := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Receive(ctx, b, Options{}, NewDisk(Anywhere{}, t.TempDir(), false)); !errs.Is(err, errs.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
}

func FuzzReceive_NeverPanicsOrLeaves(f *testing.F) {
	e, err := json.Marshal(Entry{Kind: Dir, Name: []byte("top")})
	if err != nil {
		f.Fatal(err)
	}
	seed, err := frame.Append(nil, frame.TypeEntry, e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := pair(t)
		go func() {
			a.Write(data) //nolint:errcheck // the other side may have had enough
			a.Close()     //nolint:errcheck // the same
		}()
		dir := t.TempDir()
		dst := filepath.Join(dir, "dst")
		if err := os.Mkdir(dst, 0o700); err != nil {
			t.Fatal(err)
		}
		Receive(t.Context(), b, Options{}, NewDisk(Anywhere{}, dst, false)) //nolint:errcheck // whatever it is
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("it left its destination: %v %v", list, err)
		}
	})
}
