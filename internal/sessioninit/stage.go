package sessioninit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The stage is what a child is between fork and its own program: agentd-init once more, which makes the child the one
// that the kernel picks when memory runs out. Nobody else can do that in time: while the child is forked, it shares our
// memory and counts as us; once its program runs, it may have had children of its own.
const (
	stageFlag = "--exec"
	// stageReport is the descriptor on which the stage says why it could not go on; it closes when it does.
	stageReport = 3
	// stageEnv stands before each entry of the environment, so that none means anything to the Go runtime of the stage.
	stageEnv = "_"
	// oomAdd is added to oom_score_adj, whose range ends at oomMax.
	oomAdd, oomMax = 500, 1000
)

// Exit codes of what cannot be started, as shells have them.
const (
	exitCannot   = 126
	exitNotFound = 127
)

// stage becomes argv in dir. It returns only on failure.
func stage(dir string, argv []string) int {
	unix.CloseOnExec(stageReport)
	raiseOOMScore()
	defaultSignals()
	env := stageEnviron()
	code, text := become(dir, argv, env)
	report := os.NewFile(stageReport, "report")
	report.WriteString(strconv.Itoa(code) + " " + text) //nolint:errcheck // then the exit code has to do
	return code
}

func stageEnviron() []string {
	var env []string
	for _, e := range os.Environ() {
		if v, ok := strings.CutPrefix(e, stageEnv); ok {
			env = append(env, v)
		}
	}
	return env
}

// lastSignal is the highest number of a signal on Linux.
const lastSignal = 64

// defaultSignals gives every signal its default meaning. What our own starter ignored is inherited through every exec, and
// the Go runtime leaves some of it alone: a program would never hear of it.
func defaultSignals() {
	// The kernel's struct sigaction of all zeros is SIG_DFL with no flags and an empty mask.
	var action [4]uint64
	for n := uintptr(1); n <= lastSignal; n++ {
		// KILL and STOP cannot be set, and need not be.
		unix.RawSyscall6( //nolint:errcheck // see above
			unix.SYS_RT_SIGACTION, n, uintptr(unsafe.Pointer(&action)), 0, unsafe.Sizeof(action[0]), 0, 0)
	}
}

// raiseOOMScore makes this process the kernel's choice before its parent. A failure is no reason not to run.
func raiseOOMScore() {
	const path = "/proc/self/oom_score_adj"
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	score, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return
	}
	score = min(score+oomAdd, oomMax)
	os.WriteFile(path, []byte(strconv.Itoa(score)), 0) //nolint:errcheck,gosec // see above; the file is the kernel's
}

// become runs argv in the place of this program, and says why if it could not.
func become(dir string, argv, env []string) (code int, text string) {
	if err := os.Chdir(dir); err != nil {
		return exitCannot, "working directory " + strconv.Quote(dir) + ": " + cause(err)
	}
	if strings.ContainsRune(argv[0], '/') {
		return failed(argv[0], syscall.Exec(argv[0], argv, env))
	}
	code, text = exitNotFound, strconv.Quote(argv[0])+" is in no directory of PATH"
	for _, dir := range filepath.SplitList(lookup(env, "PATH", defaultPath)) {
		if dir == "" {
			dir = "."
		}
		path := dir + "/" + argv[0]
		err := syscall.Exec(path, argv, env)
		if missing(path, err) {
			continue
		}
		code, text = failed(path, err)
		if !errors.Is(err, syscall.EACCES) { // as execvp: a later directory may have one that may be run
			break
		}
	}
	return code, text
}

// defaultPath is for an environment without PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// missing tells no file from a file whose interpreter is missing, for which the kernel says the same.
func missing(path string, err error) bool {
	if errors.Is(err, syscall.ENOTDIR) {
		return true
	}
	if !errors.Is(err, syscall.ENOENT) {
		return false
	}
	_, err = os.Stat(path)
	return err != nil
}

func failed(path string, err error) (int, string) {
	name := strconv.Quote(path)
	switch {
	case missing(path, err):
		return exitNotFound, name + " does not exist"
	case errors.Is(err, syscall.ENOENT):
		return exitNotFound, name + " exists, but not the interpreter that it names (first line, or ELF loader)"
	case errors.Is(err, syscall.ENOEXEC):
		return exitCannot, name + " is no program for this machine: " + cause(err)
	}
	return exitCannot, name + ": " + cause(err)
}

// cause is an error's text without the path, which is said already.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// lookup returns the last value of name in env.
func lookup(env []string, name, fallback string) string {
	for _, e := range slices.Backward(env) {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return fallback
}
