package crash_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// fault is how the proxy spoils a call.
type fault string

const (
	// loses: the engine does it, and its reply is lost. halves: half of its reply comes. delays: it is asked a second later.
	// refuses: it is not asked, and 500 is the answer. hangs: it is not asked, and the connection breaks two seconds later.
	loses, halves, delays, refuses, hangs fault = "loses the reply", "cuts the reply in half", "delays", "answers 500", "hangs"
)

// proxy stands between agentd and the engine, and spoils what it is told to.
type proxy struct {
	t      *testing.T
	engine string

	mu sync.Mutex
	// next is the call that is spoilt, once, and how; all hangs every call until it is closed.
	next  *regexp.Regexp
	fault fault
	hit   bool
	all   chan struct{}
}

// proxied is a proxy for the engine, and its address.
func proxied(t *testing.T, host string) (*proxy, string) {
	t.Helper()
	path := filepath.Join(shortDir(t), "engine.sock")
	l, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	p := &proxy{t: t, engine: strings.TrimPrefix(host, "unix://")}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p, "unix://" + path
}

// spoil has the next call that fits go wrong.
func (p *proxy) spoil(call string, f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.fault, p.hit = regexp.MustCompile(call), f, false
}

// was reports whether the call came.
func (p *proxy) was() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// hang lets no call through until the returned function is called.
func (p *proxy) hang() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(chan struct{})
	p.all = all
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all = nil
		close(all)
	})
}

func (p *proxy) take(call string) (fault, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil || !p.next.MatchString(call) {
		return "", p.all
	}
	p.next, p.hit = nil, true
	return p.fault, p.all
}

// serve serves one connection; agentd makes one for each call.
func (p *proxy) serve(near net.Conn) {
	defer near.Close()
	in := bufio.NewReader(near)
	req, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	f, all := p.take(req.Method + " " + req.URL.Path)
	if all != nil {
		<-all
	}
	switch f {
	case refuses:
		body := `{"message":"the engine is out of sorts"}`
		fmt.Fprintf(near, "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		return
	case hangs:
		time.Sleep(2 * time.Second)
		return
	case delays:
		time.Sleep(time.Second)
	}
	far, err := net.Dial("unix", p.engine)
	if err != nil {
		return
	}
	defer far.Close()
	if req.Write(far) != nil {
		return
	}
	if f == loses || f == halves {
		var all bytes.Buffer
		resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(far, &all)), req)
		if err == nil {
			io.Copy(io.Discard, resp.Body) // what came is in all
		}
		if f == halves {
			near.Write(all.Bytes()[:all.Len()/2]) // agentd may be gone
		}
		return
	}
	go func() {
		// A call that agentd gives up is given up.
		io.Copy(io.Discard, in)
		far.Close()
	}()
	io.Copy(near, far) // either end may break off
}

// A reply that is lost, cut, late, a 500 or none, at each call of a launch, of the wait for its end and of its end: the job is
// run once and its end is exact, or the launch fails and says why, and nothing is left.
func TestEngine_HalfAnswers(t *testing.T) {
	t.Parallel()
	engine := ownEngine(t).Host()
	p, host := proxied(t, engine)
	w := newWorld(t, host)
	// The tests themselves ask the engine.
	w.host = engine
	warm := w.enqueue("warm", plan.Overrides{Startup: script("0", 5)})
	w.until(warm, time.Minute, "an end", ended)
	// A share of it otherwise: what only takes time is for a campaign.
	faults := []fault{loses, refuses}
	if os.Getenv("AGENTD_CAMPAIGN") != "" {
		faults = []fault{loses, halves, delays, refuses, hangs}
	}
	for _, c := range []struct{ name, call string }{
		{"the look at the image", `GET .*/images/.*/json`}, {"create", `POST .*/containers/create`},
		{"start", `POST .*/containers/[^/]*/start`}, {"inspect", `GET .*/containers/[^/]*/json`},
		{"wait", `POST .*/containers/[^/]*/wait`}, {"kill", `POST .*/containers/[^/]*/kill`},
		{"remove", `DELETE .*/containers/`},
	} {
		for _, f := range faults {
			t.Run(c.name+" "+string(f), func(t *testing.T) {
				w.t = t
				defer func() { w.t = t }()
				name := strings.NewReplacer(" ", "-", "500", "no").Replace(c.name + " " + string(f))
				o := plan.Overrides{Startup: script("0", 5)}
				if c.name == "kill" {
					o = stays()
				}
				p.spoil(c.call, f)
				id := w.enqueue(name, o)
				if c.name == "kill" {
					w.until(id, time.Minute, "RUNNING", runs)
					_, err := w.client.Terminate(t.Context(), id, false)
					must(t, err)
				}
				s := w.until(id, time.Minute, "an end", ended)
				switch {
				case c.name == "kill":
					if reason(s) != session.ReasonUser {
						t.Errorf("it ended of %s", reason(s))
					}
				case f == refuses && s.Status == session.Error:
					if s.Failure == nil || !strings.Contains(s.Failure.Message, "out of sorts") {
						t.Errorf("it does not say why: %+v", s.Failure)
					}
				case s.ExitCode == nil || *s.ExitCode != 5:
					t.Errorf("it is %s with %v: %+v %v", s.Status, exitOf(s), s.Failure, s.History)
				}
				w.gone(id)
				if !p.was() {
					t.Error("there was no such call")
				}
			})
		}
	}
	w.t = t
}

// stopLimit is the unit's TimeoutStopSec: after it systemd kills.
const stopLimit = 30 * time.Second

// A stop comes to its end though the engine hangs in the middle of a launch, of an end, and of a cleaning up; the next agentd
// goes on.
func TestStop_TheEngineHangs(t *testing.T) {
	t.Parallel()
	engine := ownEngine(t).Host()
	p, host := proxied(t, engine)
	w := newWorld(t, host)
	// The tests themselves ask the engine.
	w.host = engine
	stayed := w.enqueue("stayed", stays())
	w.until(stayed, time.Minute, "RUNNING", runs)
	ending := w.enqueue("ending", stays())
	w.until(ending, time.Minute, "RUNNING", runs)
	release := p.hang()
	defer release()
	half := w.enqueue("half", plan.Overrides{Startup: script("0", 5)})
	_, err := w.client.Terminate(t.Context(), ending, false)
	must(t, err)
	w.until(half, time.Minute, "PREPARING or more", func(s api.SessionInfo) bool { return s.Status != session.Pending })
	must(t, w.cmd.Process.Signal(syscall.SIGTERM))
	begin := time.Now()
	select {
	case err := <-w.done:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(stopLimit):
		t.Fatal("systemd would have killed it")
	}
	t.Logf("it took %s", time.Since(begin).Round(time.Second))
	release()
	w.cmd = nil
	w.start()
	if s := w.until(half, time.Minute, "an end", ended); s.ExitCode == nil || *s.ExitCode != 5 {
		t.Errorf("the launch is %s with %v: %+v", s.Status, exitOf(s), s.Failure)
	}
	if s := w.until(ending, time.Minute, "an end", ended); reason(s) != session.ReasonUser {
		t.Errorf("the one that was to end: %s", reason(s))
	}
	w.until(stayed, time.Second, "RUNNING", runs)
}
