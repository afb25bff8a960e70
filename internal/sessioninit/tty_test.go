package sessioninit_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
	"agentd/internal/sessionlog"
)

func TestTerminal_IsTheControllingOneAndResizes(t *testing.T) {
	c := idle(t)
	out := &awaited{want: "up", seen: make(chan struct{})}
	resize := make(chan frame.Size)
	go func() {
		<-out.seen
		resize <- frame.Size{Rows: 11, Cols: 22}
	}()
	exit := c.exec(frame.Exec{
		Argv: []string{"sh", "-c", "tty; stty size; echo x >/dev/tty; trap 'stty size; exit 7' WINCH; echo up; while :; do sleep 0.01; done"},
		TTY:  true, Size: frame.Size{Rows: 33, Cols: 44},
	}, frame.Streams{Stdout: out, Resize: resize})
	want := "/dev/pts/0\r\n33 44\r\nx\r\nup\r\n11 22\r\n"
	if exit.Code != 7 || out.got.String() != want {
		t.Errorf("exit %+v, output %q, want %q", exit, out.got.String(), want)
	}
}

func TestTerminal_CtrlCAndRawBytes(t *testing.T) {
	c := idle(t)
	in, keys := io.Pipe()
	out := &awaited{want: "up", seen: make(chan struct{})}
	go func() {
		<-out.seen
		keys.Write([]byte{3}) //nolint:errcheck // the pipe is ours
	}()
	exit := c.exec(frame.Exec{Argv: []string{"sh", "-c", "echo up; sleep 1000"}, TTY: true}, frame.Streams{Stdin: in, Stdout: out})
	if exit.Code != 130 {
		t.Errorf("ctrl-C: %+v, want 130", exit)
	}

	// Every byte there is, both ways, once the terminal is raw.
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	in, keys = io.Pipe()
	out = &awaited{want: "up", seen: make(chan struct{})}
	go func() {
		<-out.seen
		keys.Write(all) //nolint:errcheck // the pipe is ours
	}()
	exit = c.exec(frame.Exec{Argv: []string{"sh", "-c", "stty raw -echo; printf up; head -c 256"}, TTY: true},
		frame.Streams{Stdin: in, Stdout: out})
	if want := append([]byte("up"), all...); exit.Code != 0 || !bytes.Equal(out.got.Bytes(), want) {
		t.Errorf("raw: %+v, %q", exit, out.got.Bytes())
	}
}

func TestTerminal_EndOfInputIsTyped(t *testing.T) {
	c := idle(t)
	var out bytes.Buffer
	exit := c.exec(frame.Exec{Argv: []string{"cat"}, TTY: true},
		frame.Streams{Stdin: strings.NewReader("hello\n"), Stdout: &out})
	if exit.Code != 0 || out.String() != "hello\r\nhello\r\n" {
		t.Errorf("exit %+v, %q", exit, out.String())
	}
}

func TestTerminal_OfAStepGoesIntoTheLog(t *testing.T) {
	step := sh(job.Startup, "tty; stty size; printf 'prompt> '; exit 2")
	step.TTY = true
	c := newContainer(t, batch(step))
	if got := c.wait(); got != 2 {
		t.Errorf("exit code %d, want 2", got)
	}
	if got, want := c.log(job.Startup, sessionlog.Stdout), "/dev/pts/0\r\n24 80\r\nprompt> "; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestAttach_ManyWatchOneWrites(t *testing.T) {
	step := sh(job.Startup, "touch ready; while read line; do echo got $line; done; exit 12")
	step.Stdin = true
	j := batch(step)
	c := newContainer(t, j)
	c.awaitFile("ready")

	type end struct {
		exit frame.Exit
		err  error
	}
	watch := func(a frame.Attach, s frame.Streams) <-chan end {
		conn := c.dial()
		if err := frame.Send(conn, frame.Request{Op: frame.OpAttach, Attach: &a}); err != nil {
			t.Fatal(err)
		}
		ended := make(chan end, 1)
		begun := make(chan struct{})
		s.Started = func(frame.Started) { close(begun) }
		go func() {
			exit, err := frame.Stream(t.Context(), conn, s)
			ended <- end{exit, err}
		}()
		select {
		case <-begun:
		case e := <-ended:
			ended <- e
		}
		return ended
	}
	var seen bytes.Buffer
	watcher := watch(frame.Attach{}, frame.Streams{Stdout: &seen})
	in, lines := io.Pipe()
	writerOut := &awaited{want: "got one", seen: make(chan struct{})}
	writer := watch(frame.Attach{Stdin: true}, frame.Streams{Stdin: in, Stdout: writerOut})
	second := watch(frame.Attach{Stdin: true}, frame.Streams{})
	if e := <-second; !errs.Is(e.err, errs.Conflict) {
		t.Errorf("second writer: %v, want conflict", e.err)
	}
	lines.Write([]byte("one\n")) //nolint:errcheck // the pipe is ours
	<-writerOut.seen
	lines.Close() //nolint:errcheck // ends the step
	for name, ch := range map[string]<-chan end{"watcher": watcher, "writer": writer} {
		select {
		case e := <-ch:
			if e.err != nil || e.exit.Code != 12 {
				t.Errorf("%s: %+v", name, e)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: no end", name)
		}
	}
	if seen.String() != "got one\n" {
		t.Errorf("watcher saw %q", seen.String())
	}
	if got := c.wait(); got != 12 {
		t.Errorf("exit code %d, want 12", got)
	}
}
