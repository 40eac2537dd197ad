package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestReport feeds the events of go test in short: "run p.A", "fail p" and so
// on, an event each second; "output p.~text" is what no test wrote.
func TestReport(t *testing.T) {
	for _, tt := range []struct {
		name, events string
		status       int
		ci           bool
		want         string // one line, without the time; it fails unless this ends in "0 failures"
	}{
		{name: "nothing ran", want: "DONE 0 tests, 0 skipped, 0 flaky, 0 failures"},
		{name: "passes, and a package has no tests",
			events: "start p, run p.A, pass p.A, pass p, start q, skip q",
			want:   "DONE 1 tests, 0 skipped, 0 flaky, 0 failures"},
		{name: "packages at the same time",
			events: "start p, start q, run p.A, run q.B, pass q.B, pass p.A, pass q, pass p",
			want:   "DONE 2 tests, 0 skipped, 0 flaky, 0 failures"},
		{name: "fails once",
			events: "start p, run p.A, fail p.A, fail p, start p, run p.A, pass p.A, pass p",
			want:   "flaky: p.A / DONE 1 tests, 0 skipped, 1 flaky, 0 failures"},
		{name: "fails twice",
			events: "start p, run p.A, fail p.A, fail p, start p, run p.A, fail p.A, fail p", status: 1,
			want: "failed: p.A / DONE 1 tests, 0 skipped, 0 flaky, 1 failures"},
		{name: "fails, and is not run again",
			events: "start p, run p.A, fail p.A, fail p", status: 1,
			want: "failed: p.A / DONE 1 tests, 0 skipped, 0 flaky, 1 failures"},
		{name: "a subtest fails once",
			events: "start p, run p.A, run p.A/x, fail p.A/x, run p.AB, pass p.AB, fail p.A, fail p, start p, run p.A, run p.A/x, pass p.A/x, pass p.A, pass p",
			want:   "flaky: p.A/x / DONE 3 tests, 0 skipped, 1 flaky, 0 failures"},
		{name: "of two subtests, one fails twice",
			events: "start p, run p.A, run p.A/x, fail p.A/x, run p.A/y, fail p.A/y, fail p.A, fail p, " +
				"start p, run p.A, run p.A/y, fail p.A/y, fail p.A, fail p, start p, run p.A, run p.A/x, pass p.A/x, pass p.A, pass p", status: 1,
			want: "flaky: p.A/x / failed: p.A/y / DONE 3 tests, 0 skipped, 1 flaky, 1 failures"},
		{name: "a subtest passes the second time, its parent fails then",
			events: "start p, run p.A, run p.A/x, fail p.A/x, fail p.A, fail p, start p, run p.A, run p.A/x, pass p.A/x, fail p.A, fail p", status: 1,
			want: "flaky: p.A/x / failed: p.A / DONE 2 tests, 0 skipped, 1 flaky, 1 failures"},
		{name: "a subtest is not there the second time",
			events: "start p, run p.A, run p.A/x, fail p.A/x, fail p.A, fail p, start p, run p.A, pass p.A, pass p",
			want:   "failed: p.A/x / DONE 2 tests, 0 skipped, 0 flaky, 1 failures"},
		{name: "skips itself the second time",
			events: "start p, run p.A, fail p.A, fail p, start p, run p.A, skip p.A, pass p",
			want:   "failed: p.A / DONE 1 tests, 1 skipped, 0 flaky, 1 failures"},
		{name: "does not build",
			events: "start p, fail p", status: 1,
			want: "=== FAIL: p /  / failed: p / DONE 0 tests, 0 skipped, 0 flaky, 1 failures"},
		{name: "the process ends before its tests, which the second run does not notice",
			events: "start p, run p.A, fail p, start p, run p.A, pass p.A, pass p",
			want:   "=== FAIL: p /  / failed: p / DONE 1 tests, 0 skipped, 0 flaky, 1 failures"},
		{name: "a leak, which the second run does not notice",
			events: "start p, run p.A, pass p.A, output p.~goroutine, fail p, start p, pass p",
			want:   "=== FAIL: p / goroutine / failed: p / DONE 1 tests, 0 skipped, 0 flaky, 1 failures"},
		{name: "go test itself fails",
			events: "start p, run p.A, pass p.A, pass p", status: 2,
			want: "failed: the run, with status 2 / DONE 1 tests, 0 skipped, 0 flaky, 1 failures"},
		{name: "skipped",
			events: "start p, run p.A, skip p.A, pass p",
			want:   "DONE 1 tests, 1 skipped, 0 flaky, 0 failures"},
		{name: "skipped in CI",
			events: "start p, run p.A, skip p.A, pass p", ci: true,
			want: "failed: p.A, which was skipped / DONE 1 tests, 1 skipped, 0 flaky, 1 failures"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSuite()
			if err := s.read(strings.NewReader(events(t, tt.events))); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			passed := s.report(&out, tt.status, tt.ci)
			got, _, ok := strings.Cut(strings.ReplaceAll(strings.TrimSpace(out.String()), "\n", " / "), " in ")
			if got != tt.want || !ok {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if want := strings.HasSuffix(tt.want, " 0 failures"); passed != want {
				t.Errorf("it passes: %v, want %v", passed, want)
			}
		})
	}
}

func events(t *testing.T, short string) string {
	t.Helper()
	var b strings.Builder
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for e := range strings.SplitSeq(short, ", ") {
		action, name, _ := strings.Cut(e, " ")
		name, output, _ := strings.Cut(name, ".~")
		pkg, name, _ := strings.Cut(name, ".")
		at = at.Add(time.Second)
		if err := json.NewEncoder(&b).Encode(event{at, action, pkg, name, output}); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestTruncated(t *testing.T) {
	if err := newSuite().read(strings.NewReader(`{"Action":"start","Pack`)); err == nil {
		t.Error("half an event is taken")
	}
}

func TestTime(t *testing.T) {
	s := newSuite()
	if err := s.read(strings.NewReader(`{"Action":"build-output"}` + events(t, "start p, run p.A, pass p.A, pass p"))); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if s.report(&out, 0, false); !strings.HasSuffix(out.String(), "in 3s\n") {
		t.Errorf("four seconds' events give %q", out.String())
	}
}
