package binder_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/agentd/daemon/adapt"
	"agentd/internal/binder"
	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/testenv"
)

// userEnv makes the test binary the process of an ordinary user who binds by volumes; it is the engine's address.
const userEnv = "AGENTD_TEST_BINDER_ENGINE"

// instance is the id of the agentd that the test plays.
const instance = "bindertest"

func TestMain(m *testing.M) {
	if host := os.Getenv(userEnv); host != "" {
		serveUser(host)
		return
	}
	os.Exit(testenv.Main(m))
}

// party is a binder at work: in this process as root, or in a process of an ordinary user's, which opens and binds by
// himself as his own agentd does.
type party struct {
	ask func(request) reply
	// engine is the engine's address; src is a directory of the user's; volumes tells the two kinds apart.
	engine, src, mounts string
	volumes             bool
	pid                 int
	opened              []string
}

type bound = binder.Bound

type request struct {
	Op, Session, Path string
	Index, Handle     int
	ReadOnly          bool
}

type reply struct {
	Bound       bound
	Handle      int
	Sessions    []string
	Code, Error string
}

func (r reply) err() error {
	if r.Error == "" {
		return nil
	}
	return errs.New(errs.Code(r.Code), "%s", r.Error)
}

// bench does what a party is asked for.
type bench struct {
	binder binder.Binder
	files  []*os.File
}

func (b *bench) do(r request) (out reply) {
	ctx := context.Background()
	var err error
	switch r.Op {
	case "open":
		var fd int
		if fd, err = unix.Open(r.Path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0); err == nil {
			b.files = append(b.files, os.NewFile(uintptr(fd), r.Path))
			out.Handle = len(b.files) - 1
		}
	case "bind":
		f := b.files[r.Handle]
		out.Bound, err = b.binder.Bind(ctx, binder.Source{Session: r.Session, Index: r.Index, File: f, ReadOnly: r.ReadOnly})
		err = errors.Join(err, f.Close()) // the binder needs it no longer
		if e, ok := errors.AsType[*errs.Error](err); ok {
			err = e
		}
	case "release":
		err = b.binder.Release(ctx, r.Session)
	case "sessions":
		out.Sessions, err = b.binder.Sessions(ctx)
	}
	if err != nil {
		out.Code, out.Error = string(errs.CodeOf(err)), err.Error()
	}
	return out
}

func serveUser(host string) {
	e, err := engine.Connect(host)
	if err != nil {
		os.Exit(3)
	}
	volumes := adapt.Volumes{Host: &adapt.Host{Engine: e, Instance: instance}}
	b := &bench{binder: binder.NewVolumes(volumes, instance)}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var r request
		if in.Decode(&r) != nil || out.Encode(b.do(r)) != nil {
			return
		}
	}
}

func newRootsParty(t *testing.T, _ string) *party {
	dir := testenv.Dir(t)
	p := &party{src: userDir(t, dir), mounts: filepath.Join(dir, "mnt"), pid: os.Getpid()}
	b := &bench{binder: binder.NewMounts(p.mounts)}
	p.ask = b.do
	return p
}

// newUsersParty starts a process that is an ordinary user with the right to talk to the engine.
func newUsersParty(t *testing.T, host string) *party {
	t.Helper()
	dir := testenv.Dir(t)
	socket, err := os.Stat(strings.TrimPrefix(host, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env, cmd.Dir, cmd.Stderr = []string{userEnv + "=" + host}, "/", os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
		Uid: 20001, Gid: 20001, Groups: []uint32{socket.Sys().(*syscall.Stat_t).Gid},
	}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	p := &party{src: userDir(t, dir), volumes: true, pid: cmd.Process.Pid}
	answers := bufio.NewReader(out)
	p.ask = func(r request) (got reply) {
		if err := json.NewEncoder(in).Encode(r); err != nil {
			return reply{Code: string(errs.Internal), Error: err.Error()}
		}
		line, err := answers.ReadBytes('\n')
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.Join(err, json.Unmarshal(line, &got))
		}
		if err != nil {
			return reply{Code: string(errs.Internal), Error: err.Error()}
		}
		return got
	}
	return p
}

// userDir makes a directory of the user's, which he can reach.
func userDir(t *testing.T, dir string) string {
	t.Helper()
	src := filepath.Join(dir, "src")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(src, 0o755), os.Chown(src, 20001, 20001)); err != nil {
		t.Fatal(err)
	}
	return src
}

func (p *party) open(t *testing.T, path string) int {
	t.Helper()
	p.opened = append(p.opened, path)
	r := p.ask(request{Op: "open", Path: path})
	if r.err() != nil {
		t.Fatal(r.err())
	}
	return r.Handle
}

func (p *party) bind(session string, index, handle int, readOnly bool) (bound, error) {
	r := p.ask(request{Op: "bind", Session: session, Index: index, Handle: handle, ReadOnly: readOnly})
	return r.Bound, r.err()
}

func (p *party) mustBind(t *testing.T, index int, path string, readOnly bool) bound {
	t.Helper()
	b, err := p.bind("s", index, p.open(t, path), readOnly)
	if err != nil {
		t.Fatal(err)
	}
	if p.volumes != (b.Volume != "") || p.volumes == (b.Path != "") {
		t.Fatalf("bound as %+v", b)
	}
	return b
}

func (p *party) release(session string) error {
	return p.ask(request{Op: "release", Session: session}).err()
}

func (p *party) sessions(t *testing.T) []string {
	t.Helper()
	r := p.ask(request{Op: "sessions"})
	if r.err() != nil {
		t.Fatal(r.err())
	}
	return r.Sessions
}

// write makes a file beneath the source, as the user's.
func (p *party) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.src, name)
	write(t, path, text)
	for ; path != p.src; path = filepath.Dir(path) {
		if err := os.Chown(path, 20001, 20001); err != nil {
			t.Fatal(err)
		}
	}
}

// mountTmpfs mounts an empty file system of the user's at path.
func (p *party) mountTmpfs(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=1m,uid=20001,gid=20001,mode=755"); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft counts what the engine, the kernel and the process still have of the binds.
func (p *party) nothingLeft(t *testing.T) {
	t.Helper()
	if out, err := p.docker(t, "volume", "ls", "-q", "--filter", "name=agentd-"+instance); err != nil || out != "" {
		t.Errorf("volumes are left: %s %v", out, err)
	}
	if p.mounts != "" {
		if left, err := os.ReadDir(p.mounts); err != nil || len(left) > 0 {
			t.Errorf("mountpoints are left: %v %v", left, err)
		}
		table, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil || strings.Contains(string(table), " "+p.mounts+"/") {
			t.Errorf("mounts are left beneath %s: %v", p.mounts, err)
		}
	}
	fds, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(p.pid), "fd", "*"))
	if err != nil || len(fds) == 0 {
		t.Errorf("cannot look at the descriptors of the process: %v", err)
	}
	for _, fd := range fds {
		to, err := os.Readlink(fd)
		if err == nil && slices.Contains(p.opened, to) {
			t.Errorf("a descriptor is left: %s", to)
		}
	}
}
