package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/imagetest"
	"agentd/internal/plan"
	"agentd/internal/testenv"
)

func amd64() plan.Platform { return plan.Platform{OS: "linux", Architecture: "amd64"} }

// noise is a file that does not compress, so that a layer is as large as it is, and different in each test.
func noise(size int) imagetest.File {
	seed, body := unique(), make([]byte, size)
	x := uint64(len(seed))
	for _, c := range seed {
		x = x*31 + uint64(c)
	}
	for i := range body {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		body[i] = byte(x)
	}
	return imagetest.File{Name: "noise", Mode: 0o644, Body: body}
}

// pushed is a registry of its own with an image of one layer of about 1 MiB in it.
func pushed(t *testing.T, e *testenv.DockerEngine) (*imagetest.Registry, string) {
	t.Helper()
	r := imagetest.Serve(t, e.Listen(t))
	ref := r.Push(t, "team/app:v1", imagetest.Image{Layers: [][]imagetest.File{{noise(1 << 20)}}})
	t.Cleanup(func() { forgetImages(t, e.Host, ref) })
	return r, ref
}

func connect(t testing.TB, host string) *engine.Engine {
	t.Helper()
	e, err := engine.Connect(host)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPull_EveryFaultOfTheRegistry(t *testing.T) {
	e := testenv.Engine(t)
	auth := &engine.Auth{Username: "alice", Password: "wrong"}
	cases := map[string]struct {
		fault imagetest.Fault
		login bool
		auth  *engine.Auth
		code  errs.Code
		text  string
		hint  string
	}{
		"no such tag":     {fault: imagetest.Status(404, "MANIFEST_UNKNOWN"), code: errs.NotFound, text: "no such image or tag"},
		"no such name":    {fault: imagetest.Status(404, "NAME_UNKNOWN"), code: errs.NotFound, text: "no such image or tag"},
		"login required":  {login: true, code: errs.Forbidden, text: "wants a login", hint: "docker login 127.0.0.1"},
		"login refused":   {login: true, auth: auth, code: errs.Forbidden, text: "refused the login", hint: "docker login 127.0.0.1"},
		"forbidden":       {fault: imagetest.Status(403, "DENIED"), code: errs.Forbidden, text: "wants a login"},
		"too many":        {fault: imagetest.Status(429, "TOOMANYREQUESTS"), code: errs.Busy, text: "limits how often"},
		"in trouble":      {fault: imagetest.Status(500, "UNKNOWN"), code: errs.Unavailable, text: "is in trouble"},
		"bad gateway":     {fault: imagetest.Status(502, "UNKNOWN"), code: errs.Unavailable, text: "is in trouble"},
		"silent":          {fault: imagetest.HangManifest(), code: errs.Timeout, text: "no byte came from 127.0.0.1", hint: "engine.stall_timeout"},
		"stuck":           {fault: imagetest.HangLayer(), code: errs.Timeout, text: "no byte came from 127.0.0.1", hint: "engine.stall_timeout"},
		"breaks off":      {fault: imagetest.CutLayer(), code: errs.Timeout, text: "no byte came from 127.0.0.1"},
		"damaged":         {fault: imagetest.CorruptLayer(), code: errs.Unavailable, text: "sent damaged data"},
		"slow but steady": {fault: imagetest.SlowLayer(150 * time.Millisecond)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, ref := pushed(t, e)
			r.SetFault(c.fault)
			if c.login {
				r.RequireLogin("alice", "secret")
			}
			_, err := connect(t, e.Host).Pull(t.Context(), engine.PullRequest{
				Reference: ref, Platform: amd64(), Policy: engine.PullMissing, Auth: c.auth,
				Stall: 2 * time.Second, Timeout: time.Minute,
			}, nil)
			wantError(t, err, c.code, "pull image "+ref+" for linux/amd64: ", c.text, c.hint)
			if err != nil && strings.Contains(err.Error(), "wrong") && c.auth != nil {
				t.Errorf("the password is in the error: %v", err)
			}
			if id := tagged(t, e.Host, ref); (id == "") != (err != nil) {
				t.Errorf("after %v the tag is %q", err, id)
			}
			// It works when the registry does, and with the right login.
			r.SetFault(imagetest.None())
			if _, err := connect(t, e.Host).Pull(t.Context(), engine.PullRequest{
				Reference: ref, Platform: amd64(), Policy: engine.PullAlways,
				Auth: &engine.Auth{Username: "alice", Password: "secret"}, Stall: time.Minute,
			}, nil); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// wantError checks the code, the parts of the text, which has one line, and a part of the hint.
func wantError(t *testing.T, err error, code errs.Code, begin, part, hint string) {
	t.Helper()
	if errs.CodeOf(err) != code {
		t.Fatalf("code %q, want %q: %v", errs.CodeOf(err), code, err)
	}
	if err == nil {
		return
	}
	t.Log(err)
	var e *errs.Error
	if !errors.As(err, &e) || !strings.Contains(e.Hint, hint) || e.Hint == "" {
		t.Errorf("hint %q, want %q in it", e.Hint, hint)
	}
	text := err.Error()
	if !strings.HasPrefix(text, begin) || !strings.Contains(text, part) || strings.Contains(text, "\n") {
		t.Errorf("error %q, want %q first and %q in it", text, begin, part)
	}
}

func TestPull_TotalTimeout(t *testing.T) {
	e := testenv.Engine(t)
	r, ref := pushed(t, e)
	r.SetFault(imagetest.SlowLayer(500 * time.Millisecond))
	_, err := connect(t, e.Host).Pull(t.Context(), engine.PullRequest{
		Reference: ref, Platform: amd64(), Policy: engine.PullMissing, Stall: time.Minute, Timeout: 2 * time.Second,
	}, nil)
	wantError(t, err, errs.Timeout, "pull image "+ref, "not done after 2s", "engine.pull_timeout")
}

func TestPull_RegistryIsDown(t *testing.T) {
	e := testenv.Engine(t)
	l := e.Listen(t)
	ref := l.Addr().String() + "/team/app:v1"
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := connect(t, e.Host).Pull(t.Context(), engine.PullRequest{
		Reference: ref, Platform: amd64(), Policy: engine.PullMissing, Stall: time.Minute,
	}, nil)
	wantError(t, err, errs.Unavailable, "pull image "+ref, "the registry cannot be reached", l.Addr().String())
}

// Ten callers are one pull; each sees progress; who goes away does not stop the others.
func TestPull_SharedByTenWaiters(t *testing.T) {
	e := testenv.Engine(t)
	r, ref := pushed(t, e)
	r.SetFault(imagetest.SlowLayer(100 * time.Millisecond))
	reached := r.Reached()
	client := connect(t, e.Host)
	first, leave := context.WithCancel(t.Context())
	var group sync.WaitGroup
	ids := make([]string, 10)
	for i := range ids {
		ctx := t.Context()
		if i == 0 {
			ctx = first
		}
		group.Go(func() {
			told := 0
			img, err := client.Pull(ctx, engine.PullRequest{
				Reference: ref, Platform: amd64(), Policy: engine.PullMissing, Stall: time.Minute,
			}, func(engine.PullProgress) { told++ })
			ids[i] = img.ID
			switch {
			case i == 0 && !errs.Is(err, errs.Canceled):
				t.Errorf("who went away got %v", err)
			case i > 0 && err != nil:
				t.Error(err)
			case i > 0 && told == 0:
				t.Error("a waiter was told nothing")
			}
		})
	}
	<-reached
	leave()
	group.Wait()
	for _, id := range ids[1:] {
		if id == "" || id != ids[1] {
			t.Errorf("ids %v differ", ids[1:])
		}
	}
	if n := r.Asked("team/app:v1"); n != 1 {
		t.Errorf("the registry was asked %d times, want 1", n)
	}
}

// The last one who goes away ends the pull, at the registry too, and leaves no name behind.
func TestPull_EndsWithItsLastWaiter(t *testing.T) {
	e := testenv.Engine(t)
	r, ref := pushed(t, e)
	r.SetFault(imagetest.HangLayer())
	reached := r.Reached()
	client := connect(t, e.Host)
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := client.Pull(ctx, engine.PullRequest{Reference: ref, Platform: amd64(), Policy: engine.PullMissing}, nil)
		done <- err
	}()
	<-reached
	leave()
	if err := <-done; !errs.Is(err, errs.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	r.SetFault(imagetest.None())
	// The next one is not given the ended pull, and works.
	if _, err := client.Pull(t.Context(), engine.PullRequest{
		Reference: ref, Platform: amd64(), Policy: engine.PullMissing, Stall: time.Minute,
	}, nil); err != nil {
		t.Error(err)
	}
}

func TestPull_EngineIsDown(t *testing.T) {
	_, err := connect(t, "unix:///nonexistent/docker.sock").Pull(t.Context(), engine.PullRequest{
		Reference: "busybox", Platform: amd64(), Policy: engine.PullMissing,
	}, nil)
	wantError(t, err, errs.Unavailable, "look up image", "the Docker Engine at unix:///nonexistent/docker.sock does not answer",
		"systemctl status docker")
}
