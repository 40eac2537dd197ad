package ca

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/crypto/ocsp"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/event/eventtest"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// observed is an issuer whose events and log the test sees.
type observed struct {
	*Issuer
	store *memStore
	sink  *eventtest.Sink
	log   *testkit.Buffer
}

func observe(t *testing.T, a *Authority) observed {
	t.Helper()
	o := observed{store: newStore(), sink: &eventtest.Sink{}, log: &testkit.Buffer{}}
	log := slog.New(slog.NewTextHandler(o.log, nil))
	var err error
	if o.Issuer, err = New(a, o.store, Options{URL: testURL, Log: log, Events: event.New(mssp.SystemClock{}, log, o.sink)}); err != nil {
		t.Fatal(err)
	}
	return o
}

// last returns the newest event.
func (o observed) last() event.Event {
	all := o.sink.Events()
	return all[len(all)-1]
}

// call sends a request to the handler.
func (o observed) call(method, path string, body []byte) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, httptest.NewRequest(method, path, bytes.NewReader(body)))
	return w
}

// Each request is one event with its outcome.
func TestHandlerEvents(t *testing.T) {
	o := observe(t, authority(t, ECDSA))
	c, other := issue(t, o.Issuer), issue(t, o.Issuer)
	if err := o.Revoke(t.Context(), other.Serial, ocsp.Superseded); err != nil {
		t.Fatal(err)
	}
	request := func(c *mssp.Certificate) []byte {
		der, err := ocsp.CreateRequest(parse(t, c.DER), o.issuing, nil)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for _, tc := range []struct {
		method, path string
		body         []byte
		want         event.Event
	}{
		{"POST", "/ocsp", request(c), event.Event{Op: "ocsp", Status: 200, Detail: "good", Note: "certificate " + c.Serial}},
		{"POST", "/ocsp", request(other), event.Event{Op: "ocsp", Status: 200, Detail: "revoked", Note: "certificate " + other.Serial}},
		{"POST", "/ocsp", []byte("junk"), event.Event{Op: "ocsp", Status: 200, Reason: "malformedRequest"}},
		{"PUT", "/ocsp", nil, event.Event{Op: "ocsp", Status: 405, Reason: "method"}},
		{"POST", "/ocsp", make([]byte, maxOCSPRequest+1), event.Event{Op: "ocsp", Status: 413, Reason: "too large"}},
		{"GET", crlPath(o.issuing), nil, event.Event{Op: "crl", Status: 200}},
		{"GET", "/crl/x", nil, event.Event{Op: "crl", Status: 404, Reason: "missing"}},
		{"GET", certificatePath(o.root), nil, event.Event{Op: "caissuers", Status: 200}},
		{"GET", "/", nil, event.Event{Op: "other", Status: 404, Reason: "missing"}},
	} {
		w := o.call(tc.method, tc.path, tc.body)
		e := o.last()
		got := event.Event{Op: e.Op, Status: e.Status, Reason: e.Reason, Detail: e.Detail, Note: e.Note}
		if result := e.Result(); (result == event.OK) != (tc.want.Reason == "") {
			t.Errorf("%s %.20s: result %s", tc.method, tc.path, result)
		}
		if got != tc.want || w.Code != e.Status || e.Entrance != "pki" || e.Source != "192.0.2.1" {
			t.Errorf("%s %.20s: event %+v, want %+v", tc.method, tc.path, e, tc.want)
		}
	}
	o.store.failWith("certificate", errors.New("store is down"))
	o.call("POST", "/ocsp", request(c))
	if e := o.last(); e.Reason != "tryLater" || e.Cause == nil || !strings.Contains(o.log.String(), e.Incident) {
		t.Errorf("event %+v", e)
	}
}

// After a panic OCSP answers internalError and everything else 500. The stack is in
// the log under the incident of the event, and the next request is served, although
// the lock of the CRL was held.
func TestHandlerPanics(t *testing.T) {
	o := observe(t, authority(t, ECDSA))
	c := issue(t, o.Issuer)
	request, err := ocsp.CreateRequest(parse(t, c.DER), o.issuing, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		call   string // of the store
		path   string
		body   []byte
		status int
	}{
		{"certificate", pathOCSP, request, http.StatusOK},
		{"revoked", crlPath(o.issuing), nil, http.StatusInternalServerError},
	} {
		method := "GET"
		if tc.body != nil {
			method = "POST"
		}
		o.store.panicIn(tc.call)
		w := o.call(method, tc.path, tc.body)
		e := o.last()
		if w.Code != tc.status || e.Incident == "" || e.Cause == nil || e.Status != tc.status {
			t.Errorf("%s: %d, event %+v", tc.path, w.Code, e)
		}
		if tc.body != nil && !bytes.Equal(w.Body.Bytes(), ocsp.InternalErrorErrorResponse) {
			t.Errorf("%s: %x is not internalError", tc.path, w.Body.Bytes())
		}
		if tc.body == nil && w.Body.String() != "internal error "+e.Incident+"\n" {
			t.Errorf("%s: %q", tc.path, w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: the error may be cached", tc.path)
		}
		if s := o.log.String(); !strings.Contains(s, "incident="+e.Incident) || !strings.Contains(s, "goroutine") {
			t.Errorf("%s: no stack in the log:\n%s", tc.path, s)
		}
		o.store.panicIn("")
		if w := o.call(method, tc.path, tc.body); w.Code != http.StatusOK || o.last().Incident != "" {
			t.Errorf("%s, the next request: %d, event %+v", tc.path, w.Code, o.last())
		}
	}
}
