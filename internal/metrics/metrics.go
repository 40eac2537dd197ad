package metrics

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/signum-mssp/signum/internal/event"
)

// Metrics are those of one node. It is an event.Sink, and safe for concurrent
// use.
type Metrics struct {
	registry   *prometheus.Registry
	registered []prometheus.Collector
	err        error // of what could not be registered

	calls          *prometheus.CounterVec
	duration       *prometheus.HistogramVec
	faults         *prometheus.CounterVec
	internalErrors *prometheus.CounterVec
	suppressed     *prometheus.CounterVec
	unreadable     *prometheus.CounterVec
	acceptErrors   *prometheus.CounterVec
	refused        *prometheus.CounterVec

	entrance, op, outcome, row, listener, kind bounded
}

var _ event.Sink = (*Metrics)(nil)

// durations are upper bounds in seconds: of calls that the service answers by
// itself, and of those that wait for a person.
var durations = []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320}

// New registers the metrics of a node of this version; empty is what the Go
// command recorded in the program. Without a registry it makes one, which has
// the metrics of the Go runtime and the process as well.
func New(registry *prometheus.Registry, version string) (*Metrics, error) {
	m := &Metrics{registry: registry}
	if registry == nil {
		m.registry = prometheus.NewRegistry()
		m.register(collectors.NewGoCollector())
		m.register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	m.calls = m.counters("signum_calls_total", "Calls that have ended.", "entrance", "op", "outcome")
	m.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "signum_call_duration_seconds", Help: "Time from the request to its answer.", Buckets: durations,
	}, []string{"entrance", "op", "result"})
	m.register(m.duration)
	m.faults = m.counters("signum_faults_total", "Answers with a code of TS 102 204 that is no success.", "entrance", "code", "reason")
	m.internalErrors = m.counters("signum_internal_errors_total", "Calls that failed because of the service.", "entrance", "op")
	m.suppressed = m.counters("signum_log_suppressed_total", "Lines that were counted instead of logged, because the last minute has enough of their kind.", "kind")
	m.unreadable = m.counters("signum_store_unreadable_rows_total", "Rows that could not be read; each counts once.", "kind")
	m.acceptErrors = m.counters("signum_accept_errors_total", "Connections that could not be accepted.", "listener")
	m.refused = m.counters("signum_connections_refused_total", "Connections that the listener closed, by reason.", "listener", "reason")
	m.Counters("signum_panics_total", "Panics that were kept inside their goroutine or call, of the whole process.", "place", event.Panics)
	m.buildInfo(version)
	if m.err != nil {
		m.Close()
		return nil, m.err
	}
	return m, nil
}

func (m *Metrics) buildInfo(version string) {
	goVersion := ""
	if b, ok := debug.ReadBuildInfo(); ok {
		goVersion = b.GoVersion
		version = cmp.Or(version, b.Main.Version)
	}
	version = cmp.Or(version, "(devel)")
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "signum_build_info", Help: "From what the program was built; always 1."}, []string{"version", "goversion"})
	info.WithLabelValues(version, goVersion).Set(1)
	m.register(info)
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.register(c)
	return c
}

func (m *Metrics) register(c prometheus.Collector) {
	if err := m.registry.Register(c); err != nil {
		m.err = errors.Join(m.err, err)
		return
	}
	m.registered = append(m.registered, c)
}

// Close takes the metrics out of the registry. Handler answers without them from
// then on.
func (m *Metrics) Close() {
	for _, c := range m.registered {
		m.registry.Unregister(c)
	}
	m.registered = nil
}

// Record implements event.Sink.
func (m *Metrics) Record(_ context.Context, e *event.Event) {
	entrance, op := m.entrance.value(e.Entrance), m.op.value(e.Op)
	m.calls.WithLabelValues(entrance, op, m.outcome.value(e.Label())).Inc()
	m.duration.WithLabelValues(entrance, op, string(e.Result())).Observe(e.Took.Seconds())
	if e.Fault() {
		m.faults.WithLabelValues(entrance, strconv.Itoa(int(e.Code)), e.Code.String()).Inc()
	}
	if e.Repeated {
		m.Suppressed("call", 1)
	}
	if e.Cause != nil {
		m.internalErrors.WithLabelValues(entrance, op).Inc()
	}
}

// Suppressed counts lines of the log that were not written, by what they are
// about; 0 makes the kind known. Record counts those of calls, as "call".
func (m *Metrics) Suppressed(kind string, lines int) {
	m.suppressed.WithLabelValues(m.kind.value(kind)).Add(float64(lines))
}

// UnreadableRows counts rows that could not be read; 0 makes the kind known.
func (m *Metrics) UnreadableRows(kind string, rows int) {
	m.unreadable.WithLabelValues(m.row.value(kind)).Add(float64(rows))
}

// AcceptErrors counts connections that a listener could not accept; 0 makes the
// listener known.
func (m *Metrics) AcceptErrors(listener string, connections int) {
	m.acceptErrors.WithLabelValues(m.listener.value(listener)).Add(float64(connections))
}

// RefusedConnections counts connections that a listener closed, by a reason of a fixed
// set; 0 makes both known.
func (m *Metrics) RefusedConnections(listener, reason string, connections int) {
	m.refused.WithLabelValues(m.listener.value(listener), reason).Add(float64(connections))
}

// Handler answers scrapes.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError,
	})
}
