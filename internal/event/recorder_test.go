package event

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// In an outage the first error is logged in full, those like it share its
// incident, and the minute ends with their number.
func TestRepeatedErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testkit.Buffer
		r := New(wallClock{}, slog.New(slog.NewTextHandler(&log, nil)))
		fail := func(op, text string) string {
			e := r.Begin("rest", op, "192.0.2.7")
			id := r.Fail(t.Context(), e, errors.New(text))
			r.Emit(t.Context(), e)
			return id
		}
		first := fail("sign", "store: transaction h100: timeout")
		for i := range 9 {
			if id := fail("sign", fmt.Sprintf("store: transaction h%d: timeout", i)); id != first {
				t.Errorf("repetition %d has the incident %s, want %s", i, id, first)
			}
		}
		if other := fail("status", "store: transaction h1: timeout"); other == first {
			t.Error("another operation shares the incident")
		}
		if n := strings.Count(log.String(), "msg=request "); n != 2 {
			t.Errorf("%d lines, want 2:\n%s", n, log.String())
		}
		time.Sleep(sampleInterval + time.Second)
		synctest.Wait()
		if !strings.Contains(log.String(), "incident="+first+" count=9") {
			t.Errorf("the count is missing:\n%s", log.String())
		}
		if again := fail("sign", "store: transaction h5: timeout"); again == first {
			t.Error("the next minute has the incident of the last one")
		}
	})
}

func TestSamplerForgetsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []string
		s := newSampler(1, func(x sample[string]) { reported = append(reported, x.key) })
		s.see("first", "a")
		s.see("first", "b")
		for i := range sampleKeys {
			s.see(fmt.Sprint("key ", i), "c")
		}
		if len(s.by) != sampleKeys || len(reported) != 1 || reported[0] != "first" {
			t.Errorf("%d keys, reported %v", len(s.by), reported)
		}
	})
}

func TestEventLine(t *testing.T) {
	var log bytes.Buffer
	r := New(wallClock{}, slog.New(slog.NewTextHandler(&log, nil)))
	e := r.Begin("soap", "signature", "2001:db8::1")
	e.MSISDN, e.Pin, e.Code = "+41791234164", "ab12", 104
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Emit(ctx, e)
	for _, want := range []string{"level=WARN", "entrance=soap", "source=2001:db8::1", "pin=ab12", "msisdn=+41****64", "code=104"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the line lacks %q: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "1234164") {
		t.Errorf("the number is in full: %s", log.String())
	}
}

// Of what somebody can cause at will, the log has one line a minute and the
// count, the sinks have everything.
func TestSampledEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testkit.Buffer
		var sunk counter
		r := New(wallClock{}, slog.New(slog.NewTextHandler(&log, nil)), &sunk)
		refuse := func(reason string) {
			e := r.Begin("smpp", "deliver", "192.0.2.7")
			e.Reason = reason
			r.Sample(e)
			r.Emit(t.Context(), e)
		}
		for range 1000 {
			refuse("forged")
		}
		refuse("malformed")
		if n := strings.Count(log.String(), "msg=request "); n != 2 {
			t.Errorf("%d lines, want one for each reason:\n%s", n, log.String())
		}
		if sunk != 1001 {
			t.Errorf("the sink got %d events, want 1001", sunk)
		}
		time.Sleep(sampleInterval + time.Second)
		synctest.Wait()
		if !strings.Contains(log.String(), `key="smpp deliver forged" count=999`) {
			t.Errorf("the count is missing:\n%s", log.String())
		}
	})
}

type counter int

func (c *counter) Record(context.Context, *Event) { *c++ }

// TestFailCutOff: a caller who hangs up is not a failure of the service, and neither is a time-out
// without that.
func TestFailCutOff(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx    context.Context
		err    error
		failed bool
	}{
		{gone, fmt.Errorf("store: %w", context.Canceled), false},
		{gone, errors.New("disk full"), true},
		{t.Context(), context.Canceled, true}, // something else was cancelled
		{t.Context(), context.DeadlineExceeded, true},
	} {
		r := New(wallClock{}, slog.New(slog.DiscardHandler))
		e := r.Begin("app", "enrol", "192.0.2.1")
		if id := r.Fail(tt.ctx, e, tt.err); (id != "") != tt.failed || (e.Cause != nil) != tt.failed || (e.Detail == "cut off") == tt.failed {
			t.Errorf("%v: incident %q, cause %v, detail %q", tt.err, id, e.Cause, e.Detail)
		}
	}
}
