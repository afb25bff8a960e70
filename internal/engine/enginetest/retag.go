package enginetest

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"context"
)

// retag moves a tag, as somebody else does with docker tag.
func retag(t testing.TB, host, id, ref string) {
	t.Helper()
	socket := strings.TrimPrefix(host, "unix://")
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	i := strings.LastIndexByte(ref, ':')
	query := url.Values{"repo": {ref[:i]}, "tag": {ref[i+1:]}}
	address := "http://engine/v" + apiVersion + "/images/" + id + "/tag?" + query.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("tag %s as %s: %s %v", id, ref, resp.Status, err)
	}
}
