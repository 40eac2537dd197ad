package event

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

// handled runs f with a logger behind a Sampled and returns what is in the log at
// once and after the minute, and how many records did not pass.
func handled(t *testing.T, from slog.Level, few int, f func(*slog.Logger)) (first, later string, suppressed int) {
	synctest.Test(t, func(t *testing.T) {
		var log testkit.Buffer
		h := slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		f(slog.New(NewSampled(h, from, few, func(n int) { suppressed += n })))
		first = log.String()
		time.Sleep(sampleInterval)
		synctest.Wait()
		later = log.String()[len(first):]
	})
	return first, later, suppressed
}

func TestSampled(t *testing.T) {
	for _, tt := range []struct {
		name       string
		log        func(*slog.Logger)
		first      int // lines
		later      string
		suppressed int
		few        int // 0: 1
	}{
		{"repeated", func(l *slog.Logger) {
			for i := range 5 {
				l.Error("no connection", "address", fmt.Sprint("192.0.2.", i), "err", errors.New("dial tcp: refused"))
			}
		}, 1, `level=ERROR msg="no connection" address=192.0.2.0 err="dial tcp: refused" repeated=4 interval=1m0s` + "\n", 4, 0},
		{"once", func(l *slog.Logger) { l.Error("no connection") }, 1, "", 0, 0},
		{"another message", func(l *slog.Logger) { l.Error("a"); l.Error("b") }, 2, "", 0, 0},
		{"another level", func(l *slog.Logger) { l.Error("a"); l.Warn("a") }, 2, "", 0, 0},
		{"another value", func(l *slog.Logger) { l.Error("a", "err", "x"); l.Error("a", "err", "y") }, 2, "", 0, 0},
		{"another attribute", func(l *slog.Logger) { l.Error("a", "in", "x"); l.Error("a", "out", "x") }, 2, "", 0, 0},
		{"attributes of the logger", func(l *slog.Logger) { l.With("part", "a").Error("a"); l.With("part", "b").Error("a") }, 2, "", 0, 0},
		{"groups", func(l *slog.Logger) { l.WithGroup("a").Error("a", "x", "y"); l.WithGroup("b").Error("a", "x", "y") }, 2, "", 0, 0},
		{"the same through With", func(l *slog.Logger) {
			l.With("part", "a").Warn("a", "n", 1)
			l.With("part", "a").Warn("a", "n", 2)
		}, 1, "level=WARN msg=a part=a n=1 repeated=1 interval=1m0s\n", 1, 0},
		{"a few", func(l *slog.Logger) {
			for i := range 5 {
				l.Error("a", "trans_id", fmt.Sprint("h", i))
			}
		}, 3, "level=ERROR msg=a trans_id=h0 repeated=2 interval=1m0s\n", 2, 3},
		{"certificates", func(l *slog.Logger) { l.Error("not revoked", "serial", "0A1"); l.Error("not revoked", "serial", "0A2") }, 2, "", 0, 0},
		{"rows", func(l *slog.Logger) { l.Error("unreadable", "key", "h1"); l.Error("unreadable", "key", "h2") }, 2, "", 0, 0},
		{"below the level", func(l *slog.Logger) { l.Info("a"); l.Info("a") }, 2, "", 0, 0},
		{"incidents", func(l *slog.Logger) { l.Error("panic", "incident", "A1"); l.Error("panic", "incident", "B2") }, 2, "", 0, 0},
		{"incidents of the logger", func(l *slog.Logger) { l = l.With("incident", "A1"); l.Error("panic"); l.Error("panic") }, 2, "", 0, 0},
	} {
		first, later, suppressed := handled(t, slog.LevelWarn, cmp.Or(tt.few, 1), tt.log)
		if n := strings.Count(first, "\n"); n != tt.first || later != tt.later || suppressed != tt.suppressed {
			t.Errorf("%s: %d lines, %d suppressed, later %q, want %d, %d, %q", tt.name, n, suppressed, later, tt.first, tt.suppressed, tt.later)
		}
	}
	if first, later, _ := handled(t, slog.LevelInfo, 1, func(l *slog.Logger) {
		l.Info("http: TLS handshake error from 192.0.2.1:5: EOF")
		l.Info("http: TLS handshake error from 192.0.2.2:6: EOF")
	}); strings.Count(first, "\n") != 1 || !strings.Contains(later, "repeated=1") {
		t.Errorf("from info: %q, %q", first, later)
	}
}

// What was counted is told when the log is closed, and the next of its kind
// passes.
func TestSampledClose(t *testing.T) {
	var log testkit.Buffer
	h := NewSampled(slog.NewTextHandler(&log, nil), slog.LevelWarn, 1, nil)
	l := slog.New(h)
	l.Error("a")
	l.Error("a")
	h.Close()
	h.Close()
	if !strings.Contains(log.String(), "repeated=1") {
		t.Errorf("no count: %s", log.String())
	}
	l.Error("a")
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("%d lines: %s", n, log.String())
	}
	h.Close()
}
