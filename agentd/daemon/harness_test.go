package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the real agentd, built once for all tests.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	// Not t.TempDir: other users run it too, and the path of a socket is short.
	dir, err := os.MkdirTemp("/tmp", "agentd")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "agentd")
	build := exec.Command("go", "build", "-o", program, "agentd/agentd")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	return m.Run()
}

// box is a place for one agentd: its directories, its configuration, its notify socket.
type box struct {
	t   *testing.T
	dir string
	// notify is what the service manager hears.
	notify *net.UnixConn
	env    []string
	cred   *syscall.Credential
}

func newBox(t *testing.T) *box {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "a") //nolint:usetesting // another user must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &box{t: t, dir: dir}
	b.write("c.yaml", fmt.Sprintf("state_dir: %s/s\nruntime_dir: %s/r\nsocket: {group: '%d'}\n", dir, dir, os.Getgid()))
	b.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/n", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.notify.Close() })
	return b
}

func (b *box) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) socket() string { return b.dir + "/r/agentd.sock" }

// heard waits for the next message to the service manager.
func (b *box) heard() string {
	b.t.Helper()
	if err := b.notify.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		b.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := b.notify.Read(buf)
	if err != nil {
		b.t.Fatalf("agentd says nothing: %v", err)
	}
	return string(buf[:n])
}

// hears waits for these messages, in this order and with nothing between; "..." stands for any number of others.
func (b *box) hears(want ...string) {
	b.t.Helper()
	for i := 0; i < len(want); i++ {
		got := b.heard()
		if want[i] == "..." {
			for i++; !strings.HasPrefix(got, want[i]); {
				got = b.heard()
			}
		}
		if !strings.HasPrefix(got, want[i]) {
			b.t.Fatalf("agentd says %q; want %q", got, want[i])
		}
	}
}

// process is one agentd.
type process struct {
	*exec.Cmd
	box *box
	mu  sync.Mutex
	err bytes.Buffer
	out bytes.Buffer
}

// Write takes the log.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err.Write(b)
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err.String()
}

// logs waits until the log has that text.
func (p *process) logs(want string) {
	p.box.t.Helper()
	for begin := time.Now(); !strings.Contains(p.log(), want); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			p.box.t.Errorf("the log lacks %s", want)
			return
		}
	}
}

// launch starts agentd; prepare may change the command.
func (b *box) launch(prepare func(*exec.Cmd), args ...string) *process {
	b.t.Helper()
	p := &process{box: b, Cmd: exec.Command(program, args...)}
	p.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "NOTIFY_SOCKET=" + b.dir + "/n"}, b.env...)
	p.Stdout, p.Stderr = &p.out, p
	p.SysProcAttr = &syscall.SysProcAttr{Credential: b.cred}
	if prepare != nil {
		prepare(p.Cmd)
	}
	if err := p.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
		if b.t.Failed() {
			b.t.Logf("log of agentd %d:\n%s", p.Process.Pid, p.log())
		}
	})
	return p
}

// serving starts agentd with the box's configuration and waits until it is ready.
func (b *box) serving() *process {
	b.t.Helper()
	p := b.launch(nil, "--config", b.dir+"/c.yaml")
	b.hears("...", "READY=1")
	return p
}

// ended waits for the end and returns the exit status.
func (p *process) ended() int {
	p.box.t.Helper()
	timer := time.AfterFunc(60*time.Second, func() { p.Process.Kill() })
	defer timer.Stop()
	p.Wait()
	return p.ProcessState.ExitCode()
}

func (p *process) signal(sig syscall.Signal) {
	p.box.t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		p.box.t.Fatal(err)
	}
}

// client speaks to the box's socket, or to another.
func client(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
}

// ask returns the status and the body of an answer.
func ask(t *testing.T, socket, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://agentd"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(socket).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func document(name string) string {
	return "api_version: v1\nkind: taskTemplate\nmetadata: {name: " + name + "}\n" +
		"spec: {kernel: {image: 'python:3.9'}}\n"
}
