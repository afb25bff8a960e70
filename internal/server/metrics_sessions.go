package server

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// sessionMetrics count what happens to the sessions of all users; no series has a user's or a session's name in it.
type sessionMetrics struct {
	launches, ended *prometheus.CounterVec
	failures        *prometheus.CounterVec
	steps           *prometheus.HistogramVec
}

func newSessionMetrics() *sessionMetrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	return &sessionMetrics{
		launches: counter("agentd_launches_total", "Launches that came to an end: running, error or cancelled.", "outcome"),
		ended:    counter("agentd_sessions_ended_total", "Sessions that ran and have ended, by reason.", "reason"),
		failures: counter("agentd_step_failures_total", "Steps of sessions that failed.", "step"),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "agentd_step_duration_seconds", Help: "How long the steps of sessions took.",
			Buckets: []float64{.01, .1, .5, 1, 5, 15, 60, 300, 1800, 7200},
		}, []string{"step"}),
	}
}

func (m *sessionMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.launches, m.ended, m.failures, m.steps}
}

// observe takes in one event.
func (m *sessionMetrics) observe(e api.Event) {
	switch {
	case e.Kind == api.EventStep && e.State == "end":
		m.steps.WithLabelValues(e.Step).Observe(e.Took.Seconds())
	case e.Kind == api.EventStep && e.State == "failed":
		m.failures.WithLabelValues(e.Step).Inc()
	case e.Kind != api.EventStatus:
	case e.Status == session.Running:
		m.launches.WithLabelValues("running").Inc()
	case e.Status == session.Error:
		m.launches.WithLabelValues("error").Inc()
	case e.Status == session.Cancelled:
		m.launches.WithLabelValues("cancelled").Inc()
	case e.Status == session.Terminated:
		m.ended.WithLabelValues(e.Reason).Inc()
	}
}

// Measure counts what happens to sessions, from the start of agentd on, until ctx ends.
func (s *Server) Measure(ctx context.Context) {
	if s.opt.Sessions == nil {
		return
	}
	for after := int64(0); ctx.Err() == nil; {
		old, events, cancel := s.opt.Sessions.Events.Listen(identity.Caller{Admin: true}, true, "", after)
		for _, e := range old {
			after = e.Sequence
			s.metrics.sessions.observe(e)
		}
		for open := true; open; {
			var e api.Event
			select {
			case e, open = <-events:
				if open {
					after = e.Sequence
					s.metrics.sessions.observe(e)
				}
			case <-ctx.Done():
				open = false
			}
		}
		cancel()
	}
}

// metricsTimeout bounds the question for the slots: a scrape does without an engine that does not answer.
const metricsTimeout = 2 * time.Second

// callerMetrics are gathered for one scrape: what lives, what is held, and what the caller's own sessions use; for an
// administrator, everybody's.
type callerMetrics struct {
	s      *Server
	ctx    context.Context
	caller identity.Caller
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe leaves the descriptions to the metrics themselves: they differ from caller to caller.
func (callerMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect reads them.
func (m callerMetrics) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counts := map[session.Status]int{}
	for _, rec := range m.s.opt.Sessions.Finder.List(identity.Caller{Admin: true}, true, false) {
		counts[rec.Status]++
	}
	living := desc("agentd_sessions", "Living sessions of all users, by status.", "status")
	for _, status := range session.Statuses() {
		if !status.Final() {
			gauge(living, float64(counts[status]), string(status))
		}
	}
	waiting := desc("agentd_queue", "Sessions of all users that wait, by what for.", "for")
	for kind, n := range m.s.opt.Sessions.Queue.Depths() {
		gauge(waiting, float64(n), kind)
	}
	m.slots(gauge)
	cpu := desc("agentd_session_cpu_seconds_total", "Processor time that a session of the caller's has used.", "id", "name")
	mem := desc("agentd_session_memory_bytes", "Memory that a session of the caller's uses.", "id", "name")
	for _, u := range m.s.opt.Sessions.used(m.caller, m.caller.Admin) {
		out <- prometheus.MustNewConstMetric(cpu, prometheus.CounterValue, u.CPU.Seconds(), u.ID, u.Name)
		gauge(mem, float64(u.MemoryBytes), u.ID, u.Name)
	}
}

func (m callerMetrics) slots(gauge func(d *prometheus.Desc, value float64, labels ...string)) {
	if m.s.opt.System == nil {
		return
	}
	ctx, cancel := context.WithTimeout(m.ctx, metricsTimeout)
	defer cancel()
	info, err := m.s.opt.System.Info(ctx, m.caller)
	if err != nil {
		return
	}
	held := desc("agentd_slots_held", "What sessions hold of a slot: cores, bytes, devices.", "slot")
	free := desc("agentd_slots_free", "What is free of a slot: cores, bytes, devices.", "slot")
	for _, slot := range info.Slots {
		unit := 1.0
		if slot.Name == "cpu" {
			unit = 1e9
		}
		gauge(held, float64(slot.Held)/unit, slot.Name)
		gauge(free, float64(max(0, slot.Capacity-slot.Held))/unit, slot.Name)
	}
}

// serveMetrics gathers what is the same for all, and what the caller may see.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	select {
	case s.metrics.scrapes <- struct{}{}:
		defer func() { <-s.metrics.scrapes }()
	default:
		s.writeProblem(w, r, errs.New(errs.Busy, "more than %d scrapes at a time", maxScrapes))
		return
	}
	all := prometheus.Gatherers{s.metrics.registry}
	if caller, ok := identity.From(r.Context()); ok && s.opt.Sessions != nil {
		own := prometheus.NewRegistry()
		own.MustRegister(callerMetrics{s: s, ctx: r.Context(), caller: caller})
		all = append(all, own)
	}
	promhttp.HandlerFor(all, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}
