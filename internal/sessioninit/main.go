// Package sessioninit is the first process of a session's container: it runs the job's steps, writes their log and results,
// serves the session's socket, and reaps what nobody else does. From its job on it needs nobody.
//
//	job file, or start on the socket
//	   └▶ bootstrap ─▶ startup ─▶ batch: exit with its code
//	                              interactive: go on until SIGTERM or SIGINT
//
// There is exactly one place that waits for children, [reaper.collect]; package os/exec is not used here, because beside a
// reaper it loses exit codes.
package sessioninit

import (
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"agentd/internal/job"
	"agentd/internal/sftpserve"
	"agentd/internal/version"
)

// exitOurs is the exit code for a fault of agentd-init itself or of its job file.
const exitOurs = 125

// Main is agentd-init's main function; args are os.Args.
func Main(args []string) int {
	switch {
	case len(args) == 2 && args[1] == "--version":
		os.Stdout.WriteString(version.String() + "\n") //nolint:errcheck // there is nobody else to tell
		return 0
	case len(args) == 2 && args[1] == "sftp":
		return serveSFTP()
	case os.Getpid() != 1:
		complain("agentd-init is the first process of a session's container, and of no use elsewhere")
		return exitOurs
	}
	if err := closeOnExec(); err != nil {
		complain("descriptors: " + err.Error())
		return exitOurs
	}
	heedSignals()
	score := openOOMScore()
	// The session's code has our user: keep it from tracing us and from reading our memory, which holds the nonce.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		complain("prctl: " + err.Error())
		return exitOurs
	}
	in, err := open(job.Dir, score)
	if err != nil {
		complain(err.Error())
		return exitOurs
	}
	return in.run()
}

// serveSFTP serves one SFTP client on standard input and output, as a command that somebody runs in the session.
func serveSFTP() int {
	if err := sftpserve.Serve(os.Stdin, os.Stdout); err != nil {
		complain(err.Error())
		return 1
	}
	return 0
}

// closeOnExec keeps what our starter left open from every child.
func closeOnExec() error {
	const first = 3
	if unix.CloseRange(first, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	// Before Linux 5.11, or under a filter of system calls that does not know it.
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, n := range names {
		if fd, err := strconv.Atoi(n.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// complain writes where the engine's own log finds it.
func complain(text string) {
	os.Stderr.WriteString("agentd-init: " + text + "\n") //nolint:errcheck // there is nobody else to tell
}
