package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/plan"
)

func TestSessions_SayWhatIsAsked(t *testing.T) {
	t.Parallel()
	tail, after, uid := 3, int64(7), uint32(9)
	for name, tc := range map[string]struct {
		call func(ctx context.Context, c *Client) error
		want string
	}{
		"plan": {func(ctx context.Context, c *Client) error {
			_, err := c.Plan(ctx, api.LaunchRequest{Template: "t", Overrides: plan.Overrides{Name: "n"}})
			return err
		}, `POST /v1/sessions/-/plan {"template":"t","overrides":{"name":"n"}}`},
		"list": {func(ctx context.Context, c *Client) error {
			_, err := c.Sessions(ctx, api.SessionQuery{Owner: &uid, Ended: true, AllUsers: true})
			return err
		}, `GET /v1/sessions?all_users=true&ended=true&limit=500&owner=9 `},
		"get": {func(ctx context.Context, c *Client) error {
			_, err := c.Session(ctx, "a/b")
			return err
		}, `GET /v1/sessions/a%2Fb `},
		"history": {func(ctx context.Context, c *Client) error {
			_, err := c.SessionHistory(ctx, "s")
			return err
		}, `GET /v1/sessions/s/history `},
		"terminate": {func(ctx context.Context, c *Client) error {
			_, err := c.Terminate(ctx, "s", true)
			return err
		}, `POST /v1/sessions/s/terminate {"force":true}`},
		"remove": {func(ctx context.Context, c *Client) error {
			_, err := c.RemoveSession(ctx, "s")
			return err
		}, `DELETE /v1/sessions/s `},
		"logs": {func(ctx context.Context, c *Client) error {
			s, err := c.Logs(ctx, "s", api.LogQuery{Follow: true, Tail: &tail, Since: "10m", Step: "startup"})
			s.Close()
			return err
		}, `GET /v1/sessions/s/logs?follow=true&since=10m&step=startup&tail=3 `},
		"events": {func(ctx context.Context, c *Client) error {
			s, err := c.Events(ctx, api.EventQuery{Session: "s", After: &after, Follow: true})
			s.Close()
			return err
		}, `GET /v1/sessions/s/events?after=7&follow=true `},
		"all events": {func(ctx context.Context, c *Client) error {
			s, err := c.Events(ctx, api.EventQuery{AllUsers: true})
			s.Close()
			return err
		}, `GET /v1/events?after=-1&all_users=true `},
		"create vfolder": {func(ctx context.Context, c *Client) error {
			_, err := c.CreateVFolder(ctx, api.VFolderRequest{Name: "n", Path: "/p"})
			return err
		}, `POST /v1/vfolders {"name":"n","path":"/p"}`},
		"vfolders": {func(ctx context.Context, c *Client) error {
			_, err := c.VFolders(ctx)
			return err
		}, `GET /v1/vfolders `},
		"vfolder": {func(ctx context.Context, c *Client) error {
			_, err := c.VFolder(ctx, "a b")
			return err
		}, `GET /v1/vfolders/a%20b `},
		"remove vfolder": {func(ctx context.Context, c *Client) error {
			_, err := c.RemoveVFolder(ctx, "n")
			return err
		}, `DELETE /v1/vfolders/n `},
		"system": {func(ctx context.Context, c *Client) error {
			_, err := c.SystemInfo(ctx)
			return err
		}, `GET /v1/system/info `},
		"doctor": {func(ctx context.Context, c *Client) error {
			_, err := c.Doctor(ctx)
			return err
		}, `GET /v1/system/doctor `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got string
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = r.Method + " " + r.RequestURI + " " + string(body)
				reply(t, w, "application/json", 200, map[string]any{})
			}, Options{})
			if err := tc.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestSessions_DotsAreNoName(t *testing.T) {
	t.Parallel()
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a path that HTTP would clean was sent") }, Options{})
	if _, err := c.Session(t.Context(), ".."); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "no session") {
		t.Error(err)
	}
	if _, err := c.VFolder(t.Context(), "."); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "no vfolder") {
		t.Error(err)
	}
}

// events reads a stream to its end.
func events(t *testing.T, s *EventStream) (got []string, end error) {
	t.Helper()
	defer s.Close()
	for {
		e, err := s.Next()
		if err != nil {
			return got, err
		}
		got = append(got, fmt.Sprint(e.Sequence, " ", e.Kind, " ", e.Message))
	}
}

func TestLaunch_EventsInPiecesOfAnySize(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200<<10)
	text := ": a comment\n\nid: 3\nevent: note\ndata: {\"sequence\":3,\"kind\":\"note\",\"message\":\"a\"}\n\n" +
		"event: note\ndata: {\"sequence\":4,\ndata:\"kind\":\"note\",\"message\":\"" + long + "\"}\n\n"
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get(api.IdempotencyHeader); key != "k" {
			t.Errorf("key %q", key)
		}
		for piece := range slices.Chunk([]byte(text), 1000) {
			w.Write(piece)
			http.NewResponseController(w).Flush()
		}
	}, Options{})
	stream, err := c.Launch(t.Context(), api.LaunchRequest{Template: "t"}, "k")
	if err != nil {
		t.Fatal(err)
	}
	got, end := events(t, stream)
	if want := []string{"3 note a", "4 note " + long}; !slices.Equal(got, want) || !errors.Is(end, io.EOF) {
		t.Errorf("got %.200q and %v", got, end)
	}
}

func TestStreams_EndAsTheyShould(t *testing.T) {
	t.Parallel()
	problem, err := json.Marshal(api.Event{Kind: api.EventError, Problem: &api.Problem{Code: errs.Damaged, Detail: "broken"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		write func(w io.Writer)
		code  errs.Code
	}{
		"a problem":   {func(w io.Writer) { fmt.Fprintf(w, "data: %s\n\n", problem) }, errs.Damaged},
		"not JSON":    {func(w io.Writer) { io.WriteString(w, "data: <html>\n\n") }, errs.Unavailable},
		"broken off":  {func(io.Writer) { panic(http.ErrAbortHandler) }, errs.Unavailable},
		"half a line": {func(w io.Writer) { io.WriteString(w, "data: {") }, errs.Unavailable},
		"without end": {func(w io.Writer) {
			for range 3 {
				w.Write(make([]byte, 1<<20))
			}
		}, errs.TooLarge},
		"data without end": {func(w io.Writer) {
			for range 3 {
				fmt.Fprintf(w, "data: %s\n", strings.Repeat("x", 900<<10))
			}
		}, errs.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				http.NewResponseController(w).Flush()
				tc.write(w)
			}, Options{})
			stream, err := c.Events(t.Context(), api.EventQuery{})
			if err != nil {
				t.Fatal(err)
			}
			if _, end := events(t, stream); !errs.Is(end, tc.code) {
				t.Errorf("got %v, want code %s", end, tc.code)
			}
		})
	}
}

func TestStreams_AProblemBeforeTheStream(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		reply(t, w, api.ProblemType, 404, api.Problem{Code: errs.NotFound, Detail: "no template", Hint: "h"})
	}, Options{})
	_, err := c.Launch(t.Context(), api.LaunchRequest{}, "")
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Code != errs.NotFound || e.Hint != "h" {
		t.Errorf("got %v", err)
	}
	if _, err := c.Exec(t.Context(), "x", frame.Exec{}); !errs.Is(err, errs.NotFound) {
		t.Errorf("exec: got %v", err)
	}
}

func TestStreams_CancelEndsAWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	}, Options{})
	stream, err := c.Logs(ctx, "s", api.LogQuery{Follow: true})
	if err == nil {
		_, err = stream.Next()
	}
	if !errs.Is(err, errs.Canceled) {
		t.Errorf("got %v, want code canceled", err)
	}
}

func TestLogs_LinesAndTheirEnd(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"text":"a","stream":"stdout"}`+"\n"+`{"text":"?","raw":"/w=="}`+"\n"+
			`{"problem":{"code":"damaged","detail":"d"}}`+"\n")
	}, Options{})
	stream, err := c.Logs(t.Context(), "s", api.LogQuery{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	first, err1 := stream.Next()
	second, err2 := stream.Next()
	_, err3 := stream.Next()
	if first.Text != "a" || string(second.Raw) != "\xff" || err1 != nil || err2 != nil || !errs.Is(err3, errs.Damaged) {
		t.Errorf("%+v %+v %v %v %v", first, second, err1, err2, err3)
	}
}

// initAnswer plays agentd and agentd-init: it upgrades, reads the request and answers with frames.
func initAnswer(t *testing.T, frames func(w *frame.Writer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != api.FrameProtocol || r.Method != http.MethodPost {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		// The answer and the first frame in one piece: the client must lose none of it.
		out := bufio.NewWriter(conn)
		fmt.Fprintf(out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", api.FrameProtocol)
		fw := frame.NewWriter(out)
		fw.WriteJSON(frame.TypeStarted, frame.Started{PID: 5})
		out.Flush()
		kind, payload, err := frame.NewReader(buffered).Next()
		if err != nil || kind != frame.TypeRequest || !strings.Contains(string(payload), `"argv":["true"]`) {
			t.Errorf("request: %d %s %v", kind, payload, err)
		}
		frames(fw)
		out.Flush()
	}
}

func TestExec_TalksToInit(t *testing.T) {
	t.Parallel()
	c := serve(t, initAnswer(t, func(w *frame.Writer) {
		w.Write(frame.TypeStdout, []byte("out"))
		w.WriteJSON(frame.TypeExit, frame.Exit{Code: 3})
	}), Options{})
	conn, err := c.Exec(t.Context(), "s", frame.Exec{Argv: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var out strings.Builder
	exit, err := frame.Stream(t.Context(), conn, frame.Streams{Stdout: &out})
	if err != nil || exit.Code != 3 || out.String() != "out" {
		t.Errorf("%+v %q %v", exit, out.String(), err)
	}
}

func TestExec_SomethingElseIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"no upgrade":       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"not HTTP":         "SSH-2.0-x\r\n",
		"nothing":          "",
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, answer)
			conn.Close()
		}, Options{})
		if _, err := c.Exec(t.Context(), "s", frame.Exec{Argv: []string{"true"}}); !errs.Is(err, errs.Unavailable) {
			t.Errorf("%s: got %v, want code unavailable", name, err)
		}
	}
}
