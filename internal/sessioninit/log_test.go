package sessioninit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/frame"
	"agentd/internal/job"
	"agentd/internal/sessionlog"
)

func TestLog_FloodIsBoundedAndSlowsNobody(t *testing.T) {
	j := interactive(sh(job.Startup, "touch ready; i=0; yes 'a line of a flood, of some length' | head -n 400000; touch flooded; sleep 1000"))
	j.LogMaxBytes = 1 << 20
	c := newContainer(t, j)
	c.awaitFile("ready")
	for range 20 {
		if _, exit := c.run("true"); exit.Code != 0 {
			t.Fatalf("exec in the flood: %+v", exit)
		}
	}
	c.awaitFile("flooded")
	var total int64
	for i := range sessionlog.Parts + 1 {
		if info, err := os.Stat(filepath.Join(c.session, sessionlog.PartName(job.LogName, i))); err == nil {
			total += info.Size()
		}
	}
	if total > j.LogMaxBytes || total < j.LogMaxBytes/2 {
		t.Errorf("log has %d bytes, the bound is %d", total, j.LogMaxBytes)
	}
	if n := strings.Count(c.log(job.Startup, sessionlog.Damaged), "\n"); n != 0 {
		t.Errorf("%d damaged lines", n)
	}
}

func TestLog_FollowerSeesEveryLineOverRotations(t *testing.T) {
	const lines = 20000
	// Slow enough for a follower to keep up: he is promised every line only then.
	j := batch(sh(job.Startup, fmt.Sprintf("touch ready; cat >/dev/null; i=0; while [ $i -lt %d ]; do i=$((i+1)); echo line $i of a log that is long; done; sleep 0.3", lines)))
	j.Steps[0].Stdin = true
	j.LogMaxBytes = 4 << 20
	c := newContainer(t, j)
	c.awaitFile("ready")
	ended := make(chan struct{})
	var got []string
	done := make(chan error, 1)
	go func() {
		done <- sessionlog.Read(t.Context(), c.dir, sessionlog.Options{Name: job.LogName, Tail: -1, Ended: ended},
			func(l sessionlog.Line) error {
				if l.Stream == sessionlog.Stdout {
					got = append(got, string(l.Text))
				}
				return nil
			})
	}()
	conn := c.dial() // the end of the step's input starts it
	if err := frame.Send(conn, frame.Request{Op: frame.OpAttach, Attach: &frame.Attach{Stdin: true}}); err != nil {
		t.Fatal(err)
	}
	go frame.Stream(t.Context(), conn, frame.Streams{Stdin: strings.NewReader("")}) //nolint:errcheck // it may be left behind
	c.wait()
	close(ended)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(got) != lines || got[0] != "line 1 of a log that is long" || got[lines-1] != fmt.Sprintf("line %d of a log that is long", lines) {
		t.Fatalf("%d lines, want %d", len(got), lines)
	}
	if _, err := os.Stat(filepath.Join(c.session, "log.1")); lines*80 > 1<<20 && err != nil {
		t.Errorf("the log was never rotated: %v", err)
	}
}

func TestLog_FullDiskStopsNothingAndIsTold(t *testing.T) {
	j := interactive(
		sh(job.Bootstrap, "exit 0"),
		sh(job.Startup, "dd if=/dev/zero of=/.agentd/session/fill bs=1k 2>/dev/null; touch full; for i in $(seq 2000); do echo lost $i; done; "+
			"touch said; exit 5"))
	c := newContainer(t, j, withDisk("256k"))
	c.awaitFile("said")
	c.awaitState(frame.StateIdle)
	// The room for the end was taken at the begin.
	if r := c.result(job.EndName(job.Startup)); r.ExitCode != 5 {
		t.Errorf("result %+v", r)
	}
	var s frame.Status
	if err := c.do(frame.Request{Op: frame.OpPing}, &s); err != nil || s.LogDropped == 0 {
		t.Errorf("status %+v, %v, want lines dropped", s, err)
	}
	if err := os.Remove(filepath.Join(c.session, "fill")); err != nil {
		t.Fatal(err)
	}
	c.signal(unix.SIGTERM)
	c.wait()
	if said := c.log("init", sessionlog.Init); !strings.Contains(said, "lines lost: no space left on device") {
		t.Errorf("agentd-init said %q", said)
	}
}

func TestLog_HostileDirectoryStopsNothing(t *testing.T) {
	// The log's name becomes a FIFO, a link, a directory; its parts' names are blocked.
	c := newContainer(t, batch(sh(job.Startup, `cd /.agentd/session
		mkdir log.1 log.1/x; mkfifo f 2>/dev/null; rm -f log; ln -s /home/work/target log; for i in $(seq 100); do echo one $i; done
		rm -f log; mkdir log; for i in $(seq 100); do echo two $i; done
		rm -rf log; echo three; sleep 0.3; exit 4`)))
	if got := c.wait(); got != 4 {
		t.Errorf("exit code %d, want 4", got)
	}
	if _, err := os.Stat(filepath.Join(c.root, job.HomeDir, "target")); err == nil {
		t.Error("the log was written through a link")
	}
	if got := c.log(job.Startup, sessionlog.Stdout); !strings.Contains(got, "three\n") {
		t.Errorf("log %q, want it to go on", got)
	}
}

func TestResults_AreWholeAtEveryKill(t *testing.T) {
	seen := map[string]int{}
	for i := range 25 {
		c := newContainer(t, batch(sh(job.Bootstrap, "true"), sh(job.Startup, "exit 3")))
		// Another moment in each turn: the files tell how far it has come, no clock does.
		names := []string{job.BeginName(job.Bootstrap), job.EndName(job.Bootstrap), job.BeginName(job.Startup),
			"." + job.EndName(job.Startup) + ".tmp", job.EndName(job.Startup)}
		want := names[i%len(names)]
		for {
			_, err := os.Stat(filepath.Join(c.session, want))
			if err == nil || !running(c) {
				break
			}
		}
		c.cmd.Process.Signal(syscall.SIGKILL) //nolint:errcheck // it may have ended
		<-c.exited
		for _, name := range names[:3] {
			if _, err := os.Stat(filepath.Join(c.session, name)); err == nil {
				if r := c.result(name); r.Step == "" || r.Begin.IsZero() {
					t.Errorf("%s: %+v", name, r)
				}
				seen[name]++
			}
		}
		if _, err := os.Stat(filepath.Join(c.session, names[4])); err == nil {
			if r := c.result(names[4]); r.ExitCode != 3 || r.End == nil {
				t.Errorf("end: %+v", r)
			}
			seen[names[4]]++
		}
	}
	if seen[job.BeginName(job.Bootstrap)] == seen[job.EndName(job.Startup)] {
		t.Errorf("every kill came too late: %v", seen)
	}
}

func running(c *container) bool {
	select {
	case <-c.exited:
		return false
	default:
		return true
	}
}
