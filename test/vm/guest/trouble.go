package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func mainPID() (int, error) { return strconv.Atoi(property("agentd.service", "MainPID")) }

// another waits until systemd has another agentd ready than that one.
func another(than int, limit time.Duration) error {
	return eventually(limit, func() error {
		pid, err := mainPID()
		state := property("agentd.service", "ActiveState")
		if err != nil || pid == 0 || pid == than || state != "active" {
			return wrong(err, "agentd is %s with process %d, which was %d", state, pid, than)
		}
		return nil
	})
}

func restart(g *guest) (string, error) {
	before, err := mainPID()
	if err != nil {
		return "", err
	}
	if _, err := run("systemctl", "restart", "agentd.service"); err != nil {
		return "", err
	}
	if err := another(before, time.Second); err != nil {
		return "", fmt.Errorf("READY came too early: %w", err)
	}
	return fmt.Sprintf("%d sessions of 3 users ran on, by the same processes", len(g.sessions)), g.untouched()
}

func kill9(g *guest) (string, error) {
	before, err := mainPID()
	if err != nil {
		return "", err
	}
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		return "", err
	}
	if err := another(before, time.Minute); err != nil {
		return "", err
	}
	return "systemd started it anew; all sessions ran on", g.untouched()
}

// reload gives the service a good configuration and then a bad one.
func reload(g *guest) (string, error) {
	const file = "/etc/agentd/agentd.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	before, err := mainPID()
	if err != nil {
		return "", err
	}
	changed := strings.Replace(string(text), "level: info", "level: debug", 1)
	for _, step := range []struct{ text, status string }{
		{changed + "\nnonsense: 1\n", "the configuration was not reloaded"}, {changed, "serving 3 templates"},
	} {
		if err := os.WriteFile(file, []byte(step.text), 0o644); err != nil {
			return "", err
		}
		if _, err := run("systemctl", "reload", "agentd.service"); err != nil {
			return "", err
		}
		if err := eventually(10*time.Second, func() error {
			got := property("agentd.service", "StatusText")
			if good := step.text == changed; !strings.Contains(got, step.status) || good && strings.Contains(got, "not reloaded") {
				return fmt.Errorf("STATUS=%s; want %s", got, step.status)
			}
			return nil
		}); err != nil {
			return "", err
		}
	}
	if pid, err := mainPID(); err != nil || pid != before {
		return "", wrong(err, "process %d became %d", before, pid)
	}
	return "a bad configuration changes nothing and stands in the status; a good one is in force, in the same process", nil
}

// watchdog stops the process as a hang would, with a shorter patience than the unit's so that the test ends.
func watchdog(g *guest) (string, error) {
	const dropIn = "/run/systemd/system/agentd.service.d"
	if err := os.MkdirAll(dropIn, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(dropIn+"/patience.conf", []byte("[Service]\nWatchdogSec=8\n"), 0o644); err != nil {
		return "", err
	}
	if _, err := run("sh", "-ec", "systemctl daemon-reload; systemctl restart agentd.service"); err != nil {
		return "", err
	}
	// It lives longer than its patience while it is well.
	before, err := mainPID()
	if err != nil {
		return "", err
	}
	time.Sleep(10 * time.Second)
	if pid, err := mainPID(); err != nil || pid != before {
		return "", wrong(err, "the watchdog has bitten a living agentd: process %d became %d", before, pid)
	}
	if err := syscall.Kill(before, syscall.SIGSTOP); err != nil {
		return "", err
	}
	if err := another(before, time.Minute); err != nil {
		return "", err
	}
	out, err := run("journalctl", "--no-pager", "--unit=agentd.service", "--grep=Watchdog timeout", "--output=cat")
	if err != nil || !strings.Contains(out, "Watchdog timeout") {
		return "", wrong(err, "the journal does not tell of a watchdog: %s", out)
	}
	if _, err := run("sh", "-ec", "rm -r "+dropIn+"; systemctl daemon-reload"); err != nil {
		return "", err
	}
	return "stopped by SIGSTOP, bitten, started anew; all sessions ran on", g.untouched()
}

func engineRestart(g *guest) (string, error) {
	before, err := mainPID()
	if err != nil {
		return "", err
	}
	if _, err := run("systemctl", "restart", "docker.service"); err != nil {
		return "", err
	}
	if err := eventually(30*time.Second, g.untouched); err != nil {
		return "", err
	}
	if pid, err := mainPID(); err != nil || pid != before {
		return "", wrong(err, "agentd did not outlive it: %d became %d", before, pid)
	}
	// An end after it is still seen.
	last := g.sessions[len(g.sessions)-1]
	g.sessions = g.sessions[:len(g.sessions)-1]
	if _, err := last.ctl("session", "terminate", last.name); err != nil {
		return "", err
	}
	err = eventually(30*time.Second, func() error {
		i, err := last.look()
		if err == nil && (i.Session.Status != "TERMINATED" || i.Session.Reason != "user") {
			err = fmt.Errorf("%s is %s, %s", last.name, i.Session.Status, i.Session.Reason)
		}
		return err
	})
	return "sessions and agentd outlived it (live-restore), and an end after it was seen", err
}
