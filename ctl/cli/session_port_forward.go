package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/frame"
)

// forwarding is one port of here that leads into a session.
type forwarding struct {
	// local is a port, 0 for any that is free.
	local  uint16
	remote frame.Forward
}

// forwards is a call of port-forward.
type forwards struct {
	ref       string
	addresses []string
	open      bool
	list      []forwarding
}

func (a *app) sessionPortForward() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "port-forward SESSION [LOCAL:]REMOTE...",
		Short: "Reach ports of a session from here",
		Long: `Listen on ports of this machine, and lead every connection to one of the
session, as if it were made in there: what listens only on the session's own
127.0.0.1 is reached too, and nothing is opened on the network.

REMOTE is a port, an IP:PORT as seen from inside, or the path of a Unix socket;
LOCAL is a port of here, the same as REMOTE's by default; without a number
before the colon a free one is taken, and told. It goes on until ctrl-C or the
session's end. Connections outlast a restart of agentd.

Only this machine can connect; --address says which addresses listen instead.
Whoever reaches them reaches the session: there is no login.`,
		Example: `  ctl session port-forward template1234 8888

  # Several; a free port of here; a database's socket
  ctl session port-forward template1234 8080:80 :6006 5432:/run/pg/.s.PGSQL.5432

  # Jupyter, in the browser
  ctl session port-forward --open template1234 8888

  # For all of a network of one's own
  ctl session port-forward --address 192.168.1.5 template1234 8888`,
		Aliases:           []string{"forward"},
		Args:              argumentNames("SESSION", "[LOCAL:]REMOTE..."),
		ValidArgsFunction: a.completeSessions(1, false),
	}
	x := forwards{}
	cmd.Flags().StringSliceVar(&x.addresses, "address", []string{"127.0.0.1"}, "`addresses` of here to listen on")
	cmd.Flags().BoolVar(&x.open, "open", false, "open the first one in a browser, or print its URL")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		x.ref = args[0]
		if len(args) < 2 {
			return usage(cmd, "port-forward needs at least one [LOCAL:]REMOTE")
		}
		for _, text := range args[1:] {
			f, err := parseForward(text)
			if err != nil {
				return usage(cmd, "%s", err.Error())
			}
			x.list = append(x.list, f)
		}
		return a.forward(cmd.Context(), x)
	}
	return cmd
}

// parseForward reads [LOCAL:]REMOTE.
func parseForward(text string) (forwarding, error) {
	var f forwarding
	local, remote, two := strings.Cut(text, ":")
	if !two {
		local, remote = "", text
	}
	if strings.HasPrefix(text, "/") {
		local, remote, two = "", text, true
	}
	if strings.HasPrefix(remote, "/") {
		f.remote = frame.Forward{Network: "unix", Address: remote}
	} else {
		port := remote
		f.remote = frame.Forward{Network: "tcp", Address: remote}
		if i := strings.LastIndexByte(remote, ':'); i >= 0 {
			port = remote[i+1:]
			host := remote[:i]
			if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); host != "localhost" && err != nil {
				return f, errors.New(text + ": " + host + " is no IP address: names are not looked up")
			} else if err == nil {
				f.remote.Address = net.JoinHostPort(ip.String(), port)
			}
		} else {
			f.remote.Address = "localhost:" + remote
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return f, errors.New(text + ": " + strconv.Quote(port) + " is no port")
		}
		f.local = uint16(n)
	}
	if !two {
		return f, nil
	}
	f.local = 0
	if local != "" {
		n, err := strconv.ParseUint(local, 10, 16)
		if err != nil {
			return f, errors.New(text + ": " + strconv.Quote(local) + " is no port")
		}
		f.local = uint16(n)
	}
	return f, nil
}

// forward listens until ctrl-C or the session's end.
func (a *app) forward(ctx context.Context, x forwards) error {
	c := a.client()
	info, err := c.Session(ctx, x.ref)
	if err != nil {
		return err
	}
	if info.Status.Final() {
		return errs.New(errs.Conflict, "session %s has ended", subject(info.Session))
	}
	// By its id from now on: another may get the name.
	x.ref = info.ID
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, address := range x.addresses {
		if ip, err := netip.ParseAddr(address); address != "localhost" && (err != nil || !ip.IsLoopback()) {
			a.warn("whoever reaches " + address + " reaches the session: there is no login")
		}
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			l.Close() //nolint:errcheck // it is over
		}
	}()
	for _, f := range x.list {
		opened, err := listenAll(ctx, x.addresses, f.local)
		listeners = append(listeners, opened...)
		if err != nil {
			return err
		}
		for _, l := range opened {
			a.note("forwarding %s -> %s", l.Addr(), f.remote.Address)
			serving.Go(func() { a.serveForward(ctx, c, x.ref, f.remote, l) })
		}
	}
	if x.open {
		a.openBrowser(ctx, browserAddress(listeners[0].Addr()))
	}
	ended, err := a.until(ctx, c, x.ref, finished)
	cancel()
	if err == nil {
		a.note("session %s has ended", subject(ended.Session))
		return nil
	}
	if errs.Is(err, errs.Canceled) {
		return nil // ctrl-C is how one stops it
	}
	return err
}

// listenAll listens on one port of each address; localhost means both of its own.
func listenAll(ctx context.Context, addresses []string, port uint16) ([]net.Listener, error) {
	var all []net.Listener
	var lc net.ListenConfig
	for _, address := range addresses {
		hosts := []string{address}
		if address == "localhost" {
			hosts = []string{"127.0.0.1", "::1"}
		}
		for i, host := range hosts {
			l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
			if err != nil && i > 0 {
				continue // no IPv6 here, or somebody else's: the first one is what was promised
			}
			if err != nil {
				return all, errs.New(errs.Conflict, "listen: %w", err).
					WithHint("another port of here: LOCAL:REMOTE, or :REMOTE for any that is free")
			}
			if tcp, ok := l.Addr().(*net.TCPAddr); ok {
				port = tcp.AddrPort().Port() // the same for all addresses
			}
			all = append(all, l)
		}
	}
	return all, nil
}

// serveForward leads each connection inside.
func (a *app) serveForward(ctx context.Context, c *client.Client, ref string, to frame.Forward, l net.Listener) {
	defer context.AfterFunc(ctx, func() { l.Close() })() //nolint:errcheck // it ends Accept
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		near, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			a.note("ctl: %s", err.Error())
			if pause(ctx, reconnectPause) != nil {
				return
			}
			continue
		}
		conns.Go(func() {
			defer near.Close() //nolint:errcheck // all was copied
			if err := a.lead(ctx, c, ref, to, near); err != nil {
				a.note("ctl: %s", sentence(err))
			}
		})
	}
}

// lead joins a connection of here with one of the session.
func (a *app) lead(ctx context.Context, c *client.Client, ref string, to frame.Forward, near net.Conn) error {
	half, ok := near.(client.HalfConn)
	if !ok {
		return errs.New(errs.Internal, "%T cannot end one direction", near)
	}
	far, err := a.reach(ctx, c, ref, to)
	if err != nil {
		return err
	}
	defer far.Close()                                                    //nolint:errcheck // all was copied
	defer context.AfterFunc(ctx, func() { near.Close(); far.Close() })() //nolint:errcheck // it ends the copies
	joinHalves(half, far)
	return nil
}

// reach connects inside; an agentd that is being restarted is waited for.
func (a *app) reach(ctx context.Context, c *client.Client, ref string, to frame.Forward) (client.HalfConn, error) {
	for tries := 0; ; tries++ {
		far, err := c.Forward(ctx, ref, to)
		// What is said inside names the forward: nobody listens there, and waiting does not help.
		if err == nil || !restarting(err) || strings.Contains(err.Error(), "forward:") || tries >= reconnectTries {
			return far, err
		}
		if err := pause(ctx, reconnectPause); err != nil {
			return nil, err
		}
	}
}

// joinHalves copies both ways until both have ended. The end of one is passed on; an error ends both.
func joinHalves(a, b client.HalfConn) {
	var both sync.WaitGroup
	pass := func(to, from client.HalfConn) {
		if _, err := io.Copy(to, from); err != nil || to.CloseWrite() != nil {
			to.Close()   //nolint:errcheck // broken
			from.Close() //nolint:errcheck // broken
		}
	}
	both.Go(func() { pass(a, b) })
	both.Go(func() { pass(b, a) })
	both.Wait()
}

// browserAddress is what a browser of here asks for; what listens on all addresses is reached by loopback.
func browserAddress(of net.Addr) string {
	at, err := netip.ParseAddrPort(of.String())
	if err != nil {
		return "http://" + of.String() + "/"
	}
	if at.Addr().IsUnspecified() {
		// An unspecified one is of both families here.
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return "http://" + at.String() + "/"
}

// openBrowser opens an address by xdg-open where there is a display, and prints it where nothing shows it.
func (a *app) openBrowser(ctx context.Context, address string) {
	display := a.Getenv("DISPLAY") != "" || a.Getenv("WAYLAND_DISPLAY") != ""
	if path, err := exec.LookPath("xdg-open"); display && err == nil {
		cmd := exec.CommandContext(context.WithoutCancel(ctx), path, address) //nolint:gosec // the desktop's own browser
		if cmd.Start() == nil {
			go cmd.Wait() //nolint:errcheck // how it ends is between it and the person
			return
		}
	}
	a.note("%s", address)
}
