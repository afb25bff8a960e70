package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"agentd/internal/layout"
	"agentd/internal/testenv"
)

// straceOf skips a test that runs the helper hundreds of times, unless there is time. There is none under the race detector,
// which would see nothing: one goroutine changes one thing.
func straceOf(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a kill at every system call takes long: not with -short")
	}
	return testenv.Tool(t, "strace")
}

// outcome is how a helper under strace ended.
type outcome struct {
	// again is true if the change failed once, failed if it failed for good.
	ready, done, again, failed bool
	stderr                     string
}

// runHelper runs the helper for one change under strace with those options.
func runHelper(t *testing.T, strace string, state layout.State, op string, options ...string) outcome {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, strace, append(options, os.Args[0])...)
	cmd.Env = append(os.Environ(), crashOpEnv+"="+op, crashStateEnv+"="+string(state), "GOMAXPROCS=1",
		"GODEBUG=asyncpreemptoff=1", "GOGC=off")
	cmd.ExtraFiles = []*os.File{write}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	said, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // to be killed is its purpose
	if ctx.Err() != nil {
		t.Fatalf("%s with %v hangs", op, options)
	}
	s := string(said)
	return outcome{
		ready: strings.HasPrefix(s, helperReady), done: strings.HasSuffix(s, helperDone),
		again: strings.Contains(s, helperAgain), failed: strings.HasSuffix(s, helperFailed), stderr: stderr.String(),
	}
}

// call is one system call of the thread that does the change.
type call struct {
	name   string
	args   []string
	result string
}

// callLine is a line of strace: name(arguments) = result.
var callLine = regexp.MustCompile(`^(\w+)\((.*)\)\s+= (\S+)`)

// traceHelper returns all calls of the thread that does the change, and the index of that which said ready.
func traceHelper(t *testing.T, strace string, state layout.State, op string) (calls []call, ready int) {
	t.Helper()
	prefix := filepath.Join(t.TempDir(), "trace")
	out := runHelper(t, strace, state, op, "-ff", "-xx", "-s", "1000000", "-o", prefix)
	if !out.done {
		t.Fatalf("%s under strace: %+v", op, out)
	}
	files, err := filepath.Glob(prefix + ".*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		calls, ready = parseTrace(string(data))
		if ready >= 0 {
			return calls, ready
		}
	}
	t.Fatalf("%s: no thread says that it is ready", op)
	return nil, 0
}

// parseTrace parses the trace of one thread; ready is -1 if it is not the one.
func parseTrace(trace string) (calls []call, ready int) {
	ready = -1
	for line := range strings.Lines(trace) {
		m := callLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		c := call{name: m[1], args: strings.Split(m[2], ", "), result: m[3]}
		if c.name == "write" && c.args[0] == "3" && c.text(1) == helperReady {
			ready = len(calls)
		}
		calls = append(calls, c)
	}
	return calls, ready
}

// text decodes an argument that is a string; -xx writes every byte of it as \xNN.
func (c call) text(n int) string {
	quoted := strings.Trim(c.args[n], `"`)
	b, err := hex.DecodeString(strings.ReplaceAll(quoted, `\x`, ""))
	if err != nil {
		return ""
	}
	return string(b)
}

// touchesFiles reports whether a call can change what is on disk, or comes from the change at all: the runtime's own
// calls are not worth a crash each, since nothing happens between them and the next of these.
func (c call) touchesFiles() bool {
	switch c.name {
	case "futex", "nanosleep", "clock_nanosleep", "epoll_pwait", "epoll_ctl", "epoll_create1", "eventfd2", "sched_yield",
		"tgkill", "getpid", "gettid", "rt_sigprocmask", "rt_sigaction", "rt_sigreturn", "sigaltstack", "mmap", "munmap",
		"madvise", "mprotect", "clone", "clone3", "exit_group", "sched_getaffinity", "getrandom", "prctl", "execve":
		return false
	}
	return true
}
