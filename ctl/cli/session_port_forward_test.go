package cli

import (
	"net"
	"net/netip"
	"testing"

	"agentd/internal/frame"
)

// TestParseForward_Forms reads every form that the help names.
func TestParseForward_Forms(t *testing.T) {
	tcp := func(local uint16, address string) forwarding {
		return forwarding{local, frame.Forward{Network: "tcp", Address: address}}
	}
	for text, want := range map[string]forwarding{
		"8888":            tcp(8888, "localhost:8888"),
		"8080:80":         tcp(8080, "localhost:80"),
		":6006":           tcp(0, "localhost:6006"),
		"1:127.0.0.2:90":  tcp(1, "127.0.0.2:90"),
		":[::1]:90":       tcp(0, "[::1]:90"),
		":localhost:90":   tcp(0, "localhost:90"),
		"5432:/run/pg/.s": {5432, frame.Forward{Network: "unix", Address: "/run/pg/.s"}},
		"/run/a:b":        {0, frame.Forward{Network: "unix", Address: "/run/a:b"}},
		"65535:65535":     tcp(65535, "localhost:65535"),
	} {
		if got, err := parseForward(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":", "0", "65536", "a", "1:", "a:1", "-1:1", "1:example.com:80", "70000:1", "+1", "1:[::1]"} {
		if got, err := parseForward(text); err == nil {
			t.Errorf("%q is taken as %+v", text, got)
		}
	}
}

// TestBrowserAddress_Reached says what a browser of here can reach.
func TestBrowserAddress_Reached(t *testing.T) {
	for at, want := range map[string]string{
		"127.0.0.1:80": "http://127.0.0.1:80/", "0.0.0.0:80": "http://127.0.0.1:80/",
		"[::]:80": "http://127.0.0.1:80/", "[::1]:80": "http://[::1]:80/", "192.168.1.5:80": "http://192.168.1.5:80/",
	} {
		if got := browserAddress(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at))); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

// FuzzParseForward reads anything; what it takes has an address that can be dialled.
func FuzzParseForward(f *testing.F) {
	for _, text := range []string{"8888", "8080:80", ":6006", "1:127.0.0.2:90", ":[::1]:90", "5432:/run/s", "/run/a:b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseForward(text)
		if err != nil {
			return
		}
		if got.remote.Network == "unix" {
			if got.remote.Address[0] != '/' {
				t.Fatalf("%q: %+v", text, got)
			}
			return
		}
		host, port, err := net.SplitHostPort(got.remote.Address)
		if err != nil || port == "" {
			t.Fatalf("%q: %+v: %v", text, got, err)
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			t.Fatalf("%q: %+v: %v", text, got, err)
		}
	})
}
