package cluster

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/cluster/clustertest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

func TestQuestions(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		v := new(storetest.Values)
		key := make([]byte, 32)
		with := func(m *member) *Questions {
			q, err := NewQuestions(m.Cluster, v, key, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { q.Close() })
			q.Handle("upper", func(_ context.Context, s []byte) ([]byte, error) { return bytes.ToUpper(s), nil })
			q.Handle("empty", func(context.Context, []byte) ([]byte, error) { return nil, nil })
			q.Handle("fails", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no") })
			q.Handle("panics", func(context.Context, []byte) ([]byte, error) { panic("broken") })
			q.Handle("waits", func(ctx context.Context, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })
			return q
		}
		var a, b *Questions
		_ = joinWith(t, db, "a", func(m *member) { a = with(m) })
		other := joinWith(t, db, "b", func(m *member) { b = with(m) })
		pass(100 * time.Millisecond)
		for _, tt := range []struct{ node, subject, question, answer string }{
			{other.ID(), "upper", "hello", "HELLO"},
			{other.ID(), "upper", strings.Repeat("x", 100_000), strings.Repeat("X", 100_000)},
			{other.ID(), "empty", "hello", ""},
			{other.ID(), "fails", "hello", "!"},
			{other.ID(), "panics", "hello", "!"},
			{other.ID(), "unknown", "hello", "!"},
			{other.ID(), "waits", "hello", "!"},
			{"n-gone", "upper", "hello", "!"},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			got, err := a.Ask(ctx, tt.node, tt.subject, []byte(tt.question))
			cancel()
			if tt.answer == "!" && !errors.Is(err, ErrNoAnswer) || tt.answer != "!" && (err != nil || string(got) != tt.answer) {
				t.Errorf("%s: %d octets, %v", tt.subject, len(got), err)
			}
		}
		for range 50 { // at once, in both directions
			go a.Ask(t.Context(), other.ID(), "upper", []byte("x"))
		}
		pass(time.Second)
		if n := len(a.waiting) + len(b.waiting); n > 0 {
			t.Errorf("%d questions wait", n)
		}
		for name, value := range v.All() { // the question to nobody
			if bytes.Contains(value, []byte("hello")) || !strings.HasPrefix(name, topicAsk) {
				t.Errorf("%s: %s", name, value)
			}
		}
		b.asked("n-x", "")
		b.asked("n-x", "name "+other.ID()+" upper") // which is not in the database
		b.answered("n-x", "nobody asked")
		db.Fail(errors.New("no database"))
		pass(10 * time.Millisecond)
		before := time.Now()
		if _, err := a.Ask(t.Context(), other.ID(), "upper", []byte("x")); !errors.Is(err, ErrNoAnswer) || time.Since(before) > 0 {
			t.Errorf("a node that hears nothing: %v after %s", err, time.Since(before))
		}
		db.Fail(nil)
		pass(10 * time.Second)
		down := errors.New("no database")
		v.Fail(down)
		if _, err := a.Ask(t.Context(), other.ID(), "upper", []byte("x")); !errors.Is(err, down) {
			t.Error(err)
		}
		b.Close()
		b.asked("n-x", "name "+other.ID()+" upper")
	})
	if _, err := NewQuestions(nil, nil, []byte("short"), nil); err == nil {
		t.Error("a key of 5 octets")
	}
}
