package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func upgrade(g *guest) (string, error) {
	before, err := mainPID()
	if err != nil {
		return "", err
	}
	old, err := run("ctl", "version")
	if err != nil {
		return "", err
	}
	if err := dpkgInstall("new"); err != nil {
		return "", err
	}
	if err := another(before, time.Second); err != nil {
		return "", err
	}
	now, err := run("ctl", "version")
	if err != nil || now == old {
		return "", wrong(err, "still %s", now)
	}
	text, err := os.ReadFile("/etc/agentd/agentd.yaml")
	if err != nil || !strings.Contains(string(text), "level: debug") {
		return "", wrong(err, "the changed configuration is gone")
	}
	return "the new agentd runs, the changed configuration is kept, all sessions ran on", g.untouched()
}

// userService runs an agentd of alice's own beside the machine's.
func userService(g *guest) (string, error) {
	if _, err := run("sh", "-ec", "usermod --append --groups docker alice; loginctl enable-linger alice"); err != nil {
		return "", err
	}
	if err := eventually(time.Minute, func() error {
		_, err := as("alice", "systemctl", "--user", "start", "agentd.service")
		return err
	}); err != nil {
		return "", err
	}
	const socket = "/run/user/1000/agentd/agentd.sock"
	me := &mine{owner: "alice", socket: socket}
	for _, args := range [][]string{{"sesstpl", "create", "-f", "/tmp/box.yaml"}, {"vfolder", "create", "keep"}} {
		if _, err := me.ctl(args...); err != nil {
			return "", err
		}
	}
	m, err := g.launch("alice", "alice-own", socket)
	if err != nil {
		return "", err
	}
	if _, err := as("alice", "systemctl", "--user", "restart", "agentd.service"); err != nil {
		return "", err
	}
	if err := g.untouched(); err != nil {
		return "", err
	}
	state, err := as("alice", "systemctl", "--user", "show", "--property=ActiveState,StatusText", "agentd.service")
	if err != nil || !strings.Contains(state, "serving 1 template and 1 session") {
		return "", wrong(err, "%s", state)
	}
	where := m.applied.Cgroup
	g.sessions = g.sessions[:len(g.sessions)-1]
	if _, err := m.ctl("session", "terminate", m.name, "--force"); err != nil {
		return "", err
	}
	_, err = as("alice", "systemctl", "--user", "stop", "agentd.service")
	return "without root, in " + where + "; its session outlived a restart of it", err
}

// remove takes the programs away; what users have stays, and what runs runs on.
func remove(g *guest) (string, error) {
	if _, err := run("dpkg", "--remove", "agentd"); err != nil {
		return "", err
	}
	for _, m := range g.sessions {
		if pid, err := pidOf(m.container); err != nil || pid != m.pid {
			return "", wrong(err, "%s: process %d became %d", m.name, m.pid, pid)
		}
	}
	for _, unit := range []string{"agentd.service", "agentd.socket"} {
		if got := property(unit, "ActiveState"); got != "inactive" {
			return "", fmt.Errorf("%s is %s", unit, got)
		}
	}
	if _, err := os.Stat("/usr/bin/agentd"); err == nil {
		return "", errors.New("the program is still there")
	}
	for _, kept := range []string{"/etc/agentd/agentd.yaml", "/var/lib/agentd/instance-id"} {
		if _, err := os.Stat(kept); err != nil {
			return "", err
		}
	}
	return "the service is gone, configuration and state are kept, sessions run on", nil
}

func reinstall(g *guest) (string, error) {
	if err := dpkgInstall("new"); err != nil {
		return "", err
	}
	return "the sessions of before are found again, untouched", g.untouched()
}

// edit replaces texts in the configuration, in pairs; each must stand there once.
func edit(pairs ...string) error {
	const file = "/etc/agentd/agentd.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for i := 0; i < len(pairs); i += 2 {
		if n := strings.Count(string(text), pairs[i]); n != 1 {
			return fmt.Errorf("%s has %q %d times", file, pairs[i], n)
		}
	}
	return os.WriteFile(file, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o644)
}

// cgroupfsDriver lets the engine make groups itself, without systemd, in another group and with another reserve.
func cgroupfsDriver(g *guest) (string, error) {
	for _, m := range g.sessions {
		if _, err := m.ctl("session", "terminate", m.name, "--force"); err != nil {
			return "", err
		}
	}
	g.sessions = nil
	const settings = `{"live-restore": true, "exec-opts": ["native.cgroupdriver=cgroupfs"]}`
	if err := os.WriteFile("/etc/docker/daemon.json", []byte(settings), 0o644); err != nil {
		return "", err
	}
	// With its four spaces it is the reserve's, and not the quota's.
	err := edit(`    cpu: "0"`, `    cpu: "0.5"`, "mem: 256m", "mem: 512m", "  group: agentd\n", "  group: agentd_b\n")
	if err != nil {
		return "", err
	}
	if _, err := run("sh", "-ec", "systemctl restart docker.service; systemctl restart agentd.service"); err != nil {
		return "", err
	}
	m, err := g.launch("bob", "bob-fs", "")
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(m.applied.Cgroup, "/agentd_b/") || m.applied.MemoryBytes != 64<<20 {
		return "", fmt.Errorf("in force: %+v", m.applied)
	}
	want, err := wantedCap(512 << 20)
	if err != nil {
		return "", err
	}
	// The machine has two processors.
	for file, want := range map[string]string{"memory.max": fmt.Sprint(want), "cpu.max": "150000 100000"} {
		text, err := os.ReadFile("/sys/fs/cgroup/agentd_b/" + file)
		if got := strings.TrimSpace(string(text)); err != nil || got != want {
			return "", wrong(err, "the parent's %s is %q; want %q", file, got, want)
		}
	}
	return fmt.Sprintf("%s, verified; the configured reserve caps that group at 1.5 cores and %d", m.applied.Cgroup, want), nil
}

func purge(g *guest) (string, error) {
	out, err := run("dpkg", "--purge", "agentd")
	if err != nil {
		return "", err
	}
	left, err := run("docker", "ps", "--all", "--quiet", "--filter", "label=io.agentd.session")
	// The session of alice's own agentd has another instance's label, and has ended.
	if err != nil || left != "" {
		return "", wrong(err, "containers are left: %s", left)
	}
	for _, gone := range []string{
		"/etc/agentd", "/run/agentd", "/var/lib/agentd/instance-id", "/var/lib/agentd/users/1000/sessions",
	} {
		if _, err := os.Stat(gone); err == nil {
			return "", fmt.Errorf("%s is still there: %s", gone, out)
		}
	}
	files, err := filepath.Glob("/var/lib/agentd/users/*/vfolders/keep/data")
	if err != nil || len(files) != 3 {
		return "", fmt.Errorf("of 3 users' vfolders there are %v: %s", files, out)
	}
	const units = "{ systemctl list-unit-files 'agentd*'; ls /etc/systemd/system/*.wants; } | grep agentd"
	if out, err := run("sh", "-c", units); err == nil {
		return "", fmt.Errorf("systemd still knows: %s", out)
	}
	return "sessions are ended, state, configuration and units are gone, vfolders with files are kept", nil
}
