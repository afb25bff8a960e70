package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// payload is where the disk with this program and the packages is mounted.
const payload = "/mnt"

// stepTimeout bounds one command: an emulated machine on a busy one is slow.
const stepTimeout = 3 * time.Minute

// guest is what the checks know of one another.
type guest struct {
	begin time.Time
	// sessions are those that must live on, by name.
	sessions []*mine
}

// mine is a session that a check has started.
type mine struct {
	owner, name, id string
	// socket is that of another agentd than the machine's.
	socket    string
	container string
	// pid is that of its first process on the host: the same as long as nothing has touched it.
	pid     int
	applied applied
}

// applied is what agentd says is in force.
type applied struct {
	NanoCPUs    int64  `json:"nano_cpus"`
	MemoryBytes int64  `json:"memory_bytes"`
	Pids        int64  `json:"pids"`
	Cgroup      string `json:"cgroup"`
}

// info is what the checks read of `ctl session info -o json`.
type info struct {
	Session struct {
		ID       string `json:"id"`
		Status   string `json:"status"`
		Result   string `json:"result"`
		Reason   string `json:"reason"`
		ExitCode *int   `json:"exit_code"`
		Staged   struct {
			ContainerID string  `json:"container_id"`
			Applied     applied `json:"applied"`
		} `json:"staged"`
	} `json:"session"`
}

// run runs a command as root and returns what it printed.
func run(name string, args ...string) (string, error) { return as("root", name, args...) }

// as runs a command as that user.
func as(who, name string, args ...string) (string, error) {
	u, err := user.Lookup(who)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	cmd.Dir = "/"
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + u.HomeDir, "USER=" + who, "LC_ALL=C.UTF-8",
		"DEBIAN_FRONTEND=noninteractive", "XDG_RUNTIME_DIR=/run/user/" + u.Uid, "SYSTEMD_PAGER=cat", "SYSTEMD_COLORS=0",
	}
	if who != "root" {
		cred := &syscall.Credential{Uid: number(u.Uid), Gid: number(u.Gid)}
		ids, err := u.GroupIds()
		if err != nil {
			return "", err
		}
		for _, id := range ids {
			cred.Groups = append(cred.Groups, number(id))
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	}
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, failure.String(), out.String())
	}
	return out.String(), nil
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32) //nolint:errcheck // of os/user
	return uint32(n)
}

// wrong says what is not as it should be, and the error that was there with it, if there was one.
func wrong(err error, format string, args ...any) error {
	return errors.Join(fmt.Errorf(format, args...), err)
}

// oneLine makes a text fit a line of the console.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 900 {
		s = s[:900] + "…"
	}
	return s
}

// dump prints what helps to understand a failure.
func (g *guest) dump() {
	for _, c := range [][]string{
		{"systemctl", "status", "--no-pager", "--lines=0", "agentd.service", "agentd.socket", "agentd.slice"},
		{"journalctl", "--no-pager", "--lines=30", "--output=short-monotonic"},
	} {
		out, _ := run(c[0], c[1:]...) //nolint:errcheck // it is for a person to read
		fmt.Printf("\n%s\n", out)
	}
}

// eventually asks until it is so, for as long as an emulated machine may need.
func eventually(limit time.Duration, is func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := is()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// ctl calls ctl for a session's owner, at the session's agentd.
func (m *mine) ctl(args ...string) (string, error) {
	// Said each time: ctl prefers an agentd of the user's own, if he has one.
	socket := cmp.Or(m.socket, "/run/agentd/agentd.sock")
	return as(m.owner, "ctl", append([]string{"--socket", socket}, args...)...)
}

// look reads the session's record.
func (m *mine) look() (info, error) {
	var i info
	out, err := m.ctl("session", "info", m.name, "-o", "json")
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal([]byte(out), &i); err != nil {
		return i, fmt.Errorf("ctl session info: %w: %s", err, out)
	}
	return i, nil
}

// launch starts a session and waits until it runs.
func (g *guest) launch(owner, name, socket string, more ...string) (*mine, error) {
	m := &mine{owner: owner, name: name, socket: socket}
	if _, err := m.ctl(append([]string{"session", "create-from-template", "box", "--name", name}, more...)...); err != nil {
		return nil, err
	}
	i, err := m.look()
	if err != nil {
		return nil, err
	}
	if i.Session.Status != "RUNNING" {
		return nil, fmt.Errorf("%s is %s", name, i.Session.Status)
	}
	m.id, m.container, m.applied = i.Session.ID, i.Session.Staged.ContainerID, i.Session.Staged.Applied
	if m.pid, err = pidOf(m.container); err != nil {
		return nil, err
	}
	g.sessions = append(g.sessions, m)
	return m, nil
}

// pidOf asks the engine for a container's first process.
func pidOf(container string) (int, error) {
	out, err := run("docker", "inspect", "--format", "{{.State.Pid}}", container)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err == nil && pid == 0 {
		err = fmt.Errorf("the container does not run")
	}
	return pid, err
}

// untouched sees that every session runs on, by the same process, and can be used.
func (g *guest) untouched() error {
	for _, m := range g.sessions {
		// The process itself, not what somebody says of it.
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", m.pid))
		if err != nil || !strings.Contains(string(text), m.container) {
			return wrong(err, "%s of %s: its process %d has ended: %s", m.name, m.owner, m.pid, text)
		}
		if out, err := m.ctl("session", "exec", m.name, "--", "echo", "here"); err != nil || out != "here\n" {
			return wrong(err, "%s of %s does not answer: %q", m.name, m.owner, out)
		}
	}
	return nil
}

// property reads a property of a unit.
func property(unit, name string) string {
	out, _ := run("systemctl", "show", "--value", "--property="+name, unit) //nolint:errcheck // an empty value is wrong enough
	return strings.TrimSpace(out)
}
