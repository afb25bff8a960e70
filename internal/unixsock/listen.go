package unixsock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// KeepGID is the [Options.GID] that leaves the group as it is.
const KeepGID = -1

// Options are the rights of a socket.
type Options struct {
	// Mode is the permission bits, such as 0o660. To connect takes the right to write.
	Mode fs.FileMode
	// GID is the group that the socket is given, or [KeepGID].
	GID int
}

// Listener is a listening socket whose file it owns.
type Listener struct {
	*net.UnixListener
	// Healed is true if a socket that nobody answered any more was in the place.
	Healed bool

	path string
	file os.FileInfo
}

// Addr is the path that clients dial.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close stops listening and removes the file of the socket, unless another socket has taken its place since.
func (l *Listener) Close() error {
	err := l.UnixListener.Close()
	if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.file) {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}

// Listen makes the socket at path. If a process answers there, that is errs.Conflict; a socket that nobody answers is
// replaced, and anything else in its place is left alone and is an error. The socket is made under another name, given
// its rights, and then renamed: at path it is never seen with other rights than those of opt.
//
// Two processes that call Listen for one path at the same instant are kept apart by the lock on the state directory,
// which agentd takes before; Listen notices only those that listen already.
func Listen(ctx context.Context, path string, opt Options) (*Listener, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	stale, err := occupied(ctx, path)
	if err != nil {
		return nil, err
	}
	// The pid keeps the name short, and tells whose it is in a list of sockets.
	tmp := filepath.Join(filepath.Dir(path), ".s"+strconv.Itoa(os.Getpid()))
	if err := checkPath(tmp); err != nil {
		return nil, err
	}
	l, err := bind(ctx, tmp)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.Healed, l.path = stale, path
	if err := l.publish(tmp, opt); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), l.UnixListener.Close(), os.Remove(tmp))
	}
	return l, nil
}

// occupied says whether a stale socket is at path, or the error that forbids to listen there.
func occupied(ctx context.Context, path string) (stale bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return false, errs.New(errs.Conflict, "%s is in the way: it is %s, not a socket", path, kind(info.Mode())).
			WithHint("move it away, or configure another socket.path")
	}
	// A live but busy peer answers EAGAIN at once (its backlog is full); nothing here waits long.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := Dial(ctx, path)
	switch {
	case err == nil:
		return false, errors.Join(taken(path, conn), conn.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, syscall.EAGAIN):
		return false, errs.New(errs.Conflict, "another agentd serves %s, and is busy", path)
	}
	return false, fmt.Errorf("is anyone at the socket: %w", err)
}

func taken(path string, conn net.Conn) error {
	peer, err := Credentials(conn)
	if err != nil {
		return errs.New(errs.Conflict, "another agentd serves %s", path)
	}
	return errs.New(errs.Conflict, "another agentd serves %s (pid %d)", path, peer.PID).
		WithHint("stop it first, or give this one its own socket.path and state_dir")
}

func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "a file"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeSymlink:
		return "a symbolic link"
	}
	return "a device or pipe"
}

// bind makes a socket at tmp that nobody but its owner may connect to.
func bind(ctx context.Context, tmp string) (*Listener, error) {
	// A process of the same pid may have died between bind and rename, in a container most likely.
	if info, err := os.Lstat(tmp); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(tmp); err != nil {
			return nil, fmt.Errorf("remove a leftover: %w", err)
		}
	}
	// The kernel takes the mode of the file from the socket (unix_bind_bsd), less the umask.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var inner error
		err := c.Control(func(fd uintptr) { inner = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, inner)
	}}
	ln, err := lc.Listen(ctx, "unix", tmp)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller names the step
	}
	ul, ok := ln.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a unix listener is a %T", ln), ln.Close())
	}
	// The file will have another name: Close removes that one.
	ul.SetUnlinkOnClose(false)
	return &Listener{UnixListener: ul}, nil
}

// publish gives the socket at tmp its rights, and then its name.
func (l *Listener) publish(tmp string, opt Options) error {
	if opt.GID != KeepGID {
		if err := os.Lchown(tmp, -1, opt.GID); err != nil {
			return fmt.Errorf("set the group of the socket: %w", err)
		}
	}
	if err := os.Chmod(tmp, opt.Mode.Perm()); err != nil {
		return fmt.Errorf("set the rights of the socket: %w", err)
	}
	info, err := os.Lstat(tmp)
	if err != nil {
		return fmt.Errorf("look at the socket: %w", err)
	}
	l.file = info
	if err := os.Rename(tmp, l.path); err != nil {
		return fmt.Errorf("put the socket in its place: %w", err)
	}
	return nil
}
