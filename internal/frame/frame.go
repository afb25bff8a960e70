// Package frame is the one stream format between ctl, agentd and agentd-init: frames on a connection that serves one
// operation.
//
// A connection goes like this, with agentd-init on the right; sizes are those of this version:
//
//	          ◀── hello      who I am; the first frame of every connection that was dialed
//	request   ──▶            one operation, JSON, at most MaxRequest bytes
//	          ◀── ok         ping, start, signal, stats, forward: done, with the answer; the rest of a forward is raw bytes
//	          ◀── started    exec, attach: it runs; from here on both sides send
//	stdin     ──▶            at most the credit: StdinWindow bytes, and what window frames have given back
//	eof       ──▶            end of stdin
//	resize    ──▶
//	signal    ──▶            a name such as TERM, for the process group
//	          ◀── window     so many bytes of stdin have gone into the process
//	          ◀── stdout
//	          ◀── stderr     never with a pseudo-terminal
//	          ◀── exit       the last frame: all output came before it
//	          ◀── error      the last frame, in the place of ok, started or exit
//
// After the ok of a copy the frames entry, data, hole, eof, want and end go as package filecopy says.
//
// One operation a connection is what keeps streams apart: a slow reader is held up by the socket alone, and holds up
// nobody else. Only stdin has a window, so that the frames behind it (signal, resize, the end of the connection) are
// seen even if the process reads nothing.
//
// A header has eight bytes: magic, version, type, zero, and the payload's length, big-endian.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Parts of a header.
const (
	// Magic begins every frame.
	Magic byte = 0xAD
	// Version is the version of this format; a sender of another one is refused.
	Version byte = 1
	// HeaderBytes is the size of a header.
	HeaderBytes = 8
)

// Limits of payloads, in bytes; a longer frame ends the connection before its payload is read.
const (
	// MaxData bounds stdin, stdout and stderr frames.
	MaxData = 64 << 10
	// MaxControl bounds all others but requests.
	MaxControl = 64 << 10
	// MaxRequest bounds a request: a job with its environment and scripts has to fit.
	MaxRequest = 2 << 20
	// MaxCopy bounds the data frames of a copy.
	MaxCopy = 256 << 10
	// StdinWindow is how much of stdin may be on its way to a process that reads nothing.
	StdinWindow = 256 << 10
)

// Type says what a frame's payload is.
type Type byte

// The types. Their numbers never change.
const (
	TypeHello   Type = 1  // Hello, JSON
	TypeRequest Type = 2  // Request, JSON
	TypeStdin   Type = 3  // bytes
	TypeStdout  Type = 4  // bytes
	TypeStderr  Type = 5  // bytes
	TypeResize  Type = 6  // rows and columns, two bytes each
	TypeSignal  Type = 7  // name of a signal without SIG
	TypeExit    Type = 8  // Exit, JSON
	TypeError   Type = 9  // Failure, JSON
	TypeEOF     Type = 10 // empty
	TypeOK      Type = 11 // JSON by the operation, or empty
	TypeStarted Type = 12 // Started, JSON
	TypeWindow  Type = 13 // bytes of credit, four bytes
	TypeEntry   Type = 14 // of a copy: the next file, JSON
	TypeData    Type = 15 // of a copy: bytes of the file
	TypeHole    Type = 16 // of a copy: so many bytes of nothing, eight bytes
	TypeWant    Type = 17 // of a copy: the offset to begin at, eight bytes
	TypeEnd     Type = 18 // of a copy: the last frame of each side, JSON
)

// ErrFormat is the cause of every error about bytes that are no frame of this version.
var ErrFormat = errors.New("not a frame of this version")

// limit returns the largest payload of a type, and false for a type that is not known.
func (t Type) limit() (int, bool) {
	switch t {
	case TypeStdin, TypeStdout, TypeStderr:
		return MaxData, true
	case TypeRequest:
		return MaxRequest, true
	case TypeEOF:
		return 0, true
	case TypeData:
		return MaxCopy, true
	case TypeResize, TypeWindow:
		return 4, true
	case TypeHole, TypeWant:
		return 8, true
	case TypeHello, TypeSignal, TypeExit, TypeError, TypeOK, TypeStarted, TypeEntry, TypeEnd:
		return MaxControl, true
	}
	return 0, false
}

// Reader reads frames. It reads no byte beyond the frame that it returns, so that the connection can be handed on.
type Reader struct {
	r   io.Reader
	buf []byte
}

// NewReader returns a reader of frames from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next returns the next frame; the payload is valid until the next call. The error is io.EOF if the stream ended
// between two frames, io.ErrUnexpectedEOF within one, and has the cause [ErrFormat] for anything that is no frame.
func (r *Reader) Next() (Type, []byte, error) {
	var head [HeaderBytes]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return 0, nil, err
	}
	t, size, err := parseHeader(head)
	if err != nil {
		return 0, nil, err
	}
	if size > cap(r.buf) {
		r.buf = make([]byte, max(size, 4<<10))
	}
	payload := r.buf[:size]
	if _, err := io.ReadFull(r.r, payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return t, payload, nil
}

func parseHeader(head [HeaderBytes]byte) (Type, int, error) {
	if head[0] != Magic {
		return 0, 0, fmt.Errorf("frame begins with 0x%02x: %w", head[0], ErrFormat)
	}
	if head[1] != Version {
		return 0, 0, fmt.Errorf("frame of version %d, want %d: %w", head[1], Version, ErrFormat)
	}
	t, size := Type(head[2]), binary.BigEndian.Uint32(head[4:])
	most, known := t.limit()
	if !known || head[3] != 0 {
		return 0, 0, fmt.Errorf("frame of type %d with flags 0x%02x: %w", t, head[3], ErrFormat)
	}
	if size > uint32(most) { //nolint:gosec // a limit is at most MaxRequest
		return 0, 0, fmt.Errorf("frame of type %d with %d bytes, over the limit of %d: %w", t, size, most, ErrFormat)
	}
	return t, int(size), nil
}

// Writer writes frames, each with one call of the underlying writer; several goroutines may use it.
type Writer struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

// NewWriter returns a writer of frames to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write sends one frame. A payload over its type's limit is an error, and nothing is sent.
func (w *Writer) Write(t Type, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	buf, err := Append(w.buf[:0], t, payload)
	if err != nil {
		return err
	}
	w.buf = buf
	_, err = w.w.Write(buf)
	return err
}

// Append appends one frame to dst. A payload over its type's limit is an error.
func Append(dst []byte, t Type, payload []byte) ([]byte, error) {
	if most, known := t.limit(); !known || len(payload) > most {
		return dst, fmt.Errorf("frame of type %d with %d bytes, over the limit of %d: %w", t, len(payload), most, ErrFormat)
	}
	dst = append(dst, Magic, Version, byte(t), 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload))) //nolint:gosec // just checked
	return append(dst, payload...), nil
}

// PutHeader writes the header of a frame with n bytes of payload, which is within its type's limit, to the begin of buf.
func PutHeader(buf []byte, t Type, n int) {
	buf[0], buf[1], buf[2], buf[3] = Magic, Version, byte(t), 0
	binary.BigEndian.PutUint32(buf[4:HeaderBytes], uint32(n)) //nolint:gosec // within a limit
}
