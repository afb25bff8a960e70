// Package initdial reaches agentd-init's socket on hostile ground: the session's code has the same user, and can put
// anything in the socket's place, at any moment.
package initdial

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/beneath"
	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
)

// HelloTimeout bounds the wait for agentd-init's first words.
const HelloTimeout = 5 * time.Second

// Target says whose socket is wanted.
type Target struct {
	// IsOurs reports whether pid, in the caller's own namespace, is the first process of the session's container, as the
	// engine says. It is asked on every dial, after the connect.
	IsOurs func(ctx context.Context, pid int) (bool, error)
	// Session and Nonce are what the hello has to say; both are required.
	Session, Nonce string
}

// Dial connects to agentd-init in dir, the session's directory as beneath.Dir opened it. It never connects to anything
// but a socket that lies in that very directory, and gives the connection back only if the process that listens is the
// wanted one. The connection's hello is read. The error is of code unavailable if nobody listens, or the wrong one does.
func Dial(ctx context.Context, dir *os.File, want Target) (*net.UnixConn, frame.Hello, error) {
	conn, err := connect(dir)
	if err != nil {
		return nil, frame.Hello{}, err
	}
	hello, err := check(ctx, conn, want)
	if err != nil {
		conn.Close() //nolint:errcheck // it is refused anyway
		return nil, frame.Hello{}, err
	}
	return conn, hello, nil
}

// connect opens the socket's inode first (no link can lead elsewhere, nothing outside dir can be meant), makes sure that
// it is a socket, and connects to that inode through the descriptor: no name is looked up twice.
func connect(dir *os.File) (*net.UnixConn, error) {
	socket, err := beneath.Socket(dir, job.SocketName)
	if err != nil {
		return nil, errs.New(errs.Unavailable, "session's socket: %w", err)
	}
	defer socket.Close() //nolint:errcheck // O_PATH: nothing to lose
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, errs.New(errs.Internal, "session's socket: %w", err)
	}
	// Not blocking: a listener that accepts nobody must not hold us; its queue being full is an answer (EAGAIN).
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, errs.New(errs.Internal, "session's socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), job.SocketName)
	defer file.Close() //nolint:errcheck // net.FileConn has its own copy
	var refused error
	err = raw.Control(func(at uintptr) {
		refused = unix.Connect(fd, &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.FormatUint(uint64(at), 10)})
	})
	switch {
	case err != nil:
		return nil, errs.New(errs.Internal, "session's socket: %w", err)
	case errors.Is(refused, unix.EAGAIN):
		return nil, errs.New(errs.Busy, "session's socket: its queue is full").WithHint("try again")
	case refused != nil:
		return nil, errs.New(errs.Unavailable, "session's socket: connect: %w", refused)
	}
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, errs.New(errs.Internal, "session's socket: %w", err)
	}
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close() //nolint:errcheck // cannot be
		return nil, errs.New(errs.Internal, "session's socket: %T is no Unix socket", conn)
	}
	return uc, nil
}

// check refuses every listener but the wanted one. The kernel's word (the pid at the time of listen) comes first; the
// nonce then tells this run of the session from one before that had the same pid.
func check(ctx context.Context, conn *net.UnixConn, want Target) (frame.Hello, error) {
	pid, err := peerPID(conn)
	if err != nil {
		return frame.Hello{}, err
	}
	ours, err := want.IsOurs(ctx, pid)
	if err != nil {
		return frame.Hello{}, errs.New(errs.Unavailable, "session's socket: who is process %d: %w", pid, err)
	}
	if !ours {
		return frame.Hello{}, errs.New(errs.Unavailable, "session's socket: process %d listens there, "+
			"which is not the session's own init", pid)
	}
	ctx, cancel := context.WithTimeout(ctx, HelloTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection fails by itself
	})
	hello, err := frame.ReadHello(conn)
	if !stop() && err == nil {
		err = errs.New(errs.Timeout, "session's socket: no hello: %w", context.Cause(ctx))
	}
	if err != nil {
		return frame.Hello{}, err
	}
	if !equal(hello.Nonce, want.Nonce) || !equal(hello.Session, want.Session) {
		return frame.Hello{}, errs.New(errs.Unavailable, "session's socket: it answers for another session or run")
	}
	return hello, nil
}

// equal never holds for an empty secret.
func equal(got, want string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

func peerPID(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, errs.New(errs.Internal, "session's socket: %w", err)
	}
	var cred *unix.Ucred
	var refused error
	err = raw.Control(func(fd uintptr) {
		cred, refused = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, refused); err != nil {
		return 0, errs.New(errs.Unavailable, "session's socket: peer: %w", err)
	}
	if cred.Pid <= 0 {
		return 0, errs.New(errs.Unavailable, "session's socket: its listener is in no namespace that can be seen here")
	}
	return int(cred.Pid), nil
}
