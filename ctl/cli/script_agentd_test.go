package cli_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// startLimit bounds the start of agentd: only a broken one takes so long.
const startLimit = 30 * time.Second

// running is the agentd of one script.
type running struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// agentd starts and ends the script's own agentd.
func agentd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 && (len(args) != 2 || args[0] != "start") {
		ts.Fatalf("usage: agentd start [USER]|stop|kill")
	}
	switch args[0] {
	case "start":
		start(ts, args[1:])
	case "stop":
		end(ts, syscall.SIGTERM)
	case "kill":
		end(ts, syscall.SIGKILL)
	default:
		ts.Fatalf("agentd %s: want start, stop or kill", args[0])
	}
}

// start runs agentd and waits for its word over sd_notify.
func start(ts *testscript.TestScript, user []string) {
	notify := filepath.Join(ts.Getenv("WORK"), "notify")
	os.Remove(notify) // it is there only at a second start
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	ts.Check(err)
	defer conn.Close()

	log, err := os.OpenFile(logFile(ts), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	ts.Check(err)
	defer log.Close()
	r := &running{done: make(chan struct{})}
	r.cmd = exec.Command(lookPath(ts, "agentd"), "--config", filepath.Join(ts.Getenv("WORK"), "agentd.yaml"))
	r.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + ts.Getenv("WORK"), "NOTIFY_SOCKET=" + notify,
		"XDG_RUNTIME_DIR=" + ts.Getenv("WORK"),
	}
	r.cmd.Stderr = log
	if len(user) == 1 {
		ts.Check(startAs(ts, r.cmd, user[0]))
		ts.Check(os.Chmod(notify, 0o777))
	}
	ts.Check(r.cmd.Start())
	go func() {
		r.cmd.Wait() // its status is asked for where it matters
		close(r.done)
		conn.Close() // it wakes the reader below
	}()
	ts.Defer(func() {
		r.cmd.Process.Kill() // it may have ended
		<-r.done
	})
	if err := ready(conn); err != nil {
		r.cmd.Process.Kill() // it may have ended
		<-r.done
		ts.Fatalf("agentd did not get ready: %v\n%s", err, ts.ReadFile(logFile(ts)))
	}
	ts.Setenv("AGENTD_PID", strconv.Itoa(r.cmd.Process.Pid))
	remember(ts, r)
}

// logFile is what all agentds of the script have said.
func logFile(ts *testscript.TestScript) string { return filepath.Join(ts.Getenv("WORK"), "agentd.log") }

// ready waits until agentd says so.
func ready(conn *net.UnixConn) error {
	if err := conn.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(buf[:n])) {
			if strings.TrimSpace(line) == "READY=1" {
				return nil
			}
		}
	}
}

// end sends a signal and waits for the end. What a stopped agentd logged is shown with a failing script.
func end(ts *testscript.TestScript, sig syscall.Signal) {
	r := remembered(ts)
	ts.Check(r.cmd.Process.Signal(sig))
	<-r.done
	ts.Logf("[agentd.log]\n%s", ts.ReadFile(logFile(ts)))
	if status := r.cmd.ProcessState.ExitCode(); sig == syscall.SIGTERM && status != 0 {
		ts.Fatalf("agentd ended with status %d", status)
	}
}

func lookPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	ts.Fatalf("no program %s in %s", name, ts.Getenv("PATH"))
	return ""
}

// slot is where Setup leaves room for the script's agentd.
type slot struct {
	running *running
	// counted is what `count before` has seen.
	counted []string
}

type slotKey struct{}

func remember(ts *testscript.TestScript, r *running) { slotOf(ts).running = r }

func remembered(ts *testscript.TestScript) *running {
	r := slotOf(ts).running
	if r == nil {
		ts.Fatalf("there is no agentd: agentd start comes first")
	}
	return r
}

func slotOf(ts *testscript.TestScript) *slot {
	s, ok := ts.Value(slotKey{}).(*slot)
	if !ok {
		ts.Fatalf("setup left no room for agentd")
	}
	return s
}
