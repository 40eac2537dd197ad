package phonepage

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/event/eventtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

// brokenWriter panics before anything is sent.
type brokenWriter struct {
	*httptest.ResponseRecorder
	broken bool
}

func (w *brokenWriter) WriteHeader(status int) {
	if w.broken {
		w.broken = false
		panic("the writer is broken")
	}
	w.ResponseRecorder.WriteHeader(status)
}

// A request for the page is an event. Requests for its files are events only if they
// are refused or fail.
func TestPhoneEvents(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		broken       bool
		want         *event.Event // nil: none
	}{
		{"GET", "/phone", false, &event.Event{Op: "page", Status: 200}},
		{"GET", "/phone/main.js", false, nil},
		{"GET", "/phone/", false, nil},
		{"GET", "/phone/none.js", false, &event.Event{Op: "file", Status: 404, Reason: "missing"}},
		{"POST", "/phone", false, &event.Event{Op: "page", Status: 405, Reason: "method"}},
		{"GET", "/phone", true, &event.Event{Op: "page", Status: 500}},
		{"GET", "/phone/main.js", true, &event.Event{Op: "file", Status: 500}},
	} {
		var log testkit.Buffer
		logger, sink := slog.New(slog.NewTextHandler(&log, nil)), &eventtest.Sink{}
		w := &brokenWriter{httptest.NewRecorder(), tc.broken}
		Handler(Config{ServiceName: serviceName, Logger: logger, Events: event.New(nil, logger, sink)}).ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		if (tc.want == nil) != (len(sink.Events()) == 0) {
			t.Errorf("%s %s: events %+v", tc.method, tc.path, sink.Events())
		}
		if tc.want == nil || len(sink.Events()) == 0 {
			continue
		}
		e := sink.Events()[0]
		if got := (event.Event{Op: e.Op, Status: e.Status, Reason: e.Reason}); got != *tc.want || e.Entrance != "pages" || e.Source != "192.0.2.1" || e.Status != w.Code {
			t.Errorf("%s %s: event %+v, status %d", tc.method, tc.path, e, w.Code)
		}
		if (e.Incident != "") != tc.broken || tc.broken && !strings.Contains(w.Body.String(), e.Incident) {
			t.Errorf("%s %s: incident %q, answer %q", tc.method, tc.path, e.Incident, w.Body)
		}
		if tc.broken && (!strings.Contains(log.String(), "goroutine") || !strings.Contains(log.String(), e.Incident)) {
			t.Errorf("%s %s: no stack in the log:\n%s", tc.method, tc.path, log.String())
		}
	}
}

var _ http.ResponseWriter = (*brokenWriter)(nil)
