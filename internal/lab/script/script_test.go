package script

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
)

func request(text string, change ...func(*Request)) *Request {
	r := &Request{Operation: Signature, Method: signum.SIM, APID: "mid://bank", Profile: func() string { return signum.ProfileSTK }, Text: text}
	for _, c := range change {
		c(r)
	}
	return r
}

func TestMatch(t *testing.T) {
	t.Parallel()
	r := request("Pay 10 francs?")
	for match, want := range map[string]bool{
		`{}`: true, `{"operation":"signature"}`: true, `{"operation":"receipt"}`: false, `{"method":"SIM"}`: true, `{"method":"App"}`: false,
		`{"ap_id":"mid://bank"}`: true, `{"ap_id":"mid://shop"}`: false,
		`{"profile":"` + signum.ProfileSTK + `"}`: true, `{"profile":"` + signum.ProfileDevice + `"}`: false,
		`{"text":{"equals":"Pay 10 francs?"}}`: true, `{"text":{"equals":"Pay"}}`: false, `{"text":{"contains":"10"}}`: true, `{"text":{"contains":"11"}}`: false,
		`{"text":{"matches":"^Pay [0-9]+ "}}`: true, `{"text":{"matches":"^Pay$"}}`: false, `{"text":{"contains":"10","matches":"x"}}`: false,
	} {
		var q Queue
		var m Match
		if err := json.Unmarshal([]byte(match), &m); err != nil {
			t.Fatal(err)
		}
		if err := q.Set([]Step{{Match: m, Act: Act{Do: "cancel"}}}); err != nil {
			t.Fatal(err)
		}
		if _, got := q.Take(r); got != want {
			t.Errorf("%s: %t", match, got)
		}
		if left := len(q.Steps()); (left == 0) != want {
			t.Errorf("%s: %d steps are left", match, left)
		}
	}
}

// A step is for one request, for several, or for all; it may wait for the n-th.
func TestTake(t *testing.T) {
	t.Parallel()
	step := func(do string, times, nth int) Step {
		return Step{Match: Match{Nth: nth}, Act: Act{Do: do}, Times: times}
	}
	for _, tt := range []struct {
		steps []Step
		want  string
	}{
		{nil, "- - -"},
		{[]Step{step("cancel", 0, 0)}, "cancel - -"},
		{[]Step{step("cancel", 2, 0), step("report", 1, 0)}, "cancel cancel report -"},
		{[]Step{step("cancel", -1, 0), step("report", 0, 0)}, "cancel cancel cancel cancel"},
		{[]Step{step("cancel", 0, 2)}, "- cancel -"},
		{[]Step{step("cancel", 0, 2), step("report", 0, 0)}, "report cancel -"},
		{[]Step{step("cancel", 2, 3)}, "- - cancel cancel -"},
	} {
		var q Queue
		if err := q.Add(tt.steps); err != nil {
			t.Fatal(err)
		}
		for i, want := range strings.Fields(tt.want) {
			a, ok := q.Take(request("x"))
			if got := a.Do; got != strings.TrimPrefix(want, "-") || ok != (want != "-") {
				t.Errorf("%+v: request %d gets %q, want %s", tt.steps, i+1, got, want)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, do := range Acts() {
		if err := Check([]Step{{Act: Act{Do: do, After: "2s", Location: "DE,age=3h"}}}); err != nil {
			t.Errorf("%s: %v", do, err)
		}
	}
	for text, want := range map[string]string{
		`{"act":{"do":""}}`:                                         "do must be one of",
		`{"act":{"do":"approve:2s"}}`:                               "do must be one of",
		`{"act":{"do":"approve","after":"2"}}`:                      "after",
		`{"act":{"do":"approve","after":"-2s"}}`:                    "negative",
		`{"act":{"do":"approve","times":1}}`:                        "times",
		`{"act":{"do":"wrong-pin","times":3}}`:                      "1 or 2",
		`{"act":{"do":"approve","location":"XX"}}`:                  "not a country",
		`{"act":{"do":"approve"},"match":{"nth":-1}}`:               "nth",
		`{"act":{"do":"approve"},"match":{"operation":"sign"}}`:     "operation",
		`{"act":{"do":"approve"},"match":{"method":"Watch"}}`:       "method",
		`{"act":{"do":"approve"},"match":{"text":{"matches":"["}}}`: "text",
	} {
		var s Step
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		var q Queue
		if err := q.Set([]Step{{Act: Act{Do: "cancel"}}}); err != nil {
			t.Fatal(err)
		}
		if err := q.Set([]Step{s}); err == nil || !strings.Contains(err.Error(), want) || len(q.Steps()) != 1 {
			t.Errorf("%s: %v, %d steps", text, err, len(q.Steps()))
		}
	}
	b, err := (&Act{Do: WrongKey, After: "2s"}).Behaviour()
	if want := (person.Behaviour{Do: person.Approve, After: 2 * time.Second}); err != nil || b != want {
		t.Errorf("%v, %v", b, err)
	}
	if !(&Act{Do: Late}).Broken() || (&Act{Do: "cancel"}).Broken() {
		t.Error("which acts break rules")
	}
}

func FuzzStep(f *testing.F) {
	f.Add(`{"match":{"text":{"matches":"^a"},"nth":2},"act":{"do":"wrong-pin","times":1,"after":"1s"},"times":-1}`, "abc")
	f.Fuzz(func(t *testing.T, step, text string) {
		var s Step
		var q Queue
		if json.Unmarshal([]byte(step), &s) != nil || q.Set([]Step{s}) != nil {
			return
		}
		for range 3 {
			if a, ok := q.Take(request(text)); ok && a.Check() != nil {
				t.Fatalf("%s: %+v", step, a)
			}
		}
	})
}
