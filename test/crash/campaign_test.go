package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/launch"
	"agentd/internal/session"
	"agentd/internal/testenv"
)

// point is an instant between two side effects, as agentd tells it: a step that begins or has ended, or a status.
type point struct {
	step, state string
	status      session.Status
}

func (p point) String() string {
	if p.status != "" {
		return string(p.status)
	}
	return p.step + " " + p.state
}

func (p point) is(e api.Event) bool {
	if p.status != "" {
		return e.Kind == api.EventStatus && e.Status == p.status
	}
	return e.Kind == api.EventStep && e.Step == p.step && e.State == p.state
}

func points() []point {
	var list []point
	for _, stage := range launch.Steps() {
		for _, step := range slices.Concat(stage...) {
			list = append(list, point{step: step.Name(), state: launch.StateBegin},
				point{step: step.Name(), state: launch.StateEnd})
		}
	}
	for _, s := range []session.Status{
		session.Pending, session.Prepared, session.Creating, session.Running, session.Terminating, session.Terminated,
	} {
		list = append(list, point{status: s})
	}
	return list
}

// kills is how many blows the campaign has: AGENTD_CAMPAIGN says, or else as many as CI has time for.
func kills(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("AGENTD_CAMPAIGN")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// seed is random, or AGENTD_SEED; it is printed, so that a campaign can be had again.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if text := os.Getenv("AGENTD_SEED"); text != "" {
		var err error
		s, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("AGENTD_SEED=%d", s)
	return s
}

// newCampaign is a world with its users, its checker, and containers that only look like agentd's.
func newCampaign(t *testing.T, w *world) (*users, *checker) {
	t.Helper()
	s := seed(t)
	u := &users{w: w, rand: rand.New(rand.NewPCG(s, s))}
	c := &checker{w: w, u: u, files: sumOf(w, w.files), decoys: map[string]string{}}
	for i := range 3 {
		name := fmt.Sprint("agentd-sdecoy", i)
		w.docker("run", "-d", "--name", name, "--network", "none", "--label", "io.agentd.instance="+w.instance,
			"--label", fmt.Sprint("io.agentd.session=sdecoy", i), "--label", "io.agentd.nonce=00112233445566778899aabbccddeeff",
			image, "sleep", "3600")
		t.Cleanup(func() { w.docker("rm", "-f", name) })
		x := c.containers()[name]
		c.decoys[name] = x.ID + x.State.Status + x.State.StartedAt
	}
	return u, c
}

// TestCampaign kills agentd at random instants, at each named point of a launch and of an end, and during recovery itself,
// under a steady load, and has everything looked at after each blow.
func TestCampaign(t *testing.T) {
	t.Parallel()
	engine := testenv.Engine(t)
	w := newWorld(t, engine.Host)
	u, c := newCampaign(t, w)
	named, hit, tried, violations := points(), map[point]int{}, map[point]int{}, 0
	depths := map[int]int{}
	total := kills(t, 40)
	begin := time.Now()
	for blow := 0; blow < total; {
		ctx, cancel := context.WithCancel(t.Context())
		var target *point
		if blow%3 != 2 {
			target = next(named, tried)
		}
		told := w.follow(ctx)
		load := u.round(ctx, 3)
		if w.waitFor(target, told, time.Duration(u.rand.IntN(900))*time.Millisecond) {
			hit[*target]++
		}
		w.kill()
		blow++
		if deep := blow%5 == 0; deep {
			// During recovery itself, three deep: each on what the one before has left.
			n := min(3, total-blow)
			for range n {
				w.spawn()
				time.Sleep(time.Duration(u.rand.IntN(400)) * time.Millisecond)
				w.kill()
			}
			depths[n]++
			blow += n
		}
		w.start()
		load.Wait()
		cancel()
		for _, v := range c.check() {
			violations++
			t.Errorf("after blow %d (%v): %s", blow, target, v)
		}
		if t.Failed() {
			break
		}
	}
	var never []string
	for _, p := range named {
		if hit[p] == 0 {
			never = append(never, p.String())
		}
	}
	slices.Sort(never)
	t.Logf("%d kills of agentd (%d at named points, recovery killed so many times so deep: %v) over %d sessions in %s: %d violations; "+
		"points not hit: %v", total, sum(hit), depths, len(u.all), time.Since(begin).Round(time.Second), violations, never)
}

// next is the point that was tried least.
func next(named []point, tried map[point]int) *point {
	p := slices.MinFunc(named, func(a, b point) int { return tried[a] - tried[b] })
	tried[p]++
	return &p
}

func sum(m map[point]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// follow returns the events of all sessions until ctx ends or agentd does.
func (w *world) follow(ctx context.Context) <-chan api.Event {
	told := make(chan api.Event, 4096)
	stream, err := w.client.Events(ctx, api.EventQuery{Follow: true, AllUsers: true})
	must(w.t, err)
	go func() {
		defer stream.Close()
		defer close(told)
		for {
			e, err := stream.Next()
			if err != nil {
				return
			}
			told <- e
		}
	}()
	return told
}

// waitFor returns when the point is reached, and reports that it was; without a point, or if it does not come in time,
// after the pause.
func (w *world) waitFor(p *point, told <-chan api.Event, pause time.Duration) bool {
	if p == nil {
		time.Sleep(pause)
		return false
	}
	limit := time.After(3 * time.Second)
	for {
		select {
		case e, ok := <-told:
			if !ok {
				return false
			}
			if p.is(e) {
				return true
			}
		case <-limit:
			return false
		}
	}
}
