package imagetest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// Fault is how the registry misbehaves.
type Fault struct {
	kind   faultKind
	status int
	code   string
	pause  time.Duration
}

type faultKind int

const (
	faultNone faultKind = iota
	faultStatus
	faultHangManifest
	faultHangLayer
	faultCutLayer
	faultCorruptLayer
	faultSlowLayer
)

// None is a registry that works.
func None() Fault { return Fault{} }

// Status answers each request for a manifest with this HTTP status and this code of the registry protocol.
func Status(status int, code string) Fault {
	return Fault{kind: faultStatus, status: status, code: code}
}

// HangManifest never answers a request for a manifest.
func HangManifest() Fault { return Fault{kind: faultHangManifest} }

// HangLayer sends half of each layer, and then nothing.
func HangLayer() Fault { return Fault{kind: faultHangLayer} }

// CutLayer sends half of each layer and breaks the connection.
func CutLayer() Fault { return Fault{kind: faultCutLayer} }

// CorruptLayer sends layers of the right size with other bytes in them.
func CorruptLayer() Fault { return Fault{kind: faultCorruptLayer} }

// SlowLayer sends each layer in 20 parts with a pause before each.
func SlowLayer(pause time.Duration) Fault { return Fault{kind: faultSlowLayer, pause: pause} }

// SetFault sets how it misbehaves from now on.
func (r *Registry) SetFault(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

// Reached is closed when the next request meets the fault, and has got as far as it will.
func (r *Registry) Reached() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reached
}

func (r *Registry) meet() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.reached)
	r.reached = make(chan struct{})
}

// spoil answers the request if the fault concerns it.
func (f Fault) spoil(r *Registry, w http.ResponseWriter, req *http.Request, isManifest, isLayer bool) bool {
	switch {
	case f.kind == faultStatus && isManifest:
		if f.status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "60")
		}
		registryError(w, f.status, f.code, "as the test wants it")
		r.meet()
		return true
	case f.kind == faultHangManifest && isManifest:
		r.meet()
		r.hang(req)
		return true
	case f.kind >= faultHangLayer && isLayer:
		f.spoilLayer(r, w, req)
		return true
	}
	return false
}

func (f Fault) spoilLayer(r *Registry, w http.ResponseWriter, req *http.Request) {
	// Without the range: a fetch that was broken off is to begin again.
	req.Header.Del("Range")
	rec := httptest.NewRecorder()
	r.store.ServeHTTP(rec, req)
	body := rec.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	send := func(part []byte) {
		w.Write(part)                         //nolint:errcheck // who hangs up does not want it
		http.NewResponseController(w).Flush() //nolint:errcheck // as above
	}
	switch f.kind {
	case faultHangLayer:
		send(body[:len(body)/2])
		r.meet()
		r.hang(req)
	case faultCutLayer:
		send(body[:len(body)/2])
		r.meet()
		panic(http.ErrAbortHandler)
	case faultCorruptLayer:
		for i := len(body) / 2; i < len(body)/2+16; i++ {
			body[i] ^= 0xff
		}
		send(body)
		r.meet()
	case faultSlowLayer:
		f.drip(r, req, body, send)
	}
}

func (f Fault) drip(r *Registry, req *http.Request, body []byte, send func([]byte)) {
	r.meet()
	const parts = 20
	for i := range parts {
		select {
		case <-time.After(f.pause):
		case <-r.gone:
			return
		case <-req.Context().Done():
			return
		}
		send(body[i*len(body)/parts : (i+1)*len(body)/parts])
	}
}

// hang waits for the end of the request or of the test.
func (r *Registry) hang(req *http.Request) {
	select {
	case <-r.gone:
	case <-req.Context().Done():
	}
}

// registryError is an error as the registry protocol has it.
func registryError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	type fault struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	json.NewEncoder(w).Encode(map[string][]fault{"errors": {{code, message}}}) //nolint:errcheck // who hangs up does not want it
}
