package server

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"agentd/internal/version"
)

// metrics are on a registry of their own: two servers of one process do not share them.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	sessions *sessionMetrics
	// scrapes bounds how many are served at a time.
	scrapes chan struct{}
}

// maxScrapes is how many scrapes are served at a time.
const maxScrapes = 4

func newMetrics(templates func() int) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(), sessions: newSessionMetrics(), scrapes: make(chan struct{}, maxScrapes),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "agentd_http_requests_total", Help: "Requests answered, by route pattern and HTTP status.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "agentd_http_request_duration_seconds", Help: "Time to answer, by route pattern.",
			Buckets: []float64{.001, .01, .1, 1, 10},
		}, []string{"route"}),
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "agentd_build_info", Help: "Always 1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{"version": version.String(), "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	count := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "agentd_templates", Help: "Templates that are served, deleted ones not counted.",
	}, func() float64 { return float64(templates()) })
	m.registry.MustRegister(m.requests, m.duration, build, count, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.sessions.collectors()...)
	return m
}

// count adds one answered request. The route is a pattern, never a path: names of templates would make series without
// end.
func (m *metrics) count(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}
