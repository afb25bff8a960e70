package unixsock

import (
	"context"
	"log/slog"
	"net"

	"agentd/internal/identity"
)

// ConnContext is for http.Server.ConnContext: it puts the peer of each connection into the context of all its requests.
// admin decides [identity.Caller.Admin]. A connection without credentials gets no caller, and is refused by the server.
func ConnContext(admin func(identity.Caller) bool, log *slog.Logger) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, conn net.Conn) context.Context {
		caller, err := Credentials(conn)
		if err != nil {
			log.WarnContext(ctx, "a connection has no peer credentials; its requests are refused", "error", err)
			return ctx
		}
		caller.Admin = admin(caller)
		return identity.With(ctx, caller)
	}
}
