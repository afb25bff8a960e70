package sessioninit_test

import (
	"io"
	"net"
	"testing"

	"agentd/internal/frame"
	"agentd/internal/initdial"
	"agentd/internal/job"
)

// connect is what agentd does for each operation.
func connect(b *testing.B, c *container) *net.UnixConn {
	b.Helper()
	conn, _, err := initdial.Dial(b.Context(), c.dir, c.target())
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

func BenchmarkPing(b *testing.B) {
	c := idle(b)
	for b.Loop() {
		conn := connect(b, c)
		if err := frame.Do(b.Context(), conn, frame.Request{Op: frame.OpPing}, nil); err != nil {
			b.Fatal(err)
		}
		conn.Close() //nolint:errcheck // all was read
	}
}

func benchmarkExec(b *testing.B, e frame.Exec) {
	b.Helper()
	c := idle(b)
	for b.Loop() {
		conn := connect(b, c)
		if exit, err := frame.Run(b.Context(), conn, e, frame.Streams{}); err != nil || exit.Code != 0 {
			b.Fatal(exit, err)
		}
		conn.Close() //nolint:errcheck // all was read
	}
}

func BenchmarkExecTrue(b *testing.B) { benchmarkExec(b, frame.Exec{Argv: []string{"/bin/true"}}) }

func BenchmarkTerminalTrue(b *testing.B) {
	benchmarkExec(b, frame.Exec{Argv: []string{"/bin/true"}, TTY: true})
}

func BenchmarkOutput(b *testing.B) {
	c := idle(b)
	const size = 64 << 20
	b.SetBytes(size)
	for b.Loop() {
		n := &counter{w: io.Discard}
		c.exec(frame.Exec{Argv: []string{"dd", "if=/dev/zero", "bs=65536", "count=1024"}}, frame.Streams{Stdout: n})
		if n.n != size {
			b.Fatal(n.n)
		}
	}
}

// BenchmarkWarmStart is a session of its own each time: from the request until the step's program runs.
func BenchmarkWarmStart(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		c := newContainer(b, nil)
		c.awaitState(frame.StateWarm)
		j := complete(*interactive(sh(job.Startup, "sleep 1000")))
		b.StartTimer()
		conn := connect(b, c)
		if err := frame.Do(b.Context(), conn, frame.Request{Op: frame.OpStart, Start: &j}, nil); err != nil {
			b.Fatal(err)
		}
		conn.Close() //nolint:errcheck // all was read
		b.StopTimer()
		c.cmd.Process.Kill() //nolint:errcheck // the next one
		<-c.exited
		b.StartTimer()
	}
}
