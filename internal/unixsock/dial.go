package unixsock

import (
	"context"
	"fmt"
	"net"
)

// Dial connects to the socket at path. An error keeps its cause, so that errors.Is finds fs.ErrNotExist,
// fs.ErrPermission and syscall.ECONNREFUSED.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connect to the socket: %w", err)
	}
	return conn, nil
}
