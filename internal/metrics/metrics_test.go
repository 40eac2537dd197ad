package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestRecord(t *testing.T) {
	m, err := New(nil, "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []event.Event{
		{Entrance: "rest", Op: "signature", Code: signum.SignatureMade, Took: 3 * time.Second},
		{Entrance: "rest", Op: "signature", Code: signum.UserCancel, Took: 30 * time.Second, MSISDN: "+41791234567", APID: "mid://bank"},
		{Entrance: "rest", Op: "signature", Code: signum.InternalError, Cause: errors.New("disk full"), Took: time.Millisecond},
		{Entrance: "portal", Op: "login", Reason: "slow"},
	} {
		m.Record(t.Context(), &e)
	}
	m.Suppressed("event", 7)
	m.UnreadableRows("transaction", 0)
	m.UnreadableRows("transaction", 1)
	m.AcceptErrors("mss", 2)
	m.Gauge("signum_test_gauge", "A gauge.", func() float64 { return 4 })
	m.Counter("signum_test_total", "A counter.", func() float64 { return 5 })
	m.Gauges("signum_test_by", "Gauges.", "state", func() map[string]uint64 { return map[string]uint64{"a": 6} })
	if m.Err() != nil {
		t.Fatal(m.Err())
	}
	func() {
		defer event.Rescue(slog.New(slog.DiscardHandler), "test of metrics")
		panic("boom")
	}()
	text := scrape(t, m)
	for _, want := range []string{
		`signum_calls_total{entrance="rest",op="signature",outcome="500"} 1`,
		`signum_calls_total{entrance="rest",op="signature",outcome="401"} 1`,
		`signum_calls_total{entrance="portal",op="login",outcome="slow"} 1`,
		`signum_call_duration_seconds_bucket{entrance="rest",op="signature",result="ok",le="5"} 1`,
		`signum_call_duration_seconds_bucket{entrance="rest",op="signature",result="ok",le="2.5"} 0`,
		`signum_call_duration_seconds_count{entrance="rest",op="signature",result="refused"} 1`,
		`signum_call_duration_seconds_count{entrance="rest",op="signature",result="internal"} 1`,
		`signum_faults_total{code="401",entrance="rest",reason="USER_CANCEL"} 1`,
		`signum_faults_total{code="900",entrance="rest",reason="INTERNAL_ERROR"} 1`,
		`signum_internal_errors_total{entrance="rest",op="signature"} 1`,
		`signum_log_suppressed_total{kind="event"} 7`,
		`signum_store_unreadable_rows_total{kind="transaction"} 1`,
		`signum_accept_errors_total{listener="mss"} 2`,
		`signum_panics_total{place="test of metrics"} `,
		"signum_test_gauge 4", "signum_test_total 5", `signum_test_by{state="a"} 6`,
		"go_goroutines ", "process_open_fds ", `version="v1.2.3"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, never := range []string{`code="500"`, "4179123", "mid://bank", "disk full"} {
		if strings.Contains(text, never) {
			t.Errorf("%s is there", never)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// Labels are bounded even if what strangers send were to reach them.
func TestBounded(t *testing.T) {
	m, err := New(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 * maxValues {
		m.Record(t.Context(), &event.Event{Entrance: "rest", Op: "signature", Reason: fmt.Sprint("made up ", i)})
	}
	text := scrape(t, m)
	if n := strings.Count(text, "signum_calls_total{"); n != maxValues+1 {
		t.Errorf("%d series, want %d", n, maxValues+1)
	}
	if want := fmt.Sprintf(`outcome="other"} %d`, 9*maxValues); !strings.Contains(text, want) {
		t.Errorf("no %s", want)
	}
}

// A registry that others use has the metrics of a node as long as the node
// lives.
func TestClose(t *testing.T) {
	registry := prometheus.NewRegistry()
	for range 2 {
		m, err := New(registry, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(registry, ""); err == nil {
			t.Error("a second node has the same names")
		}
		m.Close()
		if all, err := registry.Gather(); err != nil || len(all) != 0 {
			t.Errorf("%d families are left, %v", len(all), err)
		}
	}
}
