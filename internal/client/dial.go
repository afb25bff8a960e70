package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/unixsock"
)

const (
	dialTimeout = 5 * time.Second
	// People start agentd and ctl in one breath: a socket that is not there yet is tried again, for 150 ms in all.
	dialTries = 4
	dialPause = 50 * time.Millisecond
)

// dial connects to the first of the sockets that answers.
func dial(ctx context.Context, sockets []string) (net.Conn, error) {
	for try := 1; ; try++ {
		conn, failures := dialEach(ctx, sockets)
		if conn != nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if try == dialTries || !mayComeUp(failures) {
			return nil, noDaemon(sockets, failures)
		}
		pause := time.NewTimer(dialPause)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// dialEach tries each socket once; the failures are in the order of the sockets.
func dialEach(ctx context.Context, sockets []string) (net.Conn, []error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	failures := make([]error, 0, len(sockets))
	for _, socket := range sockets {
		conn, err := unixsock.Dial(ctx, socket)
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, failures
}

// mayComeUp reports whether all failed as they do while agentd is starting.
func mayComeUp(failures []error) bool {
	for _, err := range failures {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return false
		}
	}
	return true
}

// noDaemon says where was looked, what was found there, and what to do about it.
func noDaemon(sockets []string, failures []error) error {
	for i, err := range failures {
		if errors.Is(err, fs.ErrPermission) {
			return notPermitted(sockets[i])
		}
	}
	tried := make([]string, len(sockets))
	for i, socket := range sockets {
		tried[i] = fmt.Sprintf("%s (%s)", socket, why(failures[i]))
	}
	return errs.New(errs.NoDaemon, "no agentd answers: %s", strings.Join(tried, ", ")).
		WithHint("is agentd running? systemctl status agentd - or start one of your own: agentd")
}

// why is the cause of a failed dial in few words.
func why(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there"
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e.Error()
	}
	return err.Error()
}

// notPermitted says who may use the socket, and how to become one of them.
func notPermitted(socket string) error {
	e := errs.New(errs.Forbidden, "connect to %s: permission denied", socket)
	group := strings.TrimSuffix(layout.SystemPlaces().Runtime.Socket(), ".sock")
	group = group[strings.LastIndexByte(group, '/')+1:]
	if info, err := os.Stat(socket); err == nil {
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || info.Mode().Perm()&0o020 == 0 {
			return e.WithHint("it is another user's: set --socket or %s to one that you may use", layout.SocketEnv)
		}
		group = groupName(st.Gid)
	} else if errors.Is(err, fs.ErrPermission) && socket != layout.SystemPlaces().Runtime.Socket() {
		return e.WithHint("its directory is another user's: set --socket or %s to one that you may use", layout.SocketEnv)
	}
	return e.WithHint("it is for the group %s: sudo usermod -aG %s $USER, then log in again", group, group)
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
