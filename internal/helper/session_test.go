package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/identity"
)

func TestSession_ChildIsTheCallerAndHardened(t *testing.T) {
	rootOnly(t)
	withoutRace(t)
	t.Setenv("CANARY", "in the parent's environment")
	as := someone()
	k := start(t, Starter{
		Env:    []string{"LANG=C"},
		Limits: Limits{MemoryBytes: 256 << 20, FileBytes: 1 << 30, OpenFiles: 100},
	}, as)
	var got who
	if err := k.Do(t.Context(), "who", nil, &got, nil); err != nil {
		t.Fatal(err)
	}
	if got.UID != 2001 || got.GID != 2002 || !slices.Equal(got.Groups, []int{2003, 2004}) {
		t.Errorf("ids: %+v", got)
	}
	if got.Umask != 0o077 || got.Dumpable != 0 || got.NoNewPrivs != 1 || got.Dir != "/" {
		t.Errorf("not hardened: %+v", got)
	}
	if got.CapEff != "0000000000000000" {
		t.Errorf("capabilities %s", got.CapEff)
	}
	if !slices.Equal(got.Env, []string{"LANG=C"}) || !slices.Equal(got.Args, []string{Argument}) {
		t.Errorf("environment %q, arguments %q", got.Env, got.Args)
	}
	want := map[string]uint64{"data": 256<<20 + runtimeData, "fsize": 1 << 30, "nofile": 100, "core": 0}
	for name, w := range want {
		if got.Rlimits[name] != w {
			t.Errorf("limit of %s: %d, want %d", name, got.Rlimits[name], w)
		}
	}
	// no_new_privs was set on the starting thread only.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t0") {
		t.Errorf("the parent lost its own rights: %v\n%s", err, status)
	}
}

func TestStart_OrdinaryUserHelpsOnlyHimself(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may help everyone")
	}
	_, err := Starter{}.Start(identity.Caller{UID: uint32(os.Geteuid()) + 1})
	if !errs.Is(err, errs.Forbidden) {
		t.Errorf("got %v", err)
	}
}

func TestSession_ErrorsArriveWhole(t *testing.T) {
	k := start(t, Starter{}, someone())
	err := k.Do(t.Context(), "fail", nil, nil, nil)
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Code != errs.Unavailable || e.Message != "the cause" || e.Hint != "do this" || len(e.Problems) != 1 {
		t.Errorf("got %#v", err)
	}
	if err := k.Do(t.Context(), "plain", nil, nil, nil); !errs.Is(err, errs.Internal) || err.Error() != "plain" {
		t.Errorf("got %v", err)
	}
	if err := k.Do(t.Context(), "nothing", nil, nil, nil); !errs.Is(err, errs.Internal) {
		t.Errorf("got %v", err)
	}
	if err := k.Do(t.Context(), "huge", nil, nil, nil); err == nil {
		t.Error("a result beyond the limit arrived")
	}
}

func TestSession_EventsInOrderAndManyOperations(t *testing.T) {
	k := start(t, Starter{}, someone())
	for range 3 {
		var got []int
		var n int
		err := k.Do(t.Context(), "events", 200, &n, func(raw json.RawMessage) {
			var i int
			if err := json.Unmarshal(raw, &i); err != nil {
				t.Error(err)
			}
			got = append(got, i)
		})
		if err != nil || n != 200 || len(got) != 200 || !slices.IsSorted(got) {
			t.Fatalf("%v: %d events, %v", err, len(got), got)
		}
	}
}

func TestSession_FilesPassBothWays(t *testing.T) {
	k := start(t, Starter{}, someone())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var n int
	files, err := k.Exchange(t.Context(), Exchange{Op: "cat", Result: &n, Send: []*os.File{r}})
	if err != nil || n != 5 || len(files) != 1 {
		t.Fatalf("%v: %d bytes, %d files", err, n, len(files))
	}
	defer closeAll(files)
	if text, err := io.ReadAll(files[0]); err != nil || string(text) != "back: hello" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestSession_DeathIsExplained(t *testing.T) {
	k := start(t, Starter{}, someone())
	err := k.Do(t.Context(), "die", nil, nil, nil)
	want := "helper die as " + k.as + ": ended: exit status 3: last words"
	if !errs.Is(err, errs.Internal) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := k.Do(t.Context(), "who", nil, nil, nil); err == nil {
		t.Error("a dead session answered")
	}
}

func TestSession_MemoryIsBounded(t *testing.T) {
	withoutRace(t)
	k := start(t, Starter{Limits: Limits{MemoryBytes: 256 << 20}}, someone())
	err := k.Do(t.Context(), "hog", nil, nil, nil)
	if !errs.Is(err, errs.TooLarge) || !strings.Contains(err.Error(), "needs more memory than its limit") {
		t.Errorf("got %v", err)
	}
}

func TestSession_FileSizeIsBoundedWithoutKilling(t *testing.T) {
	as := someone()
	dir := theirDir(t, as)
	k := start(t, Starter{Limits: Limits{FileBytes: 1 << 10}}, as)
	err := k.Do(t.Context(), "big", dir+"/f", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "file too large") {
		t.Errorf("got %v", err)
	}
	if err := k.Do(t.Context(), "who", nil, nil, nil); err != nil {
		t.Errorf("the child is gone: %v", err)
	}
}

func TestSession_CancelKillsTheWholeGroup(t *testing.T) {
	k := start(t, Starter{}, someone())
	ctx, cancel := context.WithCancel(t.Context())
	var grandchild int
	err := k.Do(ctx, "hang", nil, nil, func(raw json.RawMessage) {
		if err := json.Unmarshal(raw, &grandchild); err != nil {
			t.Error(err)
		}
		cancel()
	})
	if !errs.Is(err, errs.Canceled) {
		t.Errorf("got %v", err)
	}
	eventually(t, "the grandchild ends", func() bool { return grandchild != 0 && !alive(grandchild) })
	if alive(k.PID()) {
		t.Error("the child lives")
	}
}

func TestSession_DeadlineIsATimeout(t *testing.T) {
	k := start(t, Starter{}, someone())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := k.Do(ctx, "hang", nil, nil, nil); !errs.Is(err, errs.Timeout) {
		t.Errorf("got %v", err)
	}
}

func TestSession_CloseEndsABusyChildAndWhatItStarted(t *testing.T) {
	k := start(t, Starter{}, someone())
	pid := make(chan int, 1)
	failed := make(chan error, 1)
	go func() {
		failed <- k.Do(t.Context(), "hang", nil, nil, func(raw json.RawMessage) {
			var n int
			if err := json.Unmarshal(raw, &n); err != nil {
				t.Error(err)
			}
			pid <- n
		})
	}()
	grandchild := <-pid
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Error("the operation did not fail")
	}
	eventually(t, "the grandchild ends", func() bool { return !alive(grandchild) })
}

func TestSession_ParentsDeathEndsEverything(t *testing.T) {
	parent := exec.Command("/proc/self/exe")
	parent.Env = append(os.Environ(), parentEnv+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var child, grandchild int
	if _, err := fmt.Fscan(out, &child, &grandchild); err != nil || !alive(child) || !alive(grandchild) {
		t.Fatalf("%d, %d: %v", child, grandchild, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent ended well")
	}
	eventually(t, "both end", func() bool { return !alive(child) && !alive(grandchild) })
}

// Between fork and exec the runtime may put its own pipe at the number above the highest that it hands over. That was the
// program's number, now and then, when many launches began at once.
func TestStart_WhateverNumberTheProgramHas(t *testing.T) {
	self, err := Pin("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() { openAndClose(ctx, t) })
	}
	for i := range 100 {
		if err := startOnce(t, self, 10+i%20); err != nil {
			t.Error(err)
			break
		}
	}
	cancel()
	wait.Wait()
}

// openAndClose makes other numbers free all the time.
func openAndClose(ctx context.Context, t *testing.T) {
	var held []*os.File
	for ctx.Err() == nil {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Error(err)
			return
		}
		if held = append(held, f); len(held) == 6 {
			closeAll(held)
			held = nil
		}
	}
	closeAll(held)
}

// startOnce starts a child from a copy of self that has the first free number from the given one.
func startOnce(t *testing.T, self *os.File, number int) error {
	fd, err := unix.FcntlInt(self.Fd(), unix.F_DUPFD_CLOEXEC, number)
	if err != nil {
		return err
	}
	program := os.NewFile(uintptr(fd), "program")
	defer program.Close()
	k, err := Starter{Program: program}.Start(someone())
	if err != nil {
		return fmt.Errorf("program at %d: %w", fd, err)
	}
	return errors.Join(k.Do(t.Context(), "events", 0, nil, nil), k.Close())
}

func TestStart_JoinComesBeforeTheFirstRequest(t *testing.T) {
	var joined int
	k := start(t, Starter{Join: func(pid int) error { joined = pid; return nil }}, someone())
	if joined != k.PID() {
		t.Errorf("joined %d, child is %d", joined, k.PID())
	}
	_, err := Starter{Join: func(int) error { return os.ErrPermission }}.Start(someone())
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got %v", err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		k := start(b, Starter{}, someone())
		if err := k.Do(b.Context(), "events", 0, nil, nil); err != nil {
			b.Fatal(err)
		}
		if err := k.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDo(b *testing.B) {
	k := start(b, Starter{}, someone())
	for b.Loop() {
		if err := k.Do(b.Context(), "events", 0, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func withoutRace(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector's own memory does not fit the limit")
	}
}
