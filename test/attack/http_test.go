package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"agentd/internal/api"
)

// dial connects as a user: the kernel notes the ids of the thread that connects.
func (w *world) dial(u user) (conn net.Conn, err error) {
	as(u, func() { conn, err = net.Dial("unix", w.socket()) })
	return conn, err
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

// ask sends one request as a user, without ctl; headers are name, value, name, value.
func (w *world) ask(u user, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		must(w.t, err)
		in = bytes.NewReader(text)
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return w.dial(u) },
	}}
	req, err := http.NewRequestWithContext(w.t.Context(), method, "http://agentd"+path, in)
	must(w.t, err)
	req.Header.Set(api.RequestIDHeader, "attack") // else each answer would have another
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		if _, text := body.(string); text {
			req.Header.Set("Content-Type", "application/yaml")
		}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	resp, err := client.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return answer{status: resp.StatusCode}
	}
	text, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return answer{resp.StatusCode, string(text), resp.Header}
}

// sameAs compares two answers that must not be told apart, but for the reference that was asked for.
func sameAs(t *testing.T, what string, a answer, ref string, b answer, other string) {
	t.Helper()
	if len(ref) != len(other) {
		t.Fatalf("%s: %q and %q differ in length: nothing could be compared", what, ref, other)
	}
	if a.status != b.status || strings.ReplaceAll(a.body, ref, "REF") != strings.ReplaceAll(b.body, other, "REF") {
		t.Errorf("%s: somebody else's gives\n%d %s\nand what is not there\n%d %s", what, a.status, a.body, b.status, b.body)
	}
	for name := range a.header {
		if name == "X-Request-Id" || name == "Date" {
			continue
		}
		if a.header.Get(name) != b.header.Get(name) || len(a.header) != len(b.header) {
			t.Errorf("%s: the headers tell them apart: %v and %v", what, a.header, b.header)
			return
		}
	}
}
