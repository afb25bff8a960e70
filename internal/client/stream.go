package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"agentd/internal/api"
	"agentd/internal/errs"
)

// maxStreamLine bounds a line of a stream, in bytes: what listens on the socket need not be agentd.
const maxStreamLine = 1 << 20

// openStream sends r and returns the lines of the answer once its header is here; they are still to come.
func (c *Client) openStream(ctx context.Context, r request) (lines, error) {
	req, err := c.prepare(ctx, r)
	if err != nil {
		return lines{}, err
	}
	resp, err := c.http.Do(req) //nolint:bodyclose // who reads the lines closes them
	if err != nil {
		return lines{}, transportError(ctx, req, err)
	}
	c.compareVersions(resp.Header.Get(api.VersionHeader))
	if resp.StatusCode/100 == 2 {
		return lines{ctx: ctx, resp: resp, r: bufio.NewReaderSize(resp.Body, 64<<10)}, nil
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is written to it
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStreamLine))
	if err != nil {
		return lines{}, transportError(ctx, req, err)
	}
	return lines{}, problem(req, resp, body)
}

// lines reads the lines of an answer's body.
type lines struct {
	ctx  context.Context //nolint:containedctx // the request's, to tell an interruption from a failure
	resp *http.Response
	r    *bufio.Reader
}

// next returns a line without its end, and io.EOF after the last one. The line is valid until the next call.
func (l *lines) next() ([]byte, error) {
	var whole []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if len(whole)+len(part) > maxStreamLine {
			return nil, errs.New(errs.TooLarge, "%s: a line of the stream has over %d bytes",
				l.resp.Request.URL.Path, maxStreamLine)
		}
		switch {
		case err == nil && whole == nil:
			return bytes.TrimSuffix(part, []byte{'\n'}), nil
		case err == nil:
			return bytes.TrimSuffix(append(whole, part...), []byte{'\n'}), nil
		case errors.Is(err, bufio.ErrBufferFull):
			whole = append(whole, part...)
		case errors.Is(err, io.EOF) && len(whole)+len(part) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, transportError(l.ctx, l.resp.Request, io.ErrUnexpectedEOF)
		default:
			return nil, transportError(l.ctx, l.resp.Request, err)
		}
	}
}

func (l *lines) close() { l.resp.Body.Close() } //nolint:errcheck // nothing is written to it

// notOurs is the error for a stream that agentd would not send.
func (l *lines) notOurs(err error) error {
	return errs.New(errs.Unavailable, "%s: the stream is not agentd's: %w", l.resp.Request.URL.Path, err)
}

// EventStream is the events of one request, in order. It is for one goroutine.
type EventStream struct{ lines lines }

// Close ends the stream.
func (s *EventStream) Close() { s.lines.close() }

// Next waits for the next event. After the last one the error is io.EOF; a stream that could not go on ends with the
// error that agentd raised.
func (s *EventStream) Next() (api.Event, error) {
	var data []byte
	for {
		line, err := s.lines.next()
		if err != nil {
			return api.Event{}, err
		}
		field, value, _ := strings.Cut(string(line), ":")
		switch {
		case len(line) == 0 && data != nil:
			return s.decode(data)
		case field == "data":
			data = append(data, strings.TrimPrefix(value, " ")...)
			if len(data) > maxStreamLine {
				return api.Event{}, errs.New(errs.TooLarge, "an event has over %d bytes", maxStreamLine)
			}
		}
	}
}

func (s *EventStream) decode(data []byte) (api.Event, error) {
	var e api.Event
	if err := json.Unmarshal(data, &e); err != nil {
		return e, s.lines.notOurs(err)
	}
	if e.Kind == api.EventError && e.Problem != nil {
		return e, raised(*e.Problem)
	}
	return e, nil
}

// LogStream is the lines of a session's output, in order. It is for one goroutine.
type LogStream struct{ lines lines }

// Close ends the stream.
func (s *LogStream) Close() { s.lines.close() }

// Next waits for the next line. After the last one the error is io.EOF.
func (s *LogStream) Next() (api.LogLine, error) {
	var l api.LogLine
	text, err := s.lines.next()
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, s.lines.notOurs(err)
	}
	if l.Problem != nil {
		return l, raised(*l.Problem)
	}
	return l, nil
}
