package event

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

func brokenByTest() { panic("cannot happen") }

func TestRescue(t *testing.T) {
	var log bytes.Buffer
	before, undone := Panics()["test worker"], false
	var wg sync.WaitGroup
	wg.Go(func() {
		defer Rescue(slog.New(slog.NewJSONHandler(&log, nil)), "test worker", func() { undone = true })
		brokenByTest()
	})
	wg.Wait()
	if n := Panics()["test worker"] - before; n != 1 {
		t.Errorf("%d panics were counted", n)
	}
	if !undone {
		t.Error("what the goroutine left behind was not undone")
	}
	for _, want := range []string{`"level":"ERROR"`, `"msg":"panic"`, `"where":"test worker"`, "cannot happen", "brokenByTest", `"incident":"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

func TestRescueWithoutPanic(t *testing.T) {
	var log bytes.Buffer
	func() {
		defer Rescue(slog.New(slog.NewTextHandler(&log, nil)), "test worker", func() { t.Error("undone without a panic") })
	}()
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
}

func TestRescueTo(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	cause := errors.New("the cause")
	run := func(v any) (err error) {
		defer RescueTo(&err, logger, "test call")
		if v != nil {
			panic(v)
		}
		return cause
	}
	if err := run(nil); err != cause || log.Len() > 0 {
		t.Errorf("without a panic: error %v, log %q", err, log.String())
	}
	err := run(cause)
	p, ok := errors.AsType[*Panic](err)
	if !ok || !errors.Is(err, cause) {
		t.Fatalf("got %v, want a *Panic with the cause", err)
	}
	if p.Incident == "" || !strings.Contains(log.String(), "incident="+p.Incident) {
		t.Errorf("incident %q is not in the log:\n%s", p.Incident, log.String())
	}
	if strings.Contains(err.Error(), "goroutine") {
		t.Errorf("the error holds the stack: %v", err)
	}
}
