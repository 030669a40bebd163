package web

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// groups are all metrics, in the order of the reference.
var groups = []group{
	buildMetrics, lookMetrics, reachMetrics, lagMetrics, setMetrics, stateMetrics, tableMetrics,
	databaseMetrics, queueMetrics, consumerMetrics, asideMetrics,
}

// scrape is what the metrics of one scrape are made of.
type scrape struct {
	*Snapshot
	program, version string
	lag              *float64 // seconds; nil: it could never be told
}

// collector makes metrics of what a server knows.
type collector struct {
	server *Server
	descs  [][]described // by group
}

func newCollector(s *Server) *collector {
	c := &collector{server: s}
	for _, g := range groups {
		c.descs = append(c.descs, g.describe())
	}
	return c
}

// Describe is what a registry asks once.
func (c *collector) Describe(send chan<- *prometheus.Desc) {
	for _, descs := range c.descs {
		for _, d := range descs {
			send <- d.desc
		}
	}
}

// Collect is what it asks at each scrape.
func (c *collector) Collect(send chan<- prometheus.Metric) {
	s := c.server
	now := &scrape{s.Snapshot(), s.Program, s.Version, s.lagNow()}
	for i, g := range groups {
		g.collect(now, c.descs[i], send)
	}
}

// metrics answers for /metrics, in Prometheus' text or protocol buffers.
func (s *Server) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError, // the rest is worth having
		MaxRequestsInFlight: 8,
	})
}

// lagNow is the lag of this moment in seconds, nil where it could never be told.
func (s *Server) lagNow() *float64 {
	if s.Lag == nil {
		return nil
	}
	lag, _ := s.lag(context.Background()) // waits for pulseWait at most
	if lag == nil {
		return nil
	}
	return of(lag.Now(time.Now()).Seconds())
}
