package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Gauge adds a figure that is asked for at each scrape. f must be safe for
// concurrent use and must not block. Err tells whether the name was free.
func (m *Metrics) Gauge(name, help string, f func() float64) {
	m.register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
}

// Counter is Gauge for a figure that only grows.
func (m *Metrics) Counter(name, help string, f func() float64) {
	m.register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f))
}

// Counters is Counter for several figures that differ in one label.
func (m *Metrics) Counters(name, help, label string, f func() map[string]uint64) {
	m.register(&family{desc: prometheus.NewDesc(name, help, []string{label}, nil), kind: prometheus.CounterValue, figures: f})
}

// Gauges is Gauge for several figures that differ in one label.
func (m *Metrics) Gauges(name, help, label string, f func() map[string]uint64) {
	m.register(&family{desc: prometheus.NewDesc(name, help, []string{label}, nil), kind: prometheus.GaugeValue, figures: f})
}

// Seconds is Gauges for durations.
func (m *Metrics) Seconds(name, help, label string, f func() map[string]time.Duration) {
	m.register(&durationFamily{desc: prometheus.NewDesc(name, help, []string{label}, nil), figures: f})
}

// Err is what went wrong when metrics were added.
func (m *Metrics) Err() error { return m.err }

// family is a prometheus.Collector of figures that others keep.
type family struct {
	desc    *prometheus.Desc
	kind    prometheus.ValueType
	figures func() map[string]uint64
}

func (f *family) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }

func (f *family) Collect(ch chan<- prometheus.Metric) {
	for label, n := range f.figures() {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(n), label)
	}
}

// durationFamily is a prometheus.Collector of durations that others keep.
type durationFamily struct {
	desc    *prometheus.Desc
	figures func() map[string]time.Duration
}

func (f *durationFamily) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }

func (f *durationFamily) Collect(ch chan<- prometheus.Metric) {
	for label, d := range f.figures() {
		ch <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, d.Seconds(), label)
	}
}
