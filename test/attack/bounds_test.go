package attack

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestBounds_HoldInside lets a session fork, write and print without end.
func TestBounds_HoldInside(t *testing.T) {
	w := newWorld(t)
	const bomb = "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i+1)); done 2>/dev/null; ps | wc -l; exit 0"
	// Weakened: a container without our limits.
	if got, err := w.docker("run", "--rm", "--network", "none", w.image, "/bin/sh", "-c", "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i+1)); done; ps | wc -l"); err != nil || atoi(got) < 300 {
		t.Fatalf("the fork bomb does not go off where nothing stops it: %q, %v", got, err)
	}
	w.template(alice, "bomb", w.image, "")
	w.mustCtl(alice, "launch", "bomb", "-t", "bomb")
	out, _ := w.ctl(alice, "session", "exec", "bomb", "--", "/bin/sh", "-c", bomb)
	container := w.mustDocker("ps", "-q", "--filter", "label=io.agentd.instance="+w.instance())
	pid := w.mustDocker("inspect", "-f", "{{.State.Pid}}", container)
	if n := len(strings.Split(w.mustDocker("top", container, "-eo", "pid"), "\n")) - 1; n > 64 || n < 32 {
		t.Errorf("%d processes are there, want the limit of 64 and nearly as many: %s", n, out)
	}
	if got := w.ask(alice, "GET", "/v1/healthz", nil); got.status != 200 {
		t.Errorf("agentd: %d", got.status)
	}
	// It can be ended all the same.
	w.end(alice, "bomb")
	if _, err := os.Stat("/proc/" + pid); err == nil {
		t.Error("the session's first process is still there")
	}

	// /dev/shm and the log.
	w.template(alice, "flood", w.image, `    run: {startup: "dd if=/dev/zero of=/dev/shm/x bs=1M count=100 2>&1; yes $(printf %01000d 0) | head -c 20000000; echo the end"}
  type: batch
`)
	const flood = "yes $(printf %01000d 0) | head -c 20000000"
	naive := w.mustDocker("run", "-d", "--network", "none", w.image, "/bin/sh", "-c", flood)
	w.mustDocker("wait", naive)
	if info, err := os.Stat(w.mustDocker("inspect", "-f", "{{.LogPath}}", naive)); err != nil || info.Size() < 20_000_000 {
		t.Errorf("the engine's log has %v, %v: the flood was not tried", info, err)
	}
	w.mustDocker("rm", "-f", naive)
	w.mustCtl(alice, "launch", "flood", "-t", "flood", "--wait", "-r", "mem=256m")
	var size int64
	must(t, filepath.WalkDir(w.path("state", "users", strconv.Itoa(int(alice.uid)), "sessions"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			info, err := d.Info()
			must(t, err)
			size += info.Size()
		}
		return err
	}))
	if size > 2<<20 {
		t.Errorf("the session's log takes %d bytes, with log_max of 1m", size)
	}
	if got := w.mustCtl(alice, "session", "logs", "flood", "--tail", "1"); !strings.Contains(got, "the end") {
		t.Errorf("the newest line is lost: %q", got)
	}
}

func atoi(text string) int {
	n, _ := strconv.Atoi(strings.TrimSpace(text))
	return n
}
