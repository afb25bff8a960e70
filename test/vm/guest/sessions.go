package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"agentd/internal/cgroup"
)

func launchFor(g *guest, owner string) (string, error) {
	if _, err := as(owner, "ctl", "vfolder", "create", "keep"); err != nil {
		return "", err
	}
	m, err := g.launch(owner, owner+"-1", "")
	if err != nil {
		return "", err
	}
	uid, err := m.ctl("session", "exec", m.name, "--", "sh", "-c", "id -u; echo mine > keep/data")
	return fmt.Sprintf("session %s runs as uid %s", m.id, strings.TrimSpace(uid)), err
}

func launchAlice(g *guest) (string, error) {
	seen, err := launchFor(g, "alice")
	if err != nil {
		err = errors.Join(err, errSkipRest)
	}
	return seen, err
}

func launchBob(g *guest) (string, error)  { return launchFor(g, "bob") }
func launchRoot(g *guest) (string, error) { return launchFor(g, "root") }

func ownersApart(*guest) (string, error) {
	out, err := as("bob", "ctl", "session", "ls", "-o", "name")
	if err != nil || strings.Contains(out, "alice") || !strings.Contains(out, "bob-1") {
		return "", wrong(err, "bob sees %q", out)
	}
	if _, err := as("bob", "ctl", "session", "exec", "alice-1", "--", "true"); err == nil {
		return "", errors.New("bob runs a program in alice's session")
	}
	return "bob sees his own session, and alice's is not there for him", nil
}

// limitsReadBack compares what agentd says with what the kernel says.
func limitsReadBack(g *guest) (string, error) {
	a := g.sessions[0].applied
	if a.NanoCPUs != 500_000_000 || a.MemoryBytes != 64<<20 || a.Pids == 0 {
		return "", fmt.Errorf("agentd says %+v", a)
	}
	if !strings.HasPrefix(a.Cgroup, "/agentd.slice/docker-") {
		return "", fmt.Errorf("the session is in %s", a.Cgroup)
	}
	dir := filepath.Join("/sys/fs/cgroup", a.Cgroup)
	for file, want := range map[string]string{
		"cpu.max": "50000 100000", "memory.max": "67108864", "memory.swap.max": "0", "pids.max": fmt.Sprint(a.Pids),
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if got := strings.TrimSpace(string(text)); err != nil || got != want {
			return "", wrong(err, "%s is %q; want %q", file, got, want)
		}
	}
	return fmt.Sprintf("%s: 0.5 cores, 64m, no swap, %d pids, as in the session's record", a.Cgroup, a.Pids), nil
}

func useAndPressure(g *guest) (string, error) {
	host, err := cgroup.Open()
	if err != nil {
		return "", err
	}
	m := g.sessions[0]
	group, err := host.Of(m.pid, m.container)
	if err != nil {
		return "", err
	}
	const busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
	var u cgroup.Usage
	err = eventually(30*time.Second, func() error {
		if _, err := m.ctl("session", "exec", m.name, "--", "sh", "-c", busy); err != nil {
			return err
		}
		u, err = group.Usage()
		if err == nil && (u.CPU == 0 || u.MemoryBytes == 0 || u.Pids == 0 || u.MemoryPeakBytes == 0 || u.Throttled == 0 ||
			u.Pressure == nil || u.Pressure.CPU == 0) {
			err = fmt.Errorf("version %d: %+v", host.Version(), u)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	// People see the same by ctl.
	stats, err := m.ctl("session", "stats", "--no-stream", m.name)
	if err != nil || !strings.Contains(stats, "PRESSURE") || !strings.Contains(stats, "%") {
		return "", wrong(err, "ctl session stats says %q", stats)
	}
	return fmt.Sprintf("cpu %s, throttled %s, memory %d of at most %d, %d pids, pressure cpu %.1f%% memory %.1f%%",
		u.CPU, u.Throttled, u.MemoryBytes, u.MemoryPeakBytes, u.Pids, u.Pressure.CPU, u.Pressure.Memory), nil
}

// wantedCap is the machine's memory less the reserve.
func wantedCap(reserve int64) (int64, error) {
	out, err := run("docker", "info", "--format", "{{.MemTotal}}")
	if err != nil {
		return 0, err
	}
	total, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	// The kernel keeps whole pages.
	return (total - reserve) &^ 4095, err
}

// sliceCap sees that all sessions together leave the reserve alone, and that systemd keeps it so.
func sliceCap(*guest) (string, error) {
	want, err := wantedCap(256 << 20)
	if err != nil {
		return "", err
	}
	for _, when := range []string{"after the first launch", "after daemon-reload"} {
		text, err := os.ReadFile("/sys/fs/cgroup/agentd.slice/memory.max")
		if got := strings.TrimSpace(string(text)); err != nil || got != fmt.Sprint(want) {
			return "", wrong(err, "%s the slice's memory.max is %q; want %d", when, got, want)
		}
		if _, err := run("systemctl", "daemon-reload"); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("agentd.slice: memory.max %d, the machine's less the reserve, also after daemon-reload", want), nil
}

func journalFields(g *guest) (string, error) {
	m := g.sessions[0]
	out, err := run("journalctl", "--no-pager", "--output=json", "--unit=agentd.service", "AGENTD_SESSION="+m.id)
	if err != nil {
		return "", err
	}
	lines, steps := 0, map[string]bool{}
	for line := range strings.Lines(out) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return "", err
		}
		lines++
		if template, _ := e["AGENTD_TEMPLATE"].(string); template == "" || e["AGENTD_OWNER"] != "1000" {
			return "", fmt.Errorf("an entry lacks its fields: %s", line)
		}
		if step, ok := e["AGENTD_STEP"].(string); ok {
			steps[step] = true
		}
	}
	if lines < 4 || !steps["image"] || !steps["start"] {
		return "", fmt.Errorf("%d entries, steps %v", lines, steps)
	}
	return fmt.Sprintf("%d entries of %s with AGENTD_TEMPLATE, AGENTD_OWNER and %d values of AGENTD_STEP",
		lines, m.id, len(steps)), nil
}

func statusLine(g *guest) (string, error) {
	want := fmt.Sprintf("serving 3 templates and %d sessions", len(g.sessions))
	err := eventually(10*time.Second, func() error {
		if got := property("agentd.service", "StatusText"); got != want {
			return fmt.Errorf("STATUS=%s; want %s", got, want)
		}
		return nil
	})
	return want, err
}

func outOfMemory(g *guest) (string, error) {
	m := &mine{owner: "bob", name: "bob-oom"}
	_, err := m.ctl("session", "create-from-template", "box", "--name", m.name, "--type", "batch", "--no-mount",
		"-c", "dd if=/dev/zero of=/dev/null bs=256M count=1", "--wait")
	if err == nil {
		return "", errors.New("a job without memory succeeds")
	}
	i, err := m.look()
	if err != nil {
		return "", err
	}
	s := i.Session
	if s.Status != "TERMINATED" || s.Result != "failure" || s.Reason != "oom" {
		return "", fmt.Errorf("it is %s, %s, %s", s.Status, s.Result, s.Reason)
	}
	return "a child of the session was ended by the kernel: TERMINATED, failure, oom", nil
}
