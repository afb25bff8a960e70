package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"testing" //nolint:depguard // what serves tests serves the demo, which is not installed

	"agentd/internal/checkout/gittest"
	"agentd/internal/imagetest"
)

// The login of the demo's Git server.
const (
	gitUser  = "me"
	gitToken = "open-sesame"
)

// props are a registry with an image and a Git server with a repository, in this process: the outside may be out of reach.
type props struct {
	registry *imagetest.Registry
	image    string
	git      *gittest.Server
	commit   string
	shop     *workshop
}

// setUp makes them; the files are below dir.
func setUp(ctx context.Context, dir string) (*props, error) {
	p := &props{shop: &workshop{ctx: ctx, dir: dir}}
	return p, p.shop.do(func(t testing.TB) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p.registry = imagetest.Serve(t, l)
		p.image = p.registry.Push(t, "team/tools:v1", imagetest.WithBusybox(t, runtime.GOARCH))
		root := t.TempDir()
		repo := gittest.New(t, root, "job")
		p.commit = repo.Commit("the first release", map[string]string{"job.sh": job})
		repo.Sh("git branch release")
		repo.Commit("work that is not released", map[string]string{"job.sh": "echo not released; exit 1\n"})
		repo.Sh("git branch -f release")
		p.git = gittest.Serve(t, root)
		p.git.Login(gitUser, gitToken)
	})
}

// close ends both servers; it may be called twice.
func (p *props) close() error {
	if p == nil {
		return nil
	}
	return p.shop.close()
}

// workshop lets packages that serve tests do their work in a program.
type workshop struct {
	// TB is nil: what the packages call is below, and anything else they must not.
	testing.TB
	ctx      context.Context //nolint:containedctx // testing.TB hands it out
	dir      string
	cleanups []func()
	errs     []error
}

// do runs fn until its end or its first fatal failure, on a goroutine that Fatal can end, as package testing does.
func (w *workshop) do(fn func(testing.TB)) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(w)
	}()
	<-done
	return errors.Join(w.errs...)
}

func (w *workshop) close() error {
	cleanups := w.cleanups
	w.cleanups, w.errs = nil, nil
	return w.do(func(testing.TB) {
		for _, cleanup := range slices.Backward(cleanups) {
			cleanup()
		}
	})
}

// Helper marks nothing here.
func (w *workshop) Helper() {}

// Name is for what is named after a test.
func (w *workshop) Name() string { return "demo" }

// Context is the demo's.
func (w *workshop) Context() context.Context { return w.ctx }

// Cleanup remembers what close runs, the last one first.
func (w *workshop) Cleanup(fn func()) { w.cleanups = append(w.cleanups, fn) }

// TempDir makes a directory below the demo's.
func (w *workshop) TempDir() string {
	dir, err := os.MkdirTemp(w.dir, "props-")
	if err != nil {
		w.Fatal(err)
	}
	return dir
}

// Error notes a failure.
func (w *workshop) Error(args ...any) { w.errs = append(w.errs, errors.New(fmt.Sprint(args...))) }

// Fatal notes a failure and ends do.
func (w *workshop) Fatal(args ...any) {
	w.Error(args...)
	runtime.Goexit()
}

// Fatalf is Fatal with a format.
func (w *workshop) Fatalf(format string, args ...any) { w.Fatal(fmt.Sprintf(format, args...)) }

// Skipf is for a gate that is closed: the demo cannot do without.
func (w *workshop) Skipf(format string, args ...any) { w.Fatalf(format, args...) }
