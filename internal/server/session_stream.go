package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
)

// form is how a stream is written.
type form struct {
	mediaType string
	of        reflect.Type
	about     string
}

//nolint:gochecknoglobals // constants in all but the language
var (
	eventStream = form{"text/event-stream", reflect.TypeFor[api.Event](),
		"server-sent events: id is the sequence, event the kind, data an Event as JSON"}
	lineStream = form{"application/x-ndjson", reflect.TypeFor[api.LogLine](), "a LogLine as JSON on each line"}
)

// opener answers a request up to the first byte: what fails here is a problem with its status. What it returns then
// writes the stream, until it has no more to say or ctx ends: with the client, or with the server.
type opener[I any] func(ctx context.Context, caller identity.Caller, in *I) (
	func(ctx context.Context, out *sink) error, error)

// stream registers a route whose answer has no foreseeable end.
func stream[I any](s *Server, a huma.API, r route, f form, open opener[I]) {
	op := r.operation()
	op.Responses = map[string]*huma.Response{"200": {
		Description: f.about,
		Content: map[string]*huma.MediaType{
			f.mediaType: {Schema: a.OpenAPI().Components.Schemas.Schema(f.of, true, f.of.Name())},
		},
	}}
	huma.Register(a, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		caller, ok := identity.From(ctx)
		if !ok {
			return nil, failure{errs.New(errs.Forbidden, "who calls is not known")}
		}
		write, err := open(ctx, caller, in)
		if err != nil {
			return nil, failure{classify(ctx, err)}
		}
		//nolint:contextcheck // c has the request's
		return &huma.StreamResponse{Body: func(c huma.Context) { s.pour(c, f, write) }}, nil
	})
}

// pour writes a stream. Each part is on its way at once; a client that does not read holds up nothing but its own
// request, so there is no deadline until the server stops.
func (s *Server) pour(c huma.Context, f form, write func(ctx context.Context, out *sink) error) {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	out := &sink{w: c.BodyWriter()}
	w, ok := out.w.(http.ResponseWriter)
	if !ok {
		s.log.ErrorContext(ctx, "a stream has no connection to write to")
		return
	}
	out.rc = http.NewResponseController(w)
	out.rc.SetWriteDeadline(time.Time{}) //nolint:errcheck // a test without a connection has no deadline either
	defer context.AfterFunc(s.life, func() {
		// What is being said may still arrive.
		out.rc.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // fails for a closed connection only
		cancel()
	})()
	c.SetHeader("Content-Type", f.mediaType)
	c.SetHeader("Cache-Control", "no-store")
	c.SetStatus(http.StatusOK)
	if err := out.rc.Flush(); err != nil {
		return
	}
	err := write(ctx, out)
	if err == nil || ctx.Err() != nil || out.broken {
		return
	}
	p := s.problem(ctx, classify(ctx, err))
	if f.of == reflect.TypeFor[api.LogLine]() {
		err = out.line(api.LogLine{Time: time.Now().UTC(), Problem: &p})
	} else {
		err = out.event(api.Event{Time: time.Now().UTC(), Kind: api.EventError, Message: p.Detail, Problem: &p})
	}
	if err != nil {
		s.log.DebugContext(ctx, "the end of a stream did not reach its client", "error", err)
	}
}

// sink is the client's end of a stream.
type sink struct {
	w  io.Writer
	rc *http.ResponseController
	// broken is true once the client could not be written to.
	broken bool
}

// event sends one server-sent event.
func (o *sink) event(e api.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	text := "event: " + e.Kind + "\ndata: " + string(data) + "\n\n"
	if e.Sequence > 0 {
		text = "id: " + strconv.FormatInt(e.Sequence, 10) + "\n" + text
	}
	return o.send([]byte(text))
}

// line sends one line of JSON.
func (o *sink) line(l api.LogLine) error {
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode a line: %w", err)
	}
	return o.send(append(data, '\n'))
}

func (o *sink) send(data []byte) error {
	_, err := o.w.Write(data)
	if err == nil {
		err = o.rc.Flush()
	}
	o.broken = err != nil
	return err //nolint:wrapcheck // nobody is left to read it
}
