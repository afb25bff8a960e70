package unixsock

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"agentd/internal/identity"
)

// Credentials returns who is at the other end of conn: the ids and groups that the process had when it connected, as
// the kernel recorded them (SO_PEERCRED and SO_PEERGROUPS of unix(7)). Admin is left false: [ConnContext] decides it.
func Credentials(conn net.Conn) (identity.Caller, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return identity.Caller{}, fmt.Errorf("a %T has no peer credentials", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return identity.Caller{}, fmt.Errorf("peer credentials: %w", err)
	}
	var caller identity.Caller
	var inner error
	err = raw.Control(func(fd uintptr) { caller, inner = peer(int(fd)) })
	if err = errors.Join(err, inner); err != nil {
		return identity.Caller{}, fmt.Errorf("peer credentials: %w", err)
	}
	return caller, nil
}

func peer(fd int) (identity.Caller, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return identity.Caller{}, fmt.Errorf("SO_PEERCRED: %w", err)
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return identity.Caller{}, fmt.Errorf("SO_PEERGROUPS: %w", err)
	}
	return identity.Caller{UID: cred.Uid, GID: cred.Gid, Groups: groups, PID: cred.Pid}, nil
}

// peerGroups asks for the supplementary groups; x/sys/unix has the number of the option but no call for it. The kernel
// answers ERANGE with the length that it needs.
func peerGroups(fd int) ([]uint32, error) {
	for n := 64; ; {
		buf := make([]uint32, n)
		size := uint32(n * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return buf[:size/4], nil
		case errno == unix.ERANGE && int(size/4) > n:
			n = int(size / 4)
		default:
			return nil, errno
		}
	}
}
