package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// A number of a pattern has its user, with all phones, from the first request on, and a
// request is what makes it: a signature or a profile query.
func TestPattern(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(scenario.User{MSISDN: "+4179001*"})
	f.put(scenario.User{MSISDN: "+41790019*", Methods: appOnly, Behaviour: "cancel"})
	f.put(scenario.User{MSISDN: "+41790019999", State: scenario.Suspended})
	f.put(scenario.User{MSISDN: "+41790019998", State: scenario.NoAccount})
	for msisdn, want := range map[string][2]signum.Code{
		"+41790010000": {0, 0},
		"+41790019000": {401, 0},   // the longer pattern
		"+41790019999": {403, 403}, // the user of this number
		"+41790019998": {105, 105}, // which may be nobody
		"+41790020000": {105, 105}, // another number
		"+4179001":     {101, 101}, // no number at all
		"+41000092404": {404, 404}, // a test number
	} {
		if sign, profile := f.codes("rest", msisdn); [2]signum.Code{sign, profile} != want {
			t.Errorf("%s: %d and %d, want %d", msisdn, sign, profile, want)
		}
	}
	if sign, _ := f.codes("soap", "+41790010001", func(r *request) { r.Profile = signum.ProfileDevice }); sign != 0 {
		t.Errorf("App: %d", sign)
	}
	for _, msisdn := range []string{"+4179001*", "+41790010000", "+41790010001", "+41790019000"} {
		if _, err := f.GetUser(t.Context(), msisdn); err != nil {
			t.Errorf("%s: %v", msisdn, err)
		}
	}
	// Without the pattern, its users stay and no other is made.
	if err := f.Sandbox.RemoveUser(t.Context(), "+4179001*"); err != nil {
		t.Fatal(err)
	}
	for msisdn, want := range map[string]signum.Code{"+41790010000": 0, "+41790010002": 105} {
		if sign, _ := f.codes("rest", msisdn); sign != want {
			t.Errorf("%s: %d", msisdn, sign)
		}
	}
	if err := f.Sandbox.RemoveUser(t.Context(), "+4179001*"); !errors.Is(err, world.ErrNoUser) {
		t.Error(err)
	}
}

// A log-in to self-care makes the user of a pattern, too.
func TestPatternLogIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(scenario.User{MSISDN: "+4179001*", Methods: simOnly, Behaviour: "silent"})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: &http.Transport{}}
	defer browser.CloseIdleConnections()
	page := func(resp *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%d, %v\n%s", resp.StatusCode, err, text)
		}
		return string(text)
	}
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(page(browser.Get(f.WebURL() + "/me/login")))
	if token == nil {
		t.Fatal("the page has no form")
	}
	const msisdn = "+41790010000"
	form := url.Values{"token": {token[1]}, "number": {msisdn}, "method": {"sim"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.WebURL()+"/me/login", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", f.WebURL())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	page(browser.Do(r))
	f.whenOpen(msisdn)
	if s := accountOf(t, f.Sandbox, msisdn); len(s.Devices) != 1 {
		t.Errorf("%+v", s)
	}
}

// Many requests for one new number make one user, and each of them finds all its phones.
func TestPatternRace(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixtureWith(t, Config{Store: store(t)})
			f.put(scenario.User{MSISDN: "+4179001*", Methods: appOnly})
			var all sync.WaitGroup
			for i := range 24 {
				msisdn := fmt.Sprintf("+4179001000%d", i%3)
				all.Go(func() {
					h := f.header()
					h.Version = signum.Version{Major: "2", Minor: "0"}
					if _, err := f.clients[wires[i%2]].Do(t.Context(), &signum.ProfileRequest{Header: h, MSISDN: msisdn}); err != nil {
						t.Errorf("%s: %v", msisdn, err)
					}
				})
			}
			all.Wait()
			for i := range 3 {
				if s := accountOf(t, f.Sandbox, fmt.Sprintf("+4179001000%d", i)); len(s.Devices) != 1 {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

// Patterns, and the users that they made, are there in the next run.
func TestPatternNextRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box, stop := runUntil(t, Config{Dir: dir})
	if _, err := box.PutUser(t.Context(), scenario.User{MSISDN: "+4179001*", Methods: simOnly}); err != nil {
		t.Fatal(err)
	}
	if err := call(t, box, "+41790010000", signum.ProfileSTK); err != nil {
		t.Fatal(err)
	}
	serial := accountOf(t, box, "+41790010000").Serial
	stop()
	info, err := client.LoadSandbox(dir)
	if err != nil || len(info.Patterns) != 1 || info.Patterns[0].MSISDN != "+4179001*" {
		t.Errorf("sandbox.json: %+v, %v", info.Patterns, err)
	}
	box = run(t, Config{Dir: dir})
	for _, msisdn := range []string{"+41790010000", "+41790010001"} {
		if err := call(t, box, msisdn, signum.ProfileSTK); err != nil {
			t.Errorf("%s: %v", msisdn, err)
		}
	}
	if s := accountOf(t, box, "+41790010000"); s.Serial != serial {
		t.Error("the user is another one")
	}
}

// BenchmarkPattern says how long a first request takes longer than others.
func BenchmarkPattern(b *testing.B) {
	for name, methods := range map[string][]signum.Method{"SIM": simOnly, "SIM and App": twoKinds} {
		b.Run(name, func(b *testing.B) {
			box := openBench(b)
			if _, err := box.PutUser(b.Context(), scenario.User{MSISDN: "+4179001*", Methods: methods}); err != nil {
				b.Fatal(err)
			}
			store := box.WrapStore(box.Store)
			start := time.Now()
			n := 0
			for b.Loop() {
				if _, err := store.Subscriber(b.Context(), fmt.Sprintf("+4179001%04d", n)); err != nil {
					b.Fatal(err)
				}
				if n++; n == world.MaxMade {
					break
				}
			}
			b.ReportMetric(float64(time.Since(start).Microseconds())/float64(n)/1000, "ms/user")
		})
	}
}

func openBench(b *testing.B) *Sandbox {
	b.Helper()
	box, err := Open(b.Context(), Config{Dir: b.TempDir(), Addr: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- box.Run(b.Context()) }()
	b.Cleanup(func() {
		if err := errors.Join(<-served, box.Close()); err != nil {
			b.Error(err)
		}
	})
	<-box.Ready()
	return box
}
