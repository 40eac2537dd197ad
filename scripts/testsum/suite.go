package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is what testsum needs of an event of test2json.
type event struct {
	Time                          time.Time
	Action, Package, Test, Output string
}

// suite is what is known of a run.
type suite struct {
	tests       map[test]*outcome
	processes   map[string]*process // by package: the last one
	broken      map[string]string   // packages that no second run of a test redeems, with their output
	first, last time.Time
}

type test struct{ pkg, name string }

func (t test) String() string { return t.pkg + "." + t.name }

type outcome struct {
	last       string // action that ended the last run
	failed     bool   // in any run, not just because of a subtest
	failedLate bool   // in a run after the first
}

// process is one run of a package's test binary.
type process struct {
	rerun   bool
	running map[test]bool
	failed  []test
	output  string // of no test
}

func newSuite() *suite {
	return &suite{tests: map[test]*outcome{}, processes: map[string]*process{}, broken: map[string]string{}}
}

// read takes the events of a run.
func (s *suite) read(r io.Reader) error {
	for dec := json.NewDecoder(r); ; {
		var e event
		switch err := dec.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		s.take(e)
	}
}

func (s *suite) take(e event) {
	if s.first.IsZero() {
		s.first = e.Time
	}
	if e.Time.After(s.last) {
		s.last = e.Time
	}
	switch {
	case e.Package == "": // of the build
	case e.Action == "start":
		s.processes[e.Package] = &process{rerun: s.processes[e.Package] != nil, running: map[test]bool{}}
	case e.Test != "":
		s.takeTest(e)
	case e.Action == "output":
		s.process(e.Package).output += e.Output
	case e.Action == "pass" || e.Action == "fail":
		s.endPackage(e)
	}
}

func (s *suite) takeTest(e event) {
	t, p := test{e.Package, e.Test}, s.process(e.Package)
	if s.tests[t] == nil {
		s.tests[t] = &outcome{}
	}
	switch e.Action {
	case "run":
		p.running[t] = true
	case "pass", "skip", "fail":
		delete(p.running, t)
		s.tests[t].last = e.Action
		if e.Action == "fail" {
			p.failed = append(p.failed, t)
		}
	}
}

func (s *suite) endPackage(e event) {
	p := s.process(e.Package)
	if len(p.running) > 0 || e.Action == "fail" && len(p.failed) == 0 {
		s.broken[e.Package] = p.output
	}
	for _, t := range p.failed {
		if hasFailedSubtest(t, p.failed) {
			continue
		}
		s.tests[t].failed = true
		s.tests[t].failedLate = s.tests[t].failedLate || p.rerun
	}
}

func (s *suite) process(pkg string) *process {
	if s.processes[pkg] == nil {
		s.processes[pkg] = &process{running: map[test]bool{}}
	}
	return s.processes[pkg]
}

func hasFailedSubtest(t test, failed []test) bool {
	return slices.ContainsFunc(failed, func(f test) bool {
		return f.pkg == t.pkg && strings.HasPrefix(f.name, t.name+"/")
	})
}

// report prints the result and reports whether there was no failure. The status
// is what the run exited with. The output of a broken package is printed here,
// because gotestsum forgets it when the second run passes.
func (s *suite) report(w io.Writer, status int, ci bool) bool {
	var flaky, failures []string
	for t, o := range s.tests {
		switch {
		case o.failed && (o.failedLate || o.last != "pass"):
			failures = append(failures, t.String())
		case o.failed:
			flaky = append(flaky, t.String())
		case o.last == "skip" && ci:
			failures = append(failures, t.String()+", which was skipped")
		}
	}
	failures = slices.AppendSeq(failures, maps.Keys(s.broken))
	if status != 0 && len(failures) == 0 {
		failures = []string{fmt.Sprintf("the run, with status %d", status)}
	}
	for _, pkg := range slices.Sorted(maps.Keys(s.broken)) {
		fmt.Fprintf(w, "=== FAIL: %s\n%s\n", pkg, s.broken[pkg])
	}
	list(w, "flaky: ", flaky)
	list(w, "failed: ", failures)
	fmt.Fprintf(w, "DONE %d tests, %d skipped, %d flaky, %d failures in %.0fs\n",
		len(s.tests), s.skipped(), len(flaky), len(failures), s.last.Sub(s.first).Seconds())
	return len(failures) == 0
}

func (s *suite) skipped() (n int) {
	for _, o := range s.tests {
		if o.last == "skip" {
			n++
		}
	}
	return n
}

func list(w io.Writer, what string, names []string) {
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintln(w, what+name)
	}
}
