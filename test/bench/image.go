package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing" //nolint:depguard // this program is for tests, and is not installed

	"agentd/internal/imagetest"
)

// load makes the image and gives it to the engine.
func (l *launches) load() error {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = "unix:///var/run/docker.sock"
	}
	t := &outsideTest{ctx: l.ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		imagetest.Load(t, host, imageRef, imagetest.WithBusybox(t, runtime.GOARCH))
	}()
	<-done
	return t.failure
}

// outsideTest lets this program use what is made for tests: in a goroutine of its own, which a failure ends.
type outsideTest struct {
	// TB is nil: what of it is not defined below must not be used.
	testing.TB
	ctx     context.Context //nolint:containedctx // it is the life of this program
	failure error
}

// Helper marks nothing.
func (t *outsideTest) Helper() {}

// Name goes into the image.
func (t *outsideTest) Name() string { return "bench" }

// Context is the program's.
func (t *outsideTest) Context() context.Context { return t.ctx }

// Cleanup forgets f: who made the image removes it.
func (t *outsideTest) Cleanup(func()) {}

// Fatal ends the goroutine.
func (t *outsideTest) Fatal(args ...any) {
	t.failure = errors.New(fmt.Sprint(args...))
	runtime.Goexit()
}

// Fatalf ends the goroutine.
func (t *outsideTest) Fatalf(format string, args ...any) { t.Fatal(fmt.Sprintf(format, args...)) }

// Skipf is a failure too: nothing is left out silently.
func (t *outsideTest) Skipf(format string, args ...any) { t.Fatal(fmt.Sprintf(format, args...)) }
