package testkit

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
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

// What a test fetches is made once for the same files and version of a tool.
func TestFetched(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir()) // the cache, on other systems
	fetches := 0
	get := func(version, pins string, files ...string) string {
		t.Helper()
		all := fstest.MapFS{"pins.txt": {Data: []byte(pins)}}
		for _, f := range files {
			all[f] = &fstest.MapFile{Data: []byte(f)}
		}
		dir := fetched(t, "tool", all, version, func(run runner) error {
			fetches++
			return run("sh", "-c", "cp pins.txt fetched.txt")
		})
		if b, err := os.ReadFile(filepath.Join(dir, "fetched.txt")); err != nil || string(b) != pins {
			t.Errorf("%q, %v", b, err)
		}
		return dir
	}
	first := get("1", "a")
	if second := get("1", "a"); second != first || fetches != 1 {
		t.Errorf("fetched %d times, to %s and %s", fetches, first, second)
	}
	seen := map[string]bool{first: true}
	for _, dir := range []string{get("1", "b"), get("2", "a"), get("1", "a", "folder/more.txt")} {
		if seen[dir] {
			t.Errorf("%s has other files or another version", dir)
		}
		seen[dir] = true
	}
	if fetches != 4 {
		t.Errorf("fetched %d times, want 4", fetches)
	}
}

// A test that cannot fetch what it needs ends as Missing says, and leaves nothing behind.
func TestFetchedFails(t *testing.T) {
	t.Setenv("CI", "1")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	r := &recorder{TB: t}
	dir := fetched(r, "tool", fstest.MapFS{}, "", func(run runner) error { return run("false") })
	if !r.failed {
		t.Error("it did not fail")
	}
	if _, err := os.Stat(dir); dir != "" && err == nil {
		t.Errorf("%s is there", dir)
	}
}
