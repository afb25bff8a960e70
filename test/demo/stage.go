package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"agentd/internal/testenv/dockerd"
	"agentd/test/daemon"
)

// stage is where the story is played.
type stage struct {
	// dir has everything: the programs, agentd's state, the user's home, the props.
	dir     string
	uid     int
	env     []string
	watched bool
	engine  *engine
	agentd  *daemon.Daemon
	props   *props
	groups  groups
	// pid is that of the first session's container, once it runs.
	pid int
}

// newStage makes the directory, the user, the props and a configuration.
//
//nolint:contextcheck // what is begun is cleared away in a time of its own
func newStage(ctx context.Context, bin string) (s *stage, err error) {
	host, err := dockerd.Reachable(ctx)
	if err != nil {
		return nil, fmt.Errorf("no Docker Engine answers: %w\nhint: with sudo, the demo starts one of its own", err)
	}
	s = &stage{watched: onTerminal(), uid: os.Getuid(), groups: lookForGroups()}
	if s.dir, err = os.MkdirTemp("", "agentd-demo-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.uid == 0 {
		s.uid = freeUID()
	}
	if s.engine, err = newEngine(host); err != nil {
		return nil, err
	}
	if err := s.furnish(bin); err != nil {
		return nil, err
	}
	if s.props, err = setUp(ctx, s.dir); err != nil {
		return nil, err
	}
	template := filepath.Join(s.home(), "train.yaml")
	if err := os.WriteFile(template, []byte(s.template()), 0o644); err != nil { //nolint:gosec // the user reads it
		return nil, err
	}
	s.agentd, err = daemon.NewWith(filepath.Join(s.bin(), "agentd"), s.dir, s.config())
	return s, err
}

// config is agentd's: the template's git.example.org is the server of this process.
func (s *stage) config() string {
	return fmt.Sprintf(`agent: {id: demo-agent, scaling_group: demo}
socket: {group: "%d", mode: "0660"}
engine: {host: "%s"}
host_paths: {allow: ["%s"]}
git: {instead_of: {"https://git.example.org/": "%s/"}}
sessions: {stop_grace: 2s}
`, s.gid(), s.engine.host, s.home(), s.props.git.URL)
}

func (s *stage) home() string { return filepath.Join(s.dir, "home") }
func (s *stage) bin() string  { return filepath.Join(s.dir, "bin") }

// furnish copies the programs to where the user can run them, and makes his home.
func (s *stage) furnish(bin string) error {
	if err := os.Chmod(s.dir, 0o711); err != nil { //nolint:gosec // the user passes through
		return err
	}
	if err := os.CopyFS(s.bin(), programs(bin)); err != nil {
		return err
	}
	data := filepath.Join(s.home(), "data")
	if err := os.MkdirAll(data, 0o755); err != nil { //nolint:gosec // as useradd does
		return err
	}
	numbers := filepath.Join(data, "numbers")
	if err := os.WriteFile(numbers, []byte("4\n8\n15\n16\n23\n42\n"), 0o644); err != nil { //nolint:gosec // it is no secret
		return err
	}
	for _, path := range []string{s.home(), data, numbers} {
		if err := os.Chown(path, s.uid, s.gid()); err != nil {
			return err
		}
	}
	// The reader's own agentd, configuration and templates stay out of it.
	s.env = []string{
		"PATH=" + s.bin() + ":" + os.Getenv("PATH"), "HOME=" + s.home(), "TERM=" + os.Getenv("TERM"), "LC_ALL=C.UTF-8",
		"AGENTD_SOCKET=" + filepath.Join(s.dir, "run", "agentd.sock"), "GIT_TOKEN=" + gitToken,
	}
	if !s.watched || os.Getenv("NO_COLOR") != "" {
		s.env = append(s.env, "NO_COLOR=1")
	}
	return nil
}

// gid is the user's group: a free one of root's making has the number of its user.
func (s *stage) gid() int {
	if os.Geteuid() == 0 {
		return s.uid
	}
	return os.Getgid()
}

// freeUID is a number that no user of this machine has.
func freeUID() int {
	for uid := 20400; ; uid++ {
		if _, err := user.LookupId(strconv.Itoa(uid)); err != nil {
			return uid
		}
	}
}

// instance is the id of the demo's agentd, by which all that it makes is known; empty before its first start.
func (s *stage) instance() string {
	text, err := os.ReadFile(filepath.Join(s.dir, daemon.State, "instance-id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (s *stage) startAgentd() error { return s.agentd.Start(os.Environ()) }
