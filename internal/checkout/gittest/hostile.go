package gittest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
)

// The ways of broken and hostile hosts, for [Server.Wrap].

// Status answers everything with a status.
func Status(code int) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, http.StatusText(code)+"\x1b[31m on two\nlines", code)
		})
	}
}

// Hang never answers.
func Hang(http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // so that the end of the client is noticed
		<-r.Context().Done()
	})
}

// Redirect sends the first request elsewhere.
func Redirect(to string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, to+r.URL.RequestURI(), http.StatusFound)
		})
	}
}

// isPack is true for the request that the pack answers.
func isPack(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/git-upload-pack") }

// pack changes the answer that holds the pack.
func pack(change func(w http.ResponseWriter, r *http.Request, body []byte)) func(http.Handler) http.Handler {
	return func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !isPack(r) {
				git.ServeHTTP(w, r)
				return
			}
			record := httptest.NewRecorder()
			git.ServeHTTP(record, r)
			w.Header().Set("Content-Type", record.Header().Get("Content-Type"))
			change(w, r, record.Body.Bytes())
		})
	}
}

// HangInPack sends half of the pack and then nothing.
func HangInPack(git http.Handler) http.Handler {
	return pack(func(w http.ResponseWriter, r *http.Request, body []byte) {
		w.Write(body[:len(body)/2]) //nolint:errcheck // the client may be gone
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})(git)
}

// CutPack ends the connection in the middle of the pack.
func CutPack(git http.Handler) http.Handler {
	return pack(func(w http.ResponseWriter, _ *http.Request, body []byte) {
		w.Write(body[:len(body)/2]) //nolint:errcheck // the client may be gone
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})(git)
}

// CorruptPack changes a byte in the middle of the pack.
func CorruptPack(git http.Handler) http.Handler {
	return pack(func(w http.ResponseWriter, _ *http.Request, body []byte) {
		body = bytes.Clone(body)
		body[len(body)/2] ^= 0x55
		w.Write(body) //nolint:errcheck // the client may be gone
	})(git)
}

// Drip sends the pack a few bytes at a time, for as long as next returns true.
func Drip(next func() bool) func(http.Handler) http.Handler {
	return pack(func(w http.ResponseWriter, _ *http.Request, body []byte) {
		for ; len(body) > 0 && next(); body = body[min(16, len(body)):] {
			w.Write(body[:min(16, len(body))]) //nolint:errcheck // the client may be gone
			w.(http.Flusher).Flush()
		}
	})
}

// Garbage answers with a page for people.
func Garbage(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<html>log in, please</html>") //nolint:errcheck // the client may be gone
	})
}
