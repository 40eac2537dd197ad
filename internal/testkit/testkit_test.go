package testkit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	c := NewClock(at)
	c.Advance(time.Hour)
	c.Advance(-time.Minute)
	if got, want := c.Now(), at.Add(59*time.Minute); !got.Equal(want) {
		t.Errorf("a clock that stands still shows %v, want %v", got, want)
	}
	c.Set(at)
	if got := c.Now(); !got.Equal(at) {
		t.Errorf("after Set it shows %v, want %v", got, at)
	}

	r := RunningClock()
	r.Advance(time.Hour)
	if d := time.Until(r.Now()); d < 59*time.Minute || d > time.Hour {
		t.Errorf("a running clock that was advanced by 1h is %v ahead", d)
	}
}

// recorder is a testing.TB that records how the test ended.
type recorder struct {
	testing.TB
	failed, skipped bool
}

func (*recorder) Helper()                 {}
func (r *recorder) Fatalf(string, ...any) { r.failed = true }
func (r *recorder) Skipf(string, ...any)  { r.skipped = true }

func TestMissing(t *testing.T) {
	for ci, fails := range map[string]bool{"": false, "1": true, "true": true} {
		t.Setenv("CI", ci)
		r := &recorder{TB: t}
		Needs(r, "sh", "no-such-program")
		if r.failed != fails || r.skipped == fails {
			t.Errorf("CI=%q: failed %v, skipped %v", ci, r.failed, r.skipped)
		}
	}
}

func TestOpenSSL(t *testing.T) {
	if got := string(OpenSSL(t, []byte("a"), "base64")); got != "YQ==\n" {
		t.Errorf("openssl base64 wrote %q", got)
	}
	if out, err := TryOpenSSL(t, nil, "unknown"); err == nil {
		t.Errorf("an unknown command succeeded: %s", out)
	}
}

// Events are recorded from any goroutine, in the order of each.
func TestEvents(t *testing.T) {
	var e Events[int]
	var also atomic.Int64
	e.Also = func(n int) { also.Add(int64(n)) }
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := range 100 {
				e.Note(n)
			}
		})
	}
	wg.Wait()
	all := e.All()
	if len(all) != 400 || also.Load() != 4*4950 {
		t.Errorf("%d events, sum %d", len(all), also.Load())
	}
	all[0] = -1
	if e.All()[0] == -1 {
		t.Error("All returns its own memory")
	}
}
