package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"

	"agentd/internal/errs"
	"agentd/internal/systemd"
	"agentd/internal/unixsock"
)

// defaultGroup is the group of root's socket when the configuration names none; it need not exist.
const defaultGroup = "agentd"

// listen takes the socket that the service manager holds for agentd, or makes its own.
func (d *daemon) listen(ctx context.Context) (net.Listener, error) {
	given, err := systemd.Listener()
	if err != nil {
		return nil, err //nolint:wrapcheck // it says who and what
	}
	if given != nil {
		return given, nil
	}
	gid, err := d.socketGroup()
	if err != nil {
		return nil, err
	}
	ln, err := unixsock.Listen(ctx, d.cfg.Socket.Path, unixsock.Options{Mode: d.cfg.Socket.Mode, GID: gid})
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the path and the step
	}
	if ln.Healed {
		d.log.Info("replaced a socket that nobody answered", "socket", d.cfg.Socket.Path)
	}
	return ln, nil
}

// makeRuntimeDir makes the runtime directory if it is not there. Root's is for all users to pass; a user's is his own.
func makeRuntimeDir(dir string, uid int) error {
	mode := fs.FileMode(0o755)
	if uid != 0 {
		mode = 0o700
	}
	err := os.Mkdir(dir, mode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return errs.New(errs.Invalid, "make the runtime directory: %w", err).
			WithHint("make its parent, or set runtime_dir; without a login session there is no XDG_RUNTIME_DIR")
	case err != nil:
		return errs.New(errs.Internal, "make the runtime directory: %w", err)
	}
	// The umask may have taken rights away.
	if err := os.Chmod(dir, mode); err != nil {
		return errs.New(errs.Internal, "set the rights of the runtime directory: %w", err)
	}
	return nil
}

// socketGroup is the gid of the socket. Without the default group the socket is agentd's own user's alone: an agentd
// that was just unpacked runs, and nobody gets more rights than was said.
func (d *daemon) socketGroup() (int, error) {
	name := d.cfg.Socket.Group
	if name == "" {
		return unixsock.KeepGID, nil
	}
	gid, err := groupID(name)
	if unknownGroup(err) && name == defaultGroup {
		d.log.Warn("there is no group agentd: only root can use the socket (groupadd --system agentd)")
		return unixsock.KeepGID, nil
	}
	return int(gid), err
}
