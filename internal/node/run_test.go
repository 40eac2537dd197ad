package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStage: parts that end before they are told to are errors, and so are
// panics; the others are stopped and waited for.
func TestStage(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name string
		run  func(context.Context) error
		want string
	}{
		{"error", func(context.Context) error { return boom }, "part: boom"},
		{"panic", func(context.Context) error { panic(boom) }, "part: panic in part: boom"},
		{"end", func(context.Context) error { return nil }, "part: ended by itself"},
	} {
		early, stopped := make(chan error, 1), false
		s := start(t.Context(), slog.New(slog.DiscardHandler), []part{{"part", tt.run}, {"other", func(ctx context.Context) error {
			<-ctx.Done()
			stopped = true
			return nil
		}}}, early)
		if err := <-early; err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if err := s.stop(); err != nil || !stopped {
			t.Errorf("%s: %v, the other stopped: %v", tt.name, err, stopped)
		}
	}
	s := start(t.Context(), slog.New(slog.DiscardHandler), []part{{"part", func(ctx context.Context) error {
		<-ctx.Done()
		return boom
	}}}, make(chan error, 1))
	if err := s.stop(); !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "part: ") {
		t.Errorf("while stopping: %v", err)
	}
}

// TestStopTime: a part that does not end, because a store hangs for example, does not
// hold up the others or the process.
func TestStopTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, hangs := slog.New(slog.DiscardHandler), make(chan struct{})
		defer close(hangs)
		hung := func(context.Context) error {
			<-hangs
			return nil
		}
		good := false
		s := start(t.Context(), log, []part{{"one", hung}, {"two", hung}, {"three", func(ctx context.Context) error {
			<-ctx.Done()
			good = true
			return nil
		}}}, make(chan error, 1))
		began := time.Now()
		err := s.stop()
		if want := "one: did not end within 15s\ntwo: did not end within 15s"; err == nil || err.Error() != want || !good {
			t.Errorf("%v; the other part ended: %t", err, good)
		}
		if took := time.Since(began); took != stopTime {
			t.Errorf("the stage took %s to stop", took)
		}
		n := Node{deps: Deps{Logger: log}}
		n.onClose(func() error { return hung(t.Context()) })
		if err := n.Close(); err == nil || err.Error() != "did not end within 15s" {
			t.Error(err)
		}
	})
}

// TestCloseOrder: what was taken last is released first, once.
func TestCloseOrder(t *testing.T) {
	var (
		n     = Node{deps: Deps{Logger: slog.New(slog.DiscardHandler)}}
		order []int
	)
	for i := range 3 {
		n.onClose(func() error {
			order = append(order, i)
			return nil
		})
	}
	if err := errors.Join(n.Close(), n.Close()); err != nil || !slices.Equal(order, []int{2, 1, 0}) {
		t.Errorf("%v, %v", order, err)
	}
}
