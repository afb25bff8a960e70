package daemon_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"agentd/internal/testenv"
)

func TestAgentd_TellsTheServiceManager(t *testing.T) {
	b := newBox(t)
	p := b.launch(nil, "--config", b.dir+"/c.yaml")
	b.hears("STATUS=reading the state directory "+b.dir+"/s", "STATUS=serving 0 templates", "READY=1")
	if status, body := ask(t, b.socket(), "POST", "/v1/templates", document("one")); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	b.hears("STATUS=serving 1 template")
	p.signal(syscall.SIGHUP)
	b.hears("RELOADING=1\nMONOTONIC_USEC=", "STATUS=serving 1 template", "READY=1")
	p.signal(syscall.SIGTERM)
	b.hears("STOPPING=1", "STATUS=stopping")
	if status := p.ended(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if _, err := os.Lstat(b.socket()); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestAgentd_StartsAfterKill9(t *testing.T) {
	b := newBox(t)
	p := b.serving()
	if status, body := ask(t, b.socket(), "POST", "/v1/templates", document("kept")); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	p.signal(syscall.SIGKILL)
	p.ended()
	if _, err := os.Lstat(b.socket()); err != nil {
		t.Fatalf("there is no stale socket to heal: %v", err)
	}
	p = b.serving()
	if status, body := ask(t, b.socket(), "GET", "/v1/templates/kept/text", ""); status != 200 || body != document("kept") {
		t.Errorf("%d %s", status, body)
	}
	p.logs("replaced a socket that nobody answered")
}

func TestAgentd_ASecondOneIsRefused(t *testing.T) {
	b := newBox(t)
	first := b.serving()
	other := newBox(t)
	for name, row := range map[string]struct{ config, want string }{
		"state":  {"state_dir: " + b.dir + "/s\nruntime_dir: " + other.dir + "/r\n", "runs on the state directory"},
		"socket": {"state_dir: " + other.dir + "/s\nruntime_dir: " + b.dir + "/r\n", "another agentd serves " + b.socket()},
	} {
		other.write("c.yaml", row.config)
		p := other.launch(nil, "--config", other.dir+"/c.yaml")
		if status := p.ended(); status != 4 {
			t.Errorf("same %s: exit status %d; want 4", name, status)
		}
		for _, want := range []string{row.want, fmt.Sprintf("(pid %d)", first.Process.Pid), "\nhint: "} {
			if !strings.Contains(p.log(), want) {
				t.Errorf("same %s: it says %s; want %s", name, p.log(), want)
			}
		}
	}
	if status, _ := ask(t, b.socket(), "GET", "/v1/healthz", ""); status != http.StatusOK {
		t.Errorf("the first one suffers: %d", status)
	}
}

func TestAgentd_TakesASocketFromTheServiceManager(t *testing.T) {
	b := newBox(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: b.dir + "/given", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// A client that comes before agentd waits for it.
	early := make(chan int)
	go func() {
		resp, err := client(b.dir + "/given").Get("http://agentd/v1/healthz")
		if err != nil {
			t.Error(err)
			early <- 0
			return
		}
		resp.Body.Close()
		early <- resp.StatusCode
	}()
	activate := func(cmd *exec.Cmd) {
		// LISTEN_PID is the service's own, which only a shell between can tell.
		cmd.Args = append([]string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", program}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=agentd.socket")
		cmd.ExtraFiles = []*os.File{file}
	}
	p := b.launch(activate, "--config", b.dir+"/c.yaml")
	b.hears("...", "READY=1")
	if status := <-early; status != http.StatusOK {
		t.Errorf("%d", status)
	}
	if _, err := os.Lstat(b.socket()); !os.IsNotExist(err) {
		t.Errorf("it made a socket of its own as well: %v", err)
	}
	p.signal(syscall.SIGTERM)
	if status := p.ended(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if _, err := os.Lstat(b.dir + "/given"); err != nil {
		t.Errorf("it removed the service manager's socket: %v", err)
	}
}

// begin sends the header of a request with a body of n bytes, and waits until its handler reads the body.
func begin(t *testing.T, conn net.Conn, n int) {
	t.Helper()
	const head = "POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
	if _, err := fmt.Fprintf(conn, head, n); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1024)
	if n, err := conn.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 100 Continue") {
		t.Fatalf("%q, %v", buf[:n], err)
	}
}

func TestAgentd_AStopLetsRequestsEnd(t *testing.T) {
	b := newBox(t)
	p := b.serving()
	conn, err := net.Dial("unix", b.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := document("late")
	begin(t, conn, len(text))
	p.signal(syscall.SIGTERM)
	b.hears("...", "STOPPING=1")
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1024)
	if n, err := conn.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 201 Created") {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if status := p.ended(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestAgentd_ASecondSignalStopsAtOnce(t *testing.T) {
	b := newBox(t)
	p := b.serving()
	conn, err := net.Dial("unix", b.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin(t, conn, 9)
	p.signal(syscall.SIGTERM)
	b.hears("...", "STOPPING=1", "STATUS=stopping")
	p.signal(syscall.SIGTERM)
	if status := p.ended(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	// The body has ten seconds to come, and fifteen are given to requests under way.
	if !strings.Contains(p.log(), "requests under way were cut") {
		t.Error("it waited for the request")
	}
}

func TestAgentd_ASignalEndsAStartThatHangs(t *testing.T) {
	b := newBox(t)
	fifo := b.dir + "/fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := b.launch(nil, "--config", fifo)
	// The handler stands before the configuration is opened; until then SIGTERM would end it with another status.
	wait, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer wait.Close()
	p.signal(syscall.SIGTERM)
	if status := p.ended(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestAgentd_Reload(t *testing.T) {
	b := newBox(t)
	p := b.serving()
	config, err := os.ReadFile(b.dir + "/c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	reload := func(more, status string) {
		t.Helper()
		b.write("c.yaml", string(config)+more)
		p.signal(syscall.SIGHUP)
		b.hears("RELOADING=1", "STATUS="+status, "READY=1")
	}
	reload("log: {level: debug}\n", "serving 0 templates")
	ask(t, b.socket(), "GET", "/v1/templates", "")
	p.logs("level=DEBUG msg=request")
	reload("log: {level: loud}\n",
		"serving 0 templates; the configuration was not reloaded: the configuration is not valid")
	p.logs(`must be debug, info, warn or error, not \"loud\"`)
	reload("git: {memory: 1g}\n", "serving 0 templates; a restart is needed for git.memory")
	reload("", "serving 0 templates")
	if status, _ := ask(t, b.socket(), "GET", "/v1/healthz", ""); status != http.StatusOK {
		t.Errorf("%d", status)
	}
}

func TestAgentd_FeedsTheWatchdog(t *testing.T) {
	b := newBox(t)
	b.env = []string{"WATCHDOG_USEC=200000"}
	p := b.serving()
	b.hears("...", "WATCHDOG=1", "...", "WATCHDOG=1", "...", "WATCHDOG=1")
	// Whoever holds all that one user may hold does not starve the watchdog.
	for range 200 {
		conn, err := net.Dial("unix", b.socket())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	b.hears("...", "WATCHDOG=1", "...", "WATCHDOG=1")
	p.signal(syscall.SIGTERM)
	p.ended()
	if strings.Contains(p.log(), "does not answer itself") {
		t.Error("agentd did not answer itself")
	}
}

func TestAgentd_AnOrdinaryUsersOwn(t *testing.T) {
	testenv.Root(t)
	b := newBox(t)
	b.cred = &syscall.Credential{Uid: 23456, Gid: 34567}
	b.env = []string{"XDG_RUNTIME_DIR=" + b.dir + "/run"}
	for _, path := range []string{b.dir, b.dir + "/n", b.dir + "/run"} {
		if err := os.MkdirAll(path, 0o700); err != nil && path != b.dir+"/n" {
			t.Fatal(err)
		}
		if err := os.Chown(path, 23456, 34567); err != nil {
			t.Fatal(err)
		}
	}
	b.launch(nil)
	b.hears("...", "READY=1")
	socket := b.dir + "/run/agentd/agentd.sock"
	for path, want := range map[string]os.FileMode{
		socket:                         os.ModeSocket | 0o600,
		b.dir + "/run/agentd":          os.ModeDir | 0o700,
		b.dir + "/.local/state/agentd": os.ModeDir | 0o711,
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 23456 || info.Mode() != want {
			t.Errorf("%s: %v of uid %d; want %v of uid 23456", path, info.Mode(), st.Uid, want)
		}
	}
	// root is an administrator of it too.
	if status, body := ask(t, socket, "POST", "/v1/templates?owner=23456", document("his")); status != http.StatusCreated {
		t.Errorf("%d %s", status, body)
	}
	if _, err := os.Stat(filepath.Join(b.dir, ".local/state/agentd/users/23456/templates")); err != nil {
		t.Error(err)
	}
}

func TestAgentd_AsRoot(t *testing.T) {
	testenv.Root(t)
	b := newBox(t)
	b.write("c.yaml", fmt.Sprintf("state_dir: %s/s\nruntime_dir: %s/r\nsocket: {group: '4321', admin_group: '4322'}\n", b.dir, b.dir))
	b.serving()
	for path, want := range map[string]os.FileMode{
		b.socket():   os.ModeSocket | 0o660,
		b.dir + "/r": os.ModeDir | 0o755,
		b.dir + "/s": os.ModeDir | 0o711,
	} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", path, info, err, want)
		}
	}
	if info, err := os.Lstat(b.socket()); err != nil || info.Sys().(*syscall.Stat_t).Gid != 4321 {
		t.Errorf("group of the socket: %v, %v", info, err)
	}
	if err := os.Chmod(b.dir, 0o711); err != nil {
		t.Fatal(err)
	}
	curl := testenv.Tool(t, "curl")
	for name, row := range map[string]struct {
		groups []uint32
		want   string
	}{
		"a member":         {[]uint32{4321}, "403"},
		"an administrator": {[]uint32{4321, 4322}, "200"},
		"neither":          {nil, "000"},
	} {
		cmd := exec.Command(curl, "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", b.socket(),
			"http://agentd/v1/templates?all_users=true")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 23456, Gid: 34567, Groups: row.groups}}
		if out, _ := cmd.Output(); string(out) != row.want {
			t.Errorf("%s gets %s; want %s", name, out, row.want)
		}
	}
}

func TestAgentd_CommandLine(t *testing.T) {
	b := newBox(t)
	b.write("bad.yaml", "sokcet: {}\nlog: {level: loud}\n")
	missing, bad, good := b.dir+"/none.yaml", b.dir+"/bad.yaml", b.dir+"/c.yaml"
	b.write("group.yaml", "state_dir: "+b.dir+"/s\nruntime_dir: "+b.dir+"/r\nsocket: {admin_group: no-such-group}\n")
	problems := "agentd: the configuration is not valid\n" +
		bad + ":1:1: sokcet: no such key: socket?\n" +
		bad + ":2:14: log.level: must be debug, info, warn or error, not \"loud\"\n" +
		"hint: configs/agentd.yaml of the sources describes every key\n"
	for name, row := range map[string]struct {
		args     []string
		status   int
		out, err string
	}{
		"bad":             {[]string{"--config", bad}, 1, "", problems},
		"check bad":       {[]string{"check-config", "--config", bad}, 1, "", problems},
		"check good":      {[]string{"check-config", "--config", good}, 0, good + ": the configuration is valid\n", ""},
		"named, missing":  {[]string{"--config", missing}, 1, "", "agentd: read the configuration: open " + missing + ": no such file or directory\n"},
		"version":         {[]string{"--version"}, 0, "agentd dev", ""},
		"help":            {[]string{"--help"}, 0, "agentd keeps session templates on disk", ""},
		"unknown flag":    {[]string{"--cofnig", good}, 2, "", "agentd: unknown flag: --cofnig\nhint: see: agentd --help\n"},
		"unknown command": {[]string{"serve"}, 2, "", "agentd: unknown command \"serve\" for \"agentd\"\nhint: see: agentd --help\n"},
		"unknown group":   {[]string{"--config", b.dir + "/group.yaml"}, 1, "", "agentd: the configured group \"no-such-group\": group: unknown group no-such-group\nhint: groupadd"},
	} {
		p := b.launch(nil, row.args...)
		if status := p.ended(); status != row.status {
			t.Errorf("%s: exit status %d; want %d", name, status, row.status)
		}
		if !strings.HasPrefix(p.out.String(), row.out) || !strings.HasPrefix(p.log(), row.err) ||
			(row.err == "") != (p.log() == "") {
			t.Errorf("%s: got\n%s%s\nwant\n%s%s", name, p.out.String(), p.log(), row.out, row.err)
		}
	}
}

func TestAgentd_LogFormats(t *testing.T) {
	for format, want := range map[string]string{
		"auto": "time=", "text": "time=", "json": `{"time":"`, "journal": `<6>msg=serving socket=`,
	} {
		b := newBox(t)
		b.write("c.yaml", fmt.Sprintf("state_dir: %s/s\nruntime_dir: %s/r\nsocket: {group: '%d'}\nlog: {format: %s}\n",
			b.dir, b.dir, os.Getgid(), format))
		p := b.serving()
		p.logs("msg")
		if !strings.HasPrefix(p.log(), want) {
			t.Errorf("%s: the log begins %.60q; want %q", format, p.log(), want)
		}
	}
}
