package systemd

import (
	"errors"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// Listener returns the socket that the service manager listens on for this service, and nil if there is none: then the
// service makes its own. Anything but exactly one stream socket of the Unix kind is an error. The variables are taken
// out of the environment, so that no child takes the socket for its own.
func Listener() (*net.UnixListener, error) {
	files := activation.Files(true)
	if len(files) == 0 {
		return nil, nil //nolint:nilnil // no activation is a normal start
	}
	// A listener has its own duplicate of the descriptor.
	defer func() {
		for _, f := range files {
			f.Close() //nolint:errcheck // nothing was written to it
		}
	}()
	if len(files) != 1 {
		return nil, wrongSocket("the service manager passed %d sockets", len(files))
	}
	if err := checkSocket(files[0]); err != nil {
		return nil, err
	}
	ln, err := net.FileListener(files[0])
	if err != nil {
		return nil, errs.New(errs.Invalid, "take the service manager's socket: %w", err)
	}
	ul, ok := ln.(*net.UnixListener)
	if !ok {
		err := wrongSocket("the service manager passed a socket of %s", ln.Addr().Network())
		return nil, errors.Join(err, ln.Close())
	}
	// The file of the socket is the manager's.
	ul.SetUnlinkOnClose(false)
	return ul, nil
}

func checkSocket(f *os.File) error {
	fd := int(f.Fd())
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return wrongSocket("the service manager passed something that is no socket (%w)", err)
	}
	if kind != unix.SOCK_STREAM {
		return wrongSocket("the service manager passed a socket that is not a stream")
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || listening != 1 {
		return wrongSocket("the service manager passed a connection, not a listening socket: Accept=yes?")
	}
	return nil
}

func wrongSocket(format string, args ...any) error {
	return errs.New(errs.Invalid, format, args...).
		WithHint("agentd.socket needs exactly one ListenStream= with a path, and Accept=no")
}
