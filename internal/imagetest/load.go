package imagetest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Load puts the image into the engine at host, a unix:// address, under ref, as `docker load` does: without any registry.
// It is removed when the test ends.
func Load(t testing.TB, host, ref string, img Image) {
	t.Helper()
	parsed, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	built := Build(t, img)
	r, w := io.Pipe()
	go func() { w.CloseWithError(tarball.Write(parsed, built, w)) }() //nolint:errcheck // a pipe's never fails
	request(t, host, http.MethodPost, "/images/load?quiet=1", "application/x-tar", r, http.StatusOK)
	t.Cleanup(func() { Remove(t, host, ref) })
}

// Tag gives an image of the engine at host one more name, which is taken off when the test ends.
func Tag(t testing.TB, host, ref, repository, tag string) {
	t.Helper()
	query := url.Values{"repo": {repository}, "tag": {tag}}
	request(t, host, http.MethodPost, "/images/"+ref+"/tag?"+query.Encode(), "", nil, http.StatusCreated)
	t.Cleanup(func() { Remove(t, host, repository+":"+tag) })
}

// Remove takes the name off the engine's image; there need not be one.
func Remove(t testing.TB, host, ref string) {
	t.Helper()
	request(t, host, http.MethodDelete, "/images/"+ref+"?force=1", "", nil, http.StatusOK, http.StatusNotFound)
}

// Names lists the names of all images of the engine.
func Names(t testing.TB, host string) []string {
	t.Helper()
	var images []struct{ RepoTags []string }
	text := request(t, host, http.MethodGet, "/images/json", "", nil, http.StatusOK)
	if err := json.Unmarshal(text, &images); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, img := range images {
		names = append(names, img.RepoTags...)
	}
	return names
}

// request asks the engine, and fails the test unless the answer has one of the statuses; it returns the answer.
func request(t testing.TB, host, method, path, kind string, body io.Reader, statuses ...int) []byte {
	t.Helper()
	u, err := url.Parse(host)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, u.Scheme, u.Host+u.Path)
		},
	}}
	// Not the test's context: it has ended when the cleanup runs.
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, "http://engine"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read to its end
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(statuses, resp.StatusCode) {
		t.Fatalf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text
}
