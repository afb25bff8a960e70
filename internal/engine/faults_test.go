package engine_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"agentd/internal/engine"
	"agentd/internal/engine/enginetest"
	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/testenv"
)

const present = "agentd-test/present:v1"

// fake is an engine with one image.
func fake(t *testing.T) (*enginetest.Fake, *engine.Engine) {
	t.Helper()
	f := enginetest.Start(t)
	f.Have(present, enginetest.Image{Architecture: "amd64"})
	return f, connect(t, f.Host())
}

func testSpec(t *testing.T, e *engine.Engine, session, script string) engine.Spec {
	t.Helper()
	img, err := e.Image(t.Context(), present)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Spec{
		Name: layout.ContainerName(session), Image: img, Network: engine.NetworkNone,
		Labels:     engine.Labels{Instance: "i", Session: session, Nonce: "n"},
		Entrypoint: []string{"/bin/sh", "-c", script},
	}
}

func TestCall_EveryFaultOfTheEngine(t *testing.T) {
	cases := map[string]struct {
		fault      enginetest.Fault
		code       errs.Code
		text, hint string
	}{
		"refuses":    {enginetest.Fail(http.StatusForbidden, "no"), errs.Forbidden, `inspect container "x": no`, ""},
		"conflict":   {enginetest.Fail(http.StatusConflict, "busy"), errs.Conflict, "busy", ""},
		"bad":        {enginetest.Fail(http.StatusBadRequest, "bad"), errs.Invalid, "bad", ""},
		"cannot":     {enginetest.Fail(http.StatusInternalServerError, "it\nbroke"), errs.Unavailable, "it broke", ""},
		"overloaded": {enginetest.Fail(http.StatusServiceUnavailable, "later"), errs.Unavailable, "later", ""},
		"not there":  {enginetest.Fail(http.StatusNotImplemented, "what"), errs.Unsupported, "what", ""},
		"full": {
			enginetest.Fail(http.StatusInternalServerError, "write /x: no space left on device"), errs.NoSpace, "no space", "",
		},
		"cut":     {enginetest.Cut(), errs.Unavailable, "broke off its answer", "journalctl"},
		"dropped": {enginetest.DropReply(), errs.Unavailable, "does not answer", "systemctl status docker"},
		"garbage": {enginetest.Garbage(), errs.Unavailable, "broke off its answer", "journalctl"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, e := fake(t)
			f.Next(enginetest.ContainerInspect, c.fault)
			_, err := e.Inspect(t.Context(), "x")
			if c.hint == "" {
				if got := errs.CodeOf(err); got != c.code {
					t.Errorf("code %q, want %q: %v", got, c.code, err)
				}
			} else {
				wantError(t, err, c.code, `inspect container "x"`, c.text, c.hint)
			}
			// The next call is not harmed by it.
			if _, err := e.Inspect(t.Context(), "x"); !errs.Is(err, errs.NotFound) {
				t.Errorf("the next call: %v", err)
			}
		})
	}
}

func TestCall_HangingEngineIsATimeout(t *testing.T) {
	f, e := fake(t)
	if err := e.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Next(enginetest.Ping, enginetest.Hang(), enginetest.Hang())
	err := e.PingWithin(t.Context(), 50*time.Millisecond)
	wantError(t, err, errs.Timeout, "ping: ", "did not answer within 50ms", "docker info")

	// A caller with a deadline of his own, and one who goes away.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := e.Ping(ctx); !errs.Is(err, errs.Timeout) {
		t.Errorf("own deadline: %v", err)
	}
	f.Next(enginetest.Ping, enginetest.Hang())
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := e.Ping(ctx); !errs.Is(err, errs.Canceled) {
		t.Errorf("went away: %v", err)
	}
}

func TestCall_NoPermissionOnTheSocket(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing comes
	err = asNobody(t, dir, func() error { return connect(t, "unix://"+filepath.Join(dir, "s")).Ping(t.Context()) })
	wantError(t, err, errs.Forbidden, "ping: ", "no permission to talk to the Docker Engine", "group of that socket")
}

// asNobody runs do while the whole process has the effective ids of nobody; so no test that runs it may be parallel.
func asNobody(t *testing.T, dir string, do func() error) error {
	t.Helper()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setregid(-1, 65534); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setreuid(-1, 65534); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setreuid(-1, 0); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Setregid(-1, 0); err != nil {
			t.Fatal(err)
		}
	}()
	return do()
}

// The engine did it, and its answer was lost: the name leads to what was made, and the nonce proves it.
func TestCreate_LostAnswerIsFoundByName(t *testing.T) {
	f, e := fake(t)
	s := testSpec(t, e, "lost", enginetest.ScriptExit(0))
	f.Next(enginetest.ContainerCreate, enginetest.DropReply())
	if _, err := e.Create(t.Context(), s); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("got %v", err)
	}
	if _, err := e.Create(t.Context(), s); !errs.Is(err, errs.Conflict) {
		t.Errorf("second try: %v", err)
	}
	c, err := e.Inspect(t.Context(), s.Name)
	if err != nil || !s.Labels.Prove(c.Name, c.Labels) {
		t.Errorf("found %+v, %v", c, err)
	}
	if other := (engine.Labels{Instance: "i", Session: "lost", Nonce: "guessed"}); other.Prove(c.Name, c.Labels) {
		t.Error("a wrong nonce proves it")
	}
	if none := (engine.Labels{Instance: "i", Session: "lost"}); none.Prove(c.Name, engine.Labels{Instance: "i", Session: "lost"}) {
		t.Error("no nonce proves it")
	}
}

func TestWait_OverRestartsOfTheEngine(t *testing.T) {
	f, e := fake(t)
	s := testSpec(t, e, "wait", enginetest.ScriptUntilTerm(0))
	if _, err := e.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	done := make(chan engine.Container, 1)
	go func() {
		c, err := e.Wait(t.Context(), s.Name)
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	for f.Count(enginetest.ContainerWait) == 0 {
		time.Sleep(time.Millisecond)
	}
	f.Stop()
	f.Next(enginetest.ContainerInspect, enginetest.Fail(http.StatusInternalServerError, "starting"), enginetest.Garbage())
	f.Restart()
	for f.Count(enginetest.ContainerWait) == 1 {
		time.Sleep(time.Millisecond)
	}
	f.End(s.Name, 5, false)
	if c := <-done; c.ExitCode != 5 {
		t.Errorf("got %+v", c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Wait(ctx, s.Name); !errs.Is(err, errs.Canceled) {
		t.Errorf("went away: %v", err)
	}
}

// Each event is told once, though the streams overlap, and a gap is told as such.
func TestWatch_OverRestartsOfTheEngine(t *testing.T) {
	f, e := fake(t)
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan engine.Event, 100)
	done := make(chan error, 1)
	go func() { done <- e.Watch(ctx, "i", func(ev engine.Event) { events <- ev }) }()
	want := func(kinds ...engine.EventKind) {
		t.Helper()
		for _, kind := range kinds {
			if ev := <-events; ev.Kind != kind {
				t.Fatalf("event %+v, want %s", ev, kind)
			}
		}
	}
	want(engine.EventConnected)
	s := testSpec(t, e, "watch", enginetest.ScriptUntilTerm(0))
	if _, err := e.Create(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx, s.Name); err != nil {
		t.Fatal(err)
	}
	want(engine.EventStart)
	f.Stop()
	f.End(s.Name, 137, true)
	f.Restart()
	want(engine.EventConnected, engine.EventOOM, engine.EventDie)
	f.Restart()
	want(engine.EventConnected)
	if err := e.Remove(ctx, s.Name); err != nil {
		t.Fatal(err)
	}
	want(engine.EventDestroy)
	cancel()
	if err := <-done; !errs.Is(err, errs.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := f.Left(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// agentd dies between the pull and putting the tag back: the next start does it.
func TestRestoreTags_AfterACrash(t *testing.T) {
	f, e := fake(t)
	const ref = "127.0.0.1:5000/team/app:v1"
	native := f.Have(ref, enginetest.Image{Architecture: "amd64"})
	f.Publish(ref, enginetest.Image{Architecture: "amd64"}, enginetest.Image{Architecture: "arm64"})
	// Two looks before the pull (tag, hold), two more under the lock, one to remember; the sixth is the one after it.
	f.Next(enginetest.ImageInspect, enginetest.OK(), enginetest.OK(), enginetest.OK(), enginetest.OK(), enginetest.OK(),
		enginetest.Fail(http.StatusInternalServerError, "crash"))
	arm := amd64()
	arm.Architecture = "arm64"
	_, err := e.Pull(t.Context(), engine.PullRequest{Reference: ref, Platform: arm, Policy: engine.PullMissing}, nil)
	if err == nil || f.Tags()[ref] == native {
		t.Fatalf("no crash: %v, the tag is %s", err, f.Tags()[ref])
	}
	if err := connect(t, f.Host()).RestoreTags(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.Tags()[ref]; got != native {
		t.Errorf("the tag is %s, want %s", got, native)
	}
	for name := range f.Tags() {
		if name != ref && name != present {
			t.Errorf("%s is left", name)
		}
	}
}

func TestPull_ErrorInsideTheStream(t *testing.T) {
	f, e := fake(t)
	const ref = "127.0.0.1:5000/team/app:v1"
	f.Publish(ref, enginetest.Image{Architecture: "amd64"})
	for fault, code := range map[string]errs.Code{
		"filesystem layer verification failed for digest sha256:1": errs.Unavailable,
		"write /var/lib/docker/tmp/x: no space left on device":     errs.NoSpace,
	} {
		f.Next(enginetest.ImagePull, enginetest.FailStream(fault))
		_, err := e.Pull(t.Context(), engine.PullRequest{Reference: ref, Platform: amd64(), Policy: engine.PullMissing}, nil)
		wantError(t, err, code, "pull image "+ref, fault, "")
	}
	f.Next(enginetest.ImagePull, enginetest.Cut())
	_, err := e.Pull(t.Context(), engine.PullRequest{Reference: ref, Platform: amd64(), Policy: engine.PullMissing}, nil)
	wantError(t, err, errs.Unavailable, "pull image "+ref, "broke off its answer", "")
}
