package sessioninit_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
)

func TestWarm_StartCarriesTheJob(t *testing.T) {
	c := newContainer(t, nil)
	c.awaitState(frame.StateWarm)
	if _, err := frame.Run(t.Context(), c.dial(), frame.Exec{Argv: []string{"true"}}, frame.Streams{}); !errs.Is(err, errs.Conflict) {
		t.Errorf("exec without a job: %v, want conflict", err)
	}
	bad := complete(*batch(job.Step{Name: "../x", Argv: []string{"true"}}))
	if err := c.do(frame.Request{Op: frame.OpStart, Start: &bad}, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("bad job: %v, want invalid", err)
	}
	j := complete(*interactive(sh(job.Startup, "touch ready; sleep 1000")))
	j.Session, j.Nonce = "another", "another-nonce"
	if err := c.do(frame.Request{Op: frame.OpStart, Start: &j}, nil); err != nil {
		t.Fatal(err)
	}
	c.name, c.nonce = j.Session, j.Nonce // what it answers to from now on
	c.awaitFile("ready")
	if err := c.do(frame.Request{Op: frame.OpStart, Start: &j}, nil); !errs.Is(err, errs.Conflict) {
		t.Errorf("second job: %v, want conflict", err)
	}
	var s frame.Status
	if err := c.do(frame.Request{Op: frame.OpPing}, &s); err != nil || s.State != frame.StateRunning || len(s.Results) != 1 {
		t.Errorf("ping: %+v, %v", s, err)
	}
}

func TestWarm_EndsOnASignal(t *testing.T) {
	c := newContainer(t, nil)
	c.awaitState(frame.StateWarm)
	c.signal(unix.SIGTERM)
	if got := c.wait(); got != 143 {
		t.Errorf("exit code %d, want 143", got)
	}
}

func TestJobFile_DamagedOneIsRefusedWithTheReason(t *testing.T) {
	c := newContainer(t, nil, func(c *container) {
		if err := os.WriteFile(c.session+"/"+job.FileName, []byte(`{"version":99,"dir":"/"}`), 0o644); err != nil {
			t.Fatal(err)
		}
	})
	if got := c.wait(); got != 125 || !strings.Contains(c.stderr.String(), "version 99") {
		t.Errorf("exit code %d, stderr %q", got, c.stderr.String())
	}
}

func TestSignal_ReachesStepAndExec(t *testing.T) {
	c := newContainer(t, interactive(sh(job.Startup, "trap 'touch step; exit 0' USR1; touch ready; while :; do sleep 0.01; done")))
	c.awaitFile("ready")
	started := make(chan frame.Started, 1)
	exits := make(chan frame.Exit, 1)
	go func() {
		exits <- c.exec(frame.Exec{Argv: []string{"sleep", "1000"}}, frame.Streams{Started: func(s frame.Started) { started <- s }})
	}()
	pid := (<-started).PID
	if err := c.do(frame.Request{Op: frame.OpSignal, Signal: &frame.Signal{PID: pid, Name: "USR2"}}, nil); err != nil {
		t.Fatal(err)
	}
	if exit := <-exits; exit.Signal != "SIGUSR2" || exit.Code != 128+12 {
		t.Errorf("exec: %+v", exit)
	}
	if err := c.do(frame.Request{Op: frame.OpSignal, Signal: &frame.Signal{PID: pid, Name: "USR2"}}, nil); !errs.Is(err, errs.NotFound) {
		t.Errorf("ended exec: %v, want not found", err)
	}
	if err := c.do(frame.Request{Op: frame.OpSignal, Signal: &frame.Signal{Name: "NONE"}}, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("signal NONE: %v, want invalid", err)
	}
	if err := c.do(frame.Request{Op: frame.OpSignal, Signal: &frame.Signal{Name: "USR1"}}, nil); err != nil {
		t.Fatal(err)
	}
	c.awaitFile("step")
	c.awaitState(frame.StateIdle)
	if err := c.do(frame.Request{Op: frame.OpSignal, Signal: &frame.Signal{Name: "USR1"}}, nil); !errs.Is(err, errs.Conflict) {
		t.Errorf("no step: %v, want conflict", err)
	}
}

func TestAdopt_ServesTheClientsOwnConnection(t *testing.T) {
	c := idle(t)
	before := c.initFDs()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	req := frame.Request{Op: frame.OpExec, Exec: &frame.Exec{Argv: []string{"sh", "-c", "cat; exit 21"}, Stdin: true}}
	agentd := c.dial()
	if err := frame.Adopt(t.Context(), agentd, req, fds[1]); err != nil {
		t.Fatal(err)
	}
	agentd.Close()     //nolint:errcheck // out of the path from here
	unix.Close(fds[1]) //nolint:errcheck // it is the session's now
	file := os.NewFile(uintptr(fds[0]), "client")
	client, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close() //nolint:errcheck // FileConn has its own
	var out bytes.Buffer
	exit, err := frame.Stream(t.Context(), client, frame.Streams{Stdin: strings.NewReader("through"), Stdout: &out})
	if err != nil || exit.Code != 21 || out.String() != "through" {
		t.Errorf("exit %+v, %q, %v", exit, out.String(), err)
	}
	client.Close() //nolint:errcheck // all was read
	c.eventually("descriptors are given back", func() bool { return c.initFDs() <= before })
}

func TestAdopt_RefusesWhatIsNoSocket(t *testing.T) {
	c := idle(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // a test's
	defer w.Close() //nolint:errcheck // a test's
	req := frame.Request{Op: frame.OpPing}
	if err := frame.Adopt(t.Context(), c.dial(), req, int(r.Fd())); !errs.Is(err, errs.Invalid) {
		t.Errorf("a pipe: %v, want invalid", err)
	}
	nested := frame.Request{Op: frame.OpAdopt, Adopt: &req}
	if err := frame.Adopt(t.Context(), c.dial(), nested, int(r.Fd())); !errs.Is(err, errs.Unsupported) {
		t.Errorf("adopt in adopt: %v, want unsupported", err)
	}
}

func TestForward_ReachesALoopbackListener(t *testing.T) {
	c := newContainer(t, interactive(sh(job.Startup, "nc -l -p 8080 -e /bin/sh -c 'read line; echo served $line; touch served'")))
	var conn *net.UnixConn
	c.eventually("the listener", func() bool {
		conn = c.dial()
		err := frame.Do(t.Context(), conn, frame.Request{Op: frame.OpForward, Forward: &frame.Forward{Network: "tcp", Address: "localhost:8080"}}, nil)
		return err == nil
	})
	io.WriteString(conn, "page\n") //nolint:errcheck // read below
	conn.CloseWrite()              //nolint:errcheck // read below
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "served page\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestForward_SaysWhyNot(t *testing.T) {
	c := idle(t)
	for _, tc := range []struct {
		network, address string
		want             errs.Code
	}{
		{"tcp", "127.0.0.1:1", errs.Unavailable},
		{"unix", "/no/socket", errs.Unavailable},
		{"udp", "127.0.0.1:1", errs.Unsupported},
		{"tcp", "example.com:80", errs.Unavailable},
	} {
		f := &frame.Forward{Network: tc.network, Address: tc.address}
		if err := c.do(frame.Request{Op: frame.OpForward, Forward: f}, nil); !errs.Is(err, tc.want) {
			t.Errorf("%s %s: %v, want %s", tc.network, tc.address, err, tc.want)
		}
	}
}

func TestSocket_IsOnlyTheSessionsOwn(t *testing.T) {
	c := idle(t)
	info, err := os.Lstat(c.session + "/" + job.SocketName)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}
}

func TestSocket_SurvivesNoise(t *testing.T) {
	c := idle(t)
	before := c.initFDs()
	for _, noise := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\xad", "\xad\x02\x02\x00\x00\x00\x00\x00",
		"\xad\x01\x02\x00\xff\xff\xff\xff", "\xad\x01\x02\x00\x00\x00\x00\x02{]", "\xad\x01\x03\x00\x00\x00\x00\x01x"} {
		conn := c.dial()
		if _, err := io.WriteString(conn, noise); err != nil {
			t.Fatal(err)
		}
		conn.CloseWrite() //nolint:errcheck // read below
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("noise %q: %v", noise, err)
		}
		conn.Close() //nolint:errcheck // all was read
	}
	c.eventually("descriptors are given back", func() bool { return c.initFDs() <= before })
	if _, exit := c.run("exit 3"); exit.Code != 3 {
		t.Errorf("after the noise: %+v", exit)
	}
}

func TestStats_CountWhatRuns(t *testing.T) {
	c := newContainer(t, interactive(sh(job.Startup, "sleep 1000 & sleep 1000 & touch ready; wait")))
	c.awaitFile("ready")
	c.eventually("four processes", func() bool {
		var s frame.Stats
		err := c.do(frame.Request{Op: frame.OpStats}, &s)
		return err == nil && s.Processes == 4 && s.Threads > 4 && s.RSSBytes > 1<<20 && s.Connections == 1
	})
}
