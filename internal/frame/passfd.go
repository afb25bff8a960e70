package frame

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// Adopt hands the stream of another connection, fd, over to agentd-init, which performs req on it as if it had been sent
// there: agentd is then out of the path. conn's hello was read; afterwards both can be closed here. Nothing that the
// client has sent may have been read yet.
func Adopt(ctx context.Context, conn *net.UnixConn, req Request, fd int) error {
	payload, err := json.Marshal(req)
	if err != nil {
		return errs.New(errs.Invalid, "request %s: %w", req.Op, err)
	}
	return Hand(ctx, conn, payload, fd)
}

// Hand is [Adopt] with a request as the client has sent it: what only he and agentd-init understand is kept. Of the
// client's bytes the frame of that request was read, and nothing more.
func Hand(ctx context.Context, conn *net.UnixConn, req json.RawMessage, fd int) error {
	defer bound(ctx, conn)()
	payload, err := json.Marshal(struct {
		Op    string          `json:"op"`
		Adopt json.RawMessage `json:"adopt"`
	}{OpAdopt, req})
	switch {
	case err != nil:
		return errs.New(errs.Invalid, "request: %w", err)
	case len(payload) > MaxRequest:
		return errs.New(errs.TooLarge, "the request has %d bytes, the limit is %d", len(payload), MaxRequest)
	}
	if err := NewWriter(conn).Write(TypeRequest, payload); err != nil {
		return causeOf(ctx, brokenOff(OpAdopt, err))
	}
	if err := Answer(conn, nil); err != nil { // it is ready to receive a descriptor
		return causeOf(ctx, err)
	}
	if err := sendFD(conn, fd); err != nil {
		return causeOf(ctx, errs.New(errs.Unavailable, "session's init: hand over: %w", err))
	}
	return causeOf(ctx, Answer(conn, nil))
}

// ReadRequest reads the request that a client begins with, as it is, and its operation. The error is of code invalid for
// anything else.
func ReadRequest(conn io.Reader) (op string, req json.RawMessage, err error) {
	t, payload, err := NewReader(conn).Next()
	if err != nil {
		return "", nil, errs.New(errs.Invalid, "no request came: %w", err)
	}
	var head struct {
		Op string `json:"op"`
	}
	if t != TypeRequest || json.Unmarshal(payload, &head) != nil {
		return "", nil, errs.New(errs.Invalid, "frame of type %d is no request", t)
	}
	return head.Op, payload, nil
}

// ErrNoDescriptor is the cause of the error of [ReceiveFD] when the message came without exactly one.
var ErrNoDescriptor = errors.New("no descriptor came with it")

// sendFD sends one byte with one descriptor.
func sendFD(conn *net.UnixConn, fd int) error {
	_, _, err := conn.WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil)
	return err
}

// ReceiveFD receives what [Adopt] sends after the first answer.
func ReceiveFD(conn *net.UnixConn) (*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(4)) // room for one: the kernel closes what does not fit
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return nil, fmt.Errorf("receive a descriptor: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil, ErrNoDescriptor
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		for _, fd := range fds {
			unix.Close(fd) //nolint:errcheck // not wanted
		}
		return nil, ErrNoDescriptor
	}
	unix.CloseOnExec(fds[0]) // the runtime asks for MSG_CMSG_CLOEXEC too; this does not depend on it
	return os.NewFile(uintptr(fds[0]), "adopted"), nil
}
