package sessioninit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
)

// idle is a session to exec in.
func idle(t testing.TB) *container {
	t.Helper()
	c := newContainer(t, interactive())
	c.awaitState(frame.StateIdle)
	return c
}

func TestExec_KeepsStreamsEnvironmentAndDirectory(t *testing.T) {
	c := idle(t)
	var out, errOut bytes.Buffer
	exit := c.exec(frame.Exec{
		Argv: []string{"sh", "-c", `pwd; echo "$A-$HOME"; echo "$B" >&2; exit 5`},
		Env:  []string{"A=one", "A=two", "HOME=/tmp", "B=line\nline", "GODEBUG=inittrace=1"},
		Dir:  "/tmp",
	}, frame.Streams{Stdout: &out, Stderr: &errOut})
	if exit.Code != 5 || out.String() != "/tmp\ntwo-/tmp\n" || errOut.String() != "line\nline\n" {
		t.Errorf("exit %+v, stdout %q, stderr %q", exit, out.String(), errOut.String())
	}
}

func TestExec_CodesAndSignalsAreExact(t *testing.T) {
	c := idle(t)
	// Orphans end all the while, and each is a child of agentd-init that nobody asked for.
	_, exit := c.run("for i in $(seq 40); do (setsid sh -c 'for j in $(seq 20); do (sleep 0.0$j &); done' &); done")
	if exit.Code != 0 {
		t.Fatalf("orphans: %+v", exit)
	}
	for code := range 256 {
		if _, exit := c.run(fmt.Sprintf("(sleep 0.01 &) ; exit %d", code)); exit.Code != code || exit.Signal != "" {
			t.Errorf("exit %d: %+v", code, exit)
		}
	}
	for s := unix.Signal(1); s <= 64; s++ {
		switch s {
		case unix.SIGCHLD, unix.SIGCONT, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGURG, unix.SIGWINCH:
			continue // these end nobody
		case 32, 33, unix.SIGQUIT: // the C library's own; what busybox's sh ignores
			continue
		}
		_, exit := c.run(fmt.Sprintf("kill -%d $$; sleep 100", s))
		if exit.Code != 128+int(s) || exit.Signal == "" {
			t.Errorf("signal %d: %+v", s, exit)
		}
	}
}

func TestExec_TwoHundredAtOnce(t *testing.T) {
	c := idle(t)
	before := c.initFDs()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			out, exit := c.run(fmt.Sprintf("echo %d; (sleep 0.1 >/dev/null 2>&1 &); exit %d", i, i))
			if exit.Code != i || out != fmt.Sprintf("%d\n", i) {
				t.Errorf("exec %d: %+v, %q", i, exit, out)
			}
		})
	}
	wg.Wait()
	c.eventually("descriptors are given back", func() bool { return c.initFDs() <= before })
	c.eventually("no orphan is left", func() bool {
		var s frame.Stats
		return c.do(frame.Request{Op: frame.OpStats}, &s) == nil && s.Processes == 1
	})
}

// initFDs counts agentd-init's open descriptors.
func (c *container) initFDs() int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	return len(list)
}

func TestExec_ChildInheritsNothingOfInit(t *testing.T) {
	c := idle(t)
	var out bytes.Buffer
	c.exec(frame.Exec{Argv: []string{"ls", "/proc/self/fd"}}, frame.Streams{Stdout: &out})
	if out.String() != "0\n1\n2\n3\n" { // 3 is the directory that ls lists
		t.Errorf("descriptors of a child: %q, want 3 and the list's own", out.String())
	}
	out.Reset()
	c.exec(frame.Exec{Argv: []string{"cat", "/proc/self/status"}}, frame.Streams{Stdout: &out})
	for _, want := range []string{"SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000",
		"CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Umask:\t0022"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("status of a child:\n%swant %q", out.String(), want)
		}
	}
}

func TestExec_ChildrenGoFirstWhenMemoryRunsOut(t *testing.T) {
	c := newContainer(t, interactive(sh(job.Startup, "cat /proc/self/oom_score_adj >score; touch ready; sleep 1000")))
	c.awaitFile("ready")
	out, _ := c.run("cat score /proc/self/oom_score_adj; sh -c 'cat /proc/self/oom_score_adj'")
	if out != "500\n500\n500\n" {
		t.Errorf("oom_score_adj of step, exec, and its child: %q, want 500 each", out)
	}
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", c.cmd.Process.Pid))
	if err != nil || string(own) != "0\n" {
		t.Errorf("oom_score_adj of agentd-init: %q, %v, want 0", own, err)
	}
	// And the session cannot change that, nor look into agentd-init.
	if out, exit := c.run("echo 1000 >/proc/1/oom_score_adj"); exit.Code == 0 {
		t.Errorf("the session set agentd-init's oom_score_adj: %q", out)
	}
	if out, exit := c.run("cat /proc/1/environ"); exit.Code == 0 || out != "" {
		t.Errorf("the session read agentd-init's environment: %q", out)
	}
}

func TestExec_LargeOutputArrivesWholeBeforeTheExit(t *testing.T) {
	c := idle(t)
	const size = 100 << 20
	sum := sha256.New()
	n := &counter{w: sum}
	exit := c.exec(frame.Exec{Argv: []string{"sh", "-c", "dd if=/dev/zero bs=65536 count=1600 2>/dev/null"}}, frame.Streams{Stdout: n})
	want := sha256.New()
	io.CopyN(want, zeros{}, size) //nolint:errcheck // a hash takes everything
	if exit.Code != 0 || n.n != size || !bytes.Equal(sum.Sum(nil), want.Sum(nil)) {
		t.Errorf("exit %+v, %d bytes, want %d", exit, n.n, size)
	}
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestExec_SlowReaderHoldsUpNobodyElse(t *testing.T) {
	c := idle(t)
	gate := make(chan struct{})
	slow := &gated{gate: gate}
	done := make(chan frame.Exit, 1)
	go func() {
		done <- c.exec(frame.Exec{Argv: []string{"sh", "-c", "seq 200000; exit 3"}}, frame.Streams{Stdout: slow})
	}()
	for range 20 { // while the other one is stuck
		if _, exit := c.run("true"); exit.Code != 0 {
			t.Fatalf("exec beside a slow reader: %+v", exit)
		}
	}
	close(gate)
	exit := <-done
	if lines := bytes.Count(slow.got.Bytes(), []byte("\n")); exit.Code != 3 || lines != 200000 {
		t.Errorf("exit %+v with %d lines, want 200000", exit, lines)
	}
}

// gated takes nothing before its gate opens.
type gated struct {
	gate <-chan struct{}
	got  bytes.Buffer
}

func (g *gated) Write(p []byte) (int, error) {
	<-g.gate
	return g.got.Write(p)
}

func TestExec_LargeInputIsEchoed(t *testing.T) {
	c := idle(t)
	data := make([]byte, 8<<20)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(data) //nolint:errcheck // never fails
	var out bytes.Buffer
	exit := c.exec(frame.Exec{Argv: []string{"cat"}}, frame.Streams{Stdin: bytes.NewReader(data), Stdout: &out})
	if exit.Code != 0 || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("exit %+v, %d bytes back, want %d", exit, out.Len(), len(data))
	}
}

func TestExec_InputThatIsNotReadHindersNothing(t *testing.T) {
	c := idle(t)
	signals := make(chan string, 1)
	out := &awaited{want: "up", seen: make(chan struct{})}
	go func() {
		<-out.seen
		signals <- "USR1" // behind more stdin than the process, the pipe and the window take
	}()
	exit := c.exec(frame.Exec{Argv: []string{"sh", "-c", "trap 'exit 8' USR1; echo up; while :; do sleep 0.01; done"}},
		frame.Streams{Stdin: zeros{}, Stdout: out, Signals: signals})
	if exit.Code != 8 {
		t.Errorf("exit %+v, want 8", exit)
	}
}

func TestExec_InputMayBeClosedByTheProcess(t *testing.T) {
	c := idle(t)
	exit := c.exec(frame.Exec{Argv: []string{"sh", "-c", "exec <&-; sleep 0.2; exit 4"}}, frame.Streams{Stdin: zeros{}})
	if exit.Code != 4 {
		t.Errorf("exit %+v, want 4", exit)
	}
}

// awaited closes seen when it has got want.
type awaited struct {
	mu   sync.Mutex
	want string
	seen chan struct{}
	got  bytes.Buffer
	done bool
}

func (a *awaited) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, err := a.got.Write(p)
	if !a.done && strings.Contains(a.got.String(), a.want) {
		a.done = true
		close(a.seen)
	}
	return n, err
}

func TestExec_BackgroundChildDoesNotHoldIt(t *testing.T) {
	c := idle(t)
	out, exit := c.run("sleep 1000 & echo begun; exit 6")
	if exit.Code != 6 || out != "begun\n" {
		t.Errorf("exit %+v, %q", exit, out)
	}
}

func TestExec_LostConnectionHangsUp(t *testing.T) {
	c := idle(t)
	ctx, cancel := context.WithCancel(t.Context())
	conn := c.dial()
	started := make(chan frame.Started, 1)
	failed := make(chan error, 1)
	go func() {
		_, err := frame.Run(ctx, conn, frame.Exec{Argv: []string{"sh", "-c",
			"trap 'touch hup; exit' HUP; touch ready; while :; do sleep 0.01; done"}},
			frame.Streams{Started: func(s frame.Started) { started <- s }})
		failed <- err
	}()
	<-started
	c.awaitFile("ready")
	cancel()
	if err := <-failed; !errs.Is(err, errs.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
	conn.Close() //nolint:errcheck // this is the loss
	c.awaitFile("hup")
}

func TestExec_LostConnectionKillsWhatIgnoresIt(t *testing.T) {
	c := idle(t)
	conn := c.dial()
	started := make(chan frame.Started, 1)
	go frame.Run(t.Context(), conn, frame.Exec{Argv: []string{"sh", "-c", //nolint:errcheck // it is cut
		"trap '' HUP; touch ready; while :; do sleep 0.01; done"}},
		frame.Streams{Started: func(s frame.Started) { started <- s }})
	pid := (<-started).PID
	c.awaitFile("ready")
	conn.Close() //nolint:errcheck // this is the loss
	c.eventually("it is gone", func() bool {
		_, exit := c.run(fmt.Sprintf("test -d /proc/%d", pid))
		return exit.Code != 0
	})
}

func TestExec_RefusesWhatMakesNoSense(t *testing.T) {
	c := idle(t)
	for name, e := range map[string]frame.Exec{
		"no command":  {},
		"NUL":         {Argv: []string{"echo", "a\x00b"}},
		"environment": {Argv: []string{"true"}, Env: []string{"=x"}},
	} {
		_, err := frame.Run(t.Context(), c.dial(), e, frame.Streams{})
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if exit := c.exec(frame.Exec{Argv: []string{"none"}}, frame.Streams{}); exit.Code != 127 || exit.Error == "" {
		t.Errorf("missing program: %+v", exit)
	}
	for _, op := range []string{frame.OpCopyIn, frame.OpCopyOut, "what", frame.OpExec} {
		if err := c.do(frame.Request{Op: op}, nil); !errs.Is(err, errs.Unsupported) {
			t.Errorf("operation %s: %v, want unsupported", op, err)
		}
	}
}
