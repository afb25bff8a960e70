package sessioninit

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

// dialTimeout bounds the connect of a forward.
const dialTimeout = 10 * time.Second

// closeWriter is a stream whose two directions end one by one.
type closeWriter interface {
	net.Conn
	CloseWrite() error
}

// forward connects from in here, and copies bytes both ways. The end of a direction is passed on; an error ends both.
func forward(c *client, f *frame.Forward) error {
	near, ok := c.Conn.(closeWriter)
	if !ok {
		return errs.New(errs.Unsupported, "forward: %T cannot end one direction", c.Conn)
	}
	far, err := dialInside(f)
	if err != nil {
		return err
	}
	defer far.Close() //nolint:errcheck // all was copied
	if err := c.done(nil); err != nil {
		return nil //nolint:nilerr // gone: nobody to tell
	}
	var both sync.WaitGroup
	both.Go(func() { pass(far, near) })
	both.Go(func() { pass(near, far) })
	both.Wait()
	return nil
}

// pass copies src to dst, and then the end.
func pass(dst, src closeWriter) {
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close() //nolint:errcheck // broken
		src.Close() //nolint:errcheck // broken
		return
	}
	dst.CloseWrite() //nolint:errcheck // the other end is gone
}

// dialInside connects to an address that needs no look-up: what names mean in here is the session's to say, and its
// resolver may hang.
func dialInside(f *frame.Forward) (closeWriter, error) {
	var targets []string
	switch f.Network {
	case "unix":
		targets = []string{f.Address}
	case "tcp":
		if port, ok := strings.CutPrefix(f.Address, "localhost:"); ok {
			targets = []string{"127.0.0.1:" + port, "[::1]:" + port}
			break
		}
		targets = []string{f.Address}
	default:
		return nil, errs.New(errs.Unsupported, "forward: network %q", f.Network).WithHint("tcp or unix")
	}
	var failures []error
	for _, target := range targets {
		conn, err := dialOne(f.Network, target)
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, errs.New(errs.Unavailable, "forward: %w", errors.Join(failures...))
}

// dialOne does without net.Dialer, which would link the whole resolver. A connect that is given up is closed when the
// kernel gives up too.
func dialOne(network, target string) (closeWriter, error) {
	type result struct {
		conn closeWriter
		err  error
	}
	dial := func() (closeWriter, error) {
		return net.DialUnix("unix", nil, &net.UnixAddr{Name: target, Net: "unix"})
	}
	if network == "tcp" {
		address, err := netip.ParseAddrPort(target)
		if err != nil {
			return nil, errs.New(errs.Invalid, "%w", err)
		}
		dial = func() (closeWriter, error) { return net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(address)) }
	}
	results := make(chan result)
	givenUp := make(chan struct{})
	go func() {
		conn, err := dial()
		select {
		case results <- result{conn, err}:
		case <-givenUp:
			if err == nil {
				conn.Close() //nolint:errcheck // nobody wants it any more
			}
		}
	}()
	t := time.NewTimer(dialTimeout)
	defer t.Stop()
	select {
	case r := <-results:
		return r.conn, r.err
	case <-t.C:
		close(givenUp)
		return nil, errs.New(errs.Timeout, "%s does not answer", target)
	}
}
