package helper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

const (
	// maxMessage is below the socket buffer that every kernel grants (212,992 bytes), of which a packet takes a part.
	maxMessage = 128 << 10
	// maxFiles is the number of descriptors in one message.
	maxFiles = 16
)

// message is one packet on the socket. From the parent: Hello once, then Op with Body. From the child: any number of
// Event, then one of Result and Error.
type message struct {
	Hello  *hello          `json:"hello,omitempty"`
	Op     string          `json:"op,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
	Event  json.RawMessage `json:"event,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *failure        `json:"error,omitempty"`
}

// hello is what a child is told before its first request.
type hello struct {
	Limits Limits `json:"limits"`
}

// failure is an *errs.Error on its way.
type failure struct {
	Code     errs.Code      `json:"code"`
	Message  string         `json:"message"`
	Hint     string         `json:"hint,omitempty"`
	Problems []errs.Problem `json:"problems,omitempty"`
}

func failureOf(err error) *failure {
	var e *errs.Error
	if !errors.As(err, &e) {
		return &failure{Code: errs.Internal, Message: err.Error()}
	}
	// The text of the whole chain: what was wrapped around the *errs.Error says where it happened. Its problems are
	// part of that text and are sent apart.
	bare := *e
	bare.Problems = nil
	text := err.Error()
	if errors.Is(err, e) && err.Error() == e.Error() {
		text = bare.Error()
	}
	return &failure{Code: e.Code, Message: text, Hint: e.Hint, Problems: e.Problems}
}

func (f *failure) error() *errs.Error {
	return &errs.Error{Code: f.Code, Message: f.Message, Hint: f.Hint, Problems: f.Problems}
}

// conn carries messages; sends may come from several goroutines, since a packet is written whole or not at all.
type conn struct {
	*net.UnixConn
	// buffer is for receive, which one goroutine at a time calls.
	buffer []byte
}

// newConn takes over f, one end of a socket pair of packets.
func newConn(f *os.File) (*conn, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("socket of the helper: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("socket of the helper: not a Unix socket"), c.Close())
	}
	return &conn{u, make([]byte, maxMessage)}, nil
}

func (c *conn) send(m message, files []*os.File) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("message of the helper: %w", err)
	}
	if len(data) > maxMessage {
		return errs.New(errs.TooLarge, "message of the helper: %d bytes, more than %d", len(data), maxMessage)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err = c.WriteMsgUnix(data, rights, nil); err != nil {
		return fmt.Errorf("message of the helper: %w", err)
	}
	return nil
}

// receive returns io.EOF when the other side is gone. The caller closes the files.
func (c *conn) receive() (message, []*os.File, error) {
	data, rights := c.buffer, make([]byte, unix.CmsgSpace(4*maxFiles))
	n, rn, flags, _, err := c.ReadMsgUnix(data, rights)
	switch {
	case errors.Is(err, unix.ECONNRESET), err == nil && n == 0:
		return message{}, nil, io.EOF
	case err != nil:
		return message{}, nil, fmt.Errorf("message of the helper: %w", err)
	}
	files, err := filesOf(rights[:rn])
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("message of the helper: cut short")
	}
	var m message
	if err == nil {
		err = decodeStrict(data[:n], &m)
	}
	if err != nil {
		closeAll(files)
		return message{}, nil, err
	}
	return m, files, nil
}

func filesOf(rights []byte) ([]*os.File, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	controls, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("descriptors of the helper: %w", err)
	}
	var files []*os.File
	for i := range controls {
		fds, err := unix.ParseUnixRights(&controls[i])
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("descriptors of the helper: %w", err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "from the helper"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close() //nolint:errcheck // descriptors that were only passed on: nothing was written through them
	}
}

func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}
