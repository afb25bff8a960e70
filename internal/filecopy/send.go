package filecopy

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

// Yield takes the next entry of a source; body is the content of a file, nil for all else.
type Yield func(e Entry, body io.Reader) error

// Send sends all that each yields, and waits until the other side has written it. What could not be read or written is
// in the end that it returns, of both sides together; the error is for what ended the copy.
func Send(ctx context.Context, conn net.Conn, o Options, each func(Yield) error) (End, error) {
	defer bound(ctx, conn)()
	s := &sender{
		Options: o, w: frame.NewWriter(conn), conn: conn, buf: make([]byte, frame.HeaderBytes+frame.MaxCopy),
		wants: make(chan int64), over: make(chan struct{}),
	}
	go s.listen(frame.NewReader(conn))
	err := each(s.put)
	if err == nil {
		err = s.w.WriteJSON(frame.TypeEnd, s.end.trimmed())
	}
	if err != nil {
		// What the other side has said about it is better than that it is gone; and it is to be told what we have.
		conn.SetReadDeadline(time.Now().Add(time.Second)) //nolint:errcheck // a closed connection ends listen at once
		if _, ours := errors.AsType[*errs.Error](err); ours {
			s.w.WriteJSON(frame.TypeError, frame.FailureOf(err)) //nolint:errcheck // it is over
		}
	}
	<-s.over
	if s.failure != nil && !errors.Is(s.failure, os.ErrDeadlineExceeded) {
		if _, said := errors.AsType[*errs.Error](s.failure); said || err == nil {
			err = s.failure
		}
	}
	if err != nil {
		return s.end, broken(ctx, err)
	}
	s.end.Files, s.end.Bytes = s.theirs.Files, s.theirs.Bytes
	for _, p := range s.theirs.Problems {
		s.end.add(p)
	}
	s.end.More += s.theirs.More
	s.end.Failed = s.end.Failed || s.theirs.Failed
	return s.end, nil
}

type sender struct {
	Options
	w    *frame.Writer
	conn net.Conn
	buf  []byte
	end  End
	// wants has what the other side asks for; over is closed when it says no more. Then theirs is its end, or failure why
	// there is none.
	wants   chan int64
	over    chan struct{}
	theirs  End
	failure error
}

// listen reads what the receiver says.
func (s *sender) listen(r *frame.Reader) {
	defer close(s.over)
	for {
		t, payload, err := r.Next()
		switch {
		case err != nil:
		case t == frame.TypeEnd:
			s.failure = json.Unmarshal(payload, &s.theirs)
			return
		case t == frame.TypeError:
			err = frame.FailureIn(payload)
		case t == frame.TypeWant && s.Resume && len(payload) == 8:
			select {
			case s.wants <- int64(binary.BigEndian.Uint64(payload)): //nolint:gosec // checked where it is used
				continue
			case <-time.After(time.Minute):
				err = outOfPlace(t)
			}
		default:
			err = outOfPlace(t)
		}
		if err != nil {
			s.failure = err
			s.conn.SetWriteDeadline(time.Unix(1, 0)) //nolint:errcheck // it ends put
			return
		}
	}
}

// put sends one entry.
func (s *sender) put(e Entry, body io.Reader) error {
	if e.Kind == Problem {
		s.end.add(e)
		return nil
	}
	s.end.Files++
	if err := s.w.WriteJSON(frame.TypeEntry, e); err != nil || e.Kind != File {
		return err
	}
	offset := int64(0)
	if s.Resume {
		select {
		case offset = <-s.wants:
		case <-s.over:
			return io.ErrUnexpectedEOF
		}
	}
	if offset < 0 {
		s.progress(e.Path, e.Size)
		return nil
	}
	s.progress(e.Path, offset)
	err := s.content(e, body, offset)
	if failed, ok := errors.AsType[readError](err); ok {
		p := problemOf(e.Path, failed.error)
		s.end.add(p)
		return s.w.WriteJSON(frame.TypeEntry, p)
	}
	if err != nil {
		return err
	}
	return s.w.Write(frame.TypeEOF, nil)
}

// readError is a failure of the file, not of the connection.
type readError struct{ error }

// content sends a file from an offset on, its holes as such.
func (s *sender) content(e Entry, body io.Reader, offset int64) error {
	f, ok := body.(*os.File)
	if ok && e.Size > 0 {
		for {
			data, err := f.Seek(offset, unix.SEEK_DATA)
			if errors.Is(err, unix.ENXIO) { // there is no data behind the offset
				return s.tail(e, f, offset)
			}
			if err != nil {
				break // a file system without holes
			}
			end, err := f.Seek(data, unix.SEEK_HOLE)
			if err == nil {
				_, err = f.Seek(data, io.SeekStart)
			}
			if err != nil {
				return readError{err}
			}
			if err := s.hole(e, data-offset); err != nil {
				return err
			}
			if offset, err = s.bytes(e, io.LimitReader(f, end-data), data); err != nil {
				return err
			}
			if offset < end { // it was cut meanwhile
				return nil
			}
		}
	}
	if ok && offset > 0 {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return readError{err}
		}
	}
	_, err := s.bytes(e, body, offset)
	return err
}

// tail sends the hole at the end of a file.
func (s *sender) tail(e Entry, f *os.File, offset int64) error {
	info, err := f.Stat()
	if err != nil {
		return readError{err}
	}
	return s.hole(e, info.Size()-offset)
}

func (s *sender) hole(e Entry, n int64) error {
	if n <= 0 {
		return nil
	}
	s.progress(e.Path, n)
	return s.w.Write(frame.TypeHole, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// bytes sends what r has, and returns the offset behind it. The file is read to where its frame begins, so that nothing
// is copied in memory.
func (s *sender) bytes(e Entry, r io.Reader, offset int64) (int64, error) {
	for {
		n, err := r.Read(s.buf[frame.HeaderBytes:])
		if n > 0 {
			frame.PutHeader(s.buf, frame.TypeData, n)
			if _, err := s.conn.Write(s.buf[:frame.HeaderBytes+n]); err != nil {
				return offset, err
			}
			offset += int64(n)
			s.end.Bytes += int64(n)
			s.progress(e.Path, int64(n))
		}
		if errors.Is(err, io.EOF) {
			return offset, nil
		}
		if err != nil {
			return offset, readError{err}
		}
	}
}
