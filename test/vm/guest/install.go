package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// template is what all sessions here are made from.
const template = `api_version: v1
kind: taskTemplate
metadata: {name: box}
spec:
  kernel: {image: "box:1", run: {startup: "exec sleep 100000"}}
  resources: {cpu: "0.5", mem: 64m}
  mounts: {keep: null}
`

// prepare makes the image, the users and the template's file.
func prepare(*guest) (string, error) {
	root := "/root/box"
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		return "", err
	}
	for dir, text := range map[string]string{
		"etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\n", "tmp/.keep": "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, dir)), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(root, dir), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile("/tmp/box.yaml", []byte(template), 0o644); err != nil {
		return "", err
	}
	for _, c := range []string{
		"cp /bin/busybox /root/box/bin/ && chroot /root/box /bin/busybox --install -s /bin",
		"tar -C /root/box -c . | docker import - box:1",
		"useradd --create-home alice && useradd --create-home bob && useradd --create-home eve",
	} {
		if _, err := run("sh", "-ec", c); err != nil {
			return "", errors.Join(err, errSkipRest)
		}
	}
	engine, err := run("docker", "info", "--format",
		"engine {{.ServerVersion}}, cgroup v{{.CgroupVersion}} by {{.CgroupDriver}}")
	if err != nil {
		return "", errors.Join(err, errSkipRest)
	}
	if !strings.Contains(engine, "cgroup v2 by systemd") {
		return "", fmt.Errorf("this machine is not what it is to be: %s: %w", engine, errSkipRest)
	}
	systemd, err := run("systemctl", "--version")
	first, _, _ := strings.Cut(systemd, "\n")
	return first + ", " + engine, err
}

// deb is one of the packages that the payload has: old or new.
func deb(which string) (string, error) {
	found, err := filepath.Glob(filepath.Join(payload, which, "agentd_*.deb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("the payload has %d packages in %s", len(found), which)
	}
	return found[0], err
}

func dpkgInstall(which string) error {
	file, err := deb(which)
	if err == nil {
		_, err = run("dpkg", "--install", file)
	}
	return err
}

func install(*guest) (string, error) {
	if err := dpkgInstall("old"); err != nil {
		return "", errors.Join(err, errSkipRest)
	}
	for _, u := range []string{"alice", "bob"} {
		if _, err := run("usermod", "--append", "--groups", "agentd", u); err != nil {
			return "", err
		}
	}
	for unit, want := range map[string][2]string{
		"agentd.socket": {"enabled", "active"}, "agentd.service": {"enabled", "inactive"},
	} {
		if got := [2]string{property(unit, "UnitFileState"), property(unit, "ActiveState")}; got != want {
			return "", fmt.Errorf("%s is %v; want %v", unit, got, want)
		}
	}
	for _, file := range []string{
		"/usr/bin/agentd", "/usr/bin/ctl", "/usr/lib/agentd/agentd-init", "/usr/share/man/man8/agentd.8.gz",
		"/usr/share/man/man1/ctl-session-exec.1.gz", "/usr/share/bash-completion/completions/ctl",
		"/usr/share/doc/agentd/copyright", "/etc/agentd/agentd.yaml", "/run/agentd/agentd.sock",
	} {
		if _, err := os.Stat(file); err != nil {
			return "", err
		}
	}
	return "the socket listens, the service waits for its first client", nil
}

func unitsVerified(*guest) (string, error) {
	out, err := run("systemd-analyze", "verify", "agentd.service", "agentd.socket", "agentd.slice")
	if err != nil {
		return "", err
	}
	if out != "" {
		return "", fmt.Errorf("systemd-analyze verify: %s", out)
	}
	return "systemd-analyze verify says nothing", nil
}

// securityFigure holds the unit to the figure that docs/install.md tells.
func securityFigure(*guest) (string, error) {
	out, err := run("systemd-analyze", "security", "--no-pager", "agentd.service")
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`exposure level for agentd.service: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("no figure in %s", out)
	}
	told, err := os.ReadFile(filepath.Join(payload, "install.md"))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(told), "exposure level "+m[1]) {
		return "", fmt.Errorf("the exposure level is %s, and docs/install.md does not say so", m[1])
	}
	return "exposure level " + m[1], nil
}

func socketActivation(*guest) (string, error) {
	if _, err := as("alice", "ctl", "sesstpl", "create", "-f", "/tmp/box.yaml"); err != nil {
		return "", errors.Join(err, errSkipRest)
	}
	if got := property("agentd.service", "ActiveState"); got != "active" {
		return "", fmt.Errorf("the service is %s after its first client", got)
	}
	for _, u := range []string{"bob", "root"} {
		if _, err := as(u, "ctl", "sesstpl", "create", "-f", "/tmp/box.yaml"); err != nil {
			return "", err
		}
	}
	_, err := as("eve", "ctl", "sesstpl", "list")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 5 && exit.ExitCode() != 7 {
		return "", wrong(err, "a user outside the group is not refused")
	}
	return fmt.Sprintf("the first client started it; a user outside the group is refused, with exit status %d",
		exit.ExitCode()), nil
}
