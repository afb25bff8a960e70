package filecopy

import (
	"context"
	"net"
	"strconv"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

// Serve performs a copy that was asked for; it answers ok first. Exactly one of in and out is not nil. The path is the
// request's, made one of place by the caller.
func Serve(ctx context.Context, conn net.Conn, place Place, path string, in, out *frame.Copy) error {
	w := frame.NewWriter(conn)
	if in != nil {
		if err := w.WriteJSON(frame.TypeOK, struct{}{}); err != nil {
			return err //nolint:wrapcheck // there is nobody left to tell
		}
		_, err := Receive(ctx, conn, Options{Resume: in.Resume}, NewDisk(place, path, in.Contents))
		return told(err)
	}
	tree, err := NewTree(place, path, out.Contents)
	if err != nil {
		return err
	}
	if err := w.WriteJSON(frame.TypeOK, tree.About(ctx, out.Count)); err != nil {
		return err //nolint:wrapcheck // there is nobody left to tell
	}
	_, err = Send(ctx, conn, Options{Resume: out.Resume}, tree.Each)
	return told(err)
}

// told forgets an error: both ends of a copy tell the other side what they know.
func told(error) error { return nil }

// quoted is the name of an entry as a person may see it.
func quoted(e Entry) string {
	if len(e.Path) > 0 {
		return strconv.Quote(string(e.Path))
	}
	return strconv.Quote(string(e.Name))
}

// Begin asks for a copy on a connection to the session, and waits until it is ready.
func Begin(ctx context.Context, conn net.Conn, req frame.Request) (Source, error) {
	var s Source
	if err := frame.Do(ctx, conn, req, &s); err != nil {
		if errs.Is(err, errs.Unsupported) {
			return s, errs.New(errs.Unsupported, "%w", err).
				WithHint("this session was started by an older agentd: copy through ctl session exec, or start it anew")
		}
		return s, err //nolint:wrapcheck // it is the session's own word
	}
	return s, nil
}
