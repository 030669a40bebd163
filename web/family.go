package web

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace is what the names of all metrics begin with.
const namespace = "skytools_"

// family is one metric: how it is described, and its value in a row.
type family[T any] struct {
	name  string // without the namespace; a counter's ends in _total
	help  string
	value func(T) *float64 // nil: it cannot be told, and is left out
}

// section is the metrics that share their labels and come from the same rows.
type section[T any] struct {
	about    string // what a row is, for the reference
	labels   []string
	rows     func(*scrape) []T
	values   func(T) []string // of the labels
	families []family[T]
}

// described is a metric as the reference shows it.
type described struct {
	name, kind, help string
	labels           []string
	desc             *prometheus.Desc
}

func (f family[T]) kind() prometheus.ValueType {
	if strings.HasSuffix(f.name, "_total") {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

func (s section[T]) describe() (all []described) {
	for _, f := range s.families {
		name, kind := namespace+f.name, "gauge"
		if f.kind() == prometheus.CounterValue {
			kind = "counter"
		}
		all = append(all, described{name, kind, f.help, s.labels, prometheus.NewDesc(name, f.help, s.labels, nil)})
	}
	return all
}

// collect is told each value with its description, which is of describe's list.
func (s section[T]) collect(now *scrape, descs []described, send chan<- prometheus.Metric) {
	for _, row := range s.rows(now) {
		labels := s.values(row)
		for i, v := range labels {
			labels[i] = strings.ToValidUTF8(v, "\uFFFD") // a database may be in SQL_ASCII
		}
		for i, f := range s.families {
			if v := f.value(row); v != nil {
				send <- prometheus.MustNewConstMetric(descs[i].desc, f.kind(), *v, labels...)
			}
		}
	}
}

func (s section[T]) title() string { return s.about }

// group is a section of any rows.
type group interface {
	title() string
	describe() []described
	collect(now *scrape, descs []described, send chan<- prometheus.Metric)
}

// of is the value of a number.
func of[N int | int64 | float64](n N) *float64 {
	v := float64(n)
	return &v
}

// opt is the value of a number that may be missing.
func opt[N int64 | float64](n *N) *float64 {
	if n == nil {
		return nil
	}
	return of(*n)
}

// is is 1 for true.
func is(b bool) *float64 {
	if b {
		return of(1)
	}
	return of(0)
}
