package handsetpage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/signum-mssp/signum/internal/testkit"
	"github.com/signum-mssp/signum/internal/web"
)

const simOrigin = "http://localhost:8444"

// askSIM makes one request to the page. header alternates names and values.
func askSIM(h http.Handler, method, target, body string, header ...string) *http.Response {
	r := httptest.NewRequest(method, simOrigin+target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func newSIMPage(t *testing.T, log io.Writer) (*fakeHandsets, http.Handler) {
	t.Helper()
	f := newFakeHandsets()
	p := New(Config{Handsets: f, Logger: slog.New(slog.NewTextHandler(log, nil))})
	t.Cleanup(func() { p.Close() })
	return f, p.Handler()
}

func TestHandsetRequests(t *testing.T) {
	_, h := newSIMPage(t, io.Discard)
	anna := "?msisdn=" + url.QueryEscape(simAnna)
	for _, tt := range []struct {
		name, method, target string
		want                 int
		header               []string
	}{
		{"the list", "GET", "/phone/sim", 200, nil},
		{"HEAD", "HEAD", "/phone/sim", 200, nil},
		{"a handset", "GET", "/phone/sim" + anna, 200, nil},
		{"a plus as it is", "GET", "/phone/sim?msisdn=" + simAnna, 200, nil},
		{"a wrong number", "GET", "/phone/sim?msisdn=%2B41790000000", 404, nil},
		{"no number", "GET", "/phone/sim?msisdn=", 404, nil},
		{"a slash more", "GET", "/phone/sim/" + anna, 308, nil},
		{"handsets as JSON", "GET", "/phone/sim/list", 200, nil},
		{"a script", "GET", "/phone/sim/main.js", 200, nil},
		{"the bare page", "GET", "/phone/sim/index.html", 404, nil},
		{"nothing", "GET", "/phone/sim/none.js", 404, nil},
		{"deeper", "GET", "/phone/sim/a/b", 404, nil},
		{"above", "GET", "/phone/sim/../handset.go", 307, nil}, // to /phone/handset.go, which is not ours
		{"POST to the page", "POST", "/phone/sim", 405, nil},
		{"PUT of a key", "PUT", "/phone/sim/press", 405, nil},
		{"GET of a key", "GET", "/phone/sim/press", 404, nil},
		{"no WebSocket", "GET", "/phone/sim/live" + anna, 426, nil},
		{"a WebSocket of a wrong number", "GET", "/phone/sim/live?msisdn=%2B41790000000", 404, nil},

		{"our origin", "GET", "/phone/sim/list", 200, []string{"Origin", simOrigin}},
		{"a link from elsewhere", "GET", "/phone/sim", 200, []string{"Sec-Fetch-Site", "cross-site"}},
		{"another origin", "GET", "/phone/sim/list", 403, []string{"Origin", "https://evil.test"}},
		{"another port", "GET", "/phone/sim/list", 403, []string{"Origin", "http://localhost:8445"}},
		{"an origin that is not one", "GET", "/phone/sim/list", 403, []string{"Origin", "null"}},
		{"a WebSocket of another origin", "GET", "/phone/sim/live" + anna, 403, []string{"Origin", "https://evil.test", "Connection", "Upgrade", "Upgrade", "websocket"}},
	} {
		resp := askSIM(h, tt.method, tt.target, "", tt.header...)
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, resp.StatusCode, tt.want)
		}
		cache := "no-store"
		if strings.HasSuffix(tt.target, ".js") && tt.want == 200 {
			cache = "no-cache"
		}
		for name, want := range map[string]string{"Content-Security-Policy": web.Policy, "X-Content-Type-Options": "nosniff", "Cache-Control": cache, "Access-Control-Allow-Origin": ""} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", tt.name, name, got, want)
			}
		}
	}
	list, _ := io.ReadAll(askSIM(h, "GET", "/phone/sim/list", "").Body)
	if want := `{"handsets":[{"msisdn":"+41791234001","iccid":"89410112345678900011","name":"Anna"},{"msisdn":"+41791234002","iccid":"89410112345678900029","name":""}]}`; string(list) != want {
		t.Errorf("list %s", list)
	}
}

func TestHandsetPress(t *testing.T) {
	log := new(testkit.Buffer)
	f, h := newSIMPage(t, log)
	big := uint64(1<<63 + 1) // JavaScript cannot represent it
	good := fmt.Sprintf(`{"msisdn":%q,"id":"%d","key":"ok","input":"47110815"}`, simAnna, big)
	body := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, tt := range []struct {
		name, body string
		want       int
		header     []string
	}{
		{"good", good, 204, nil},
		{"cancel", body(`"ok","input":"47110815"`, `"cancel"`), 204, nil},
		{"back", body(`"ok","input":"47110815"`, `"back"`), 204, nil},
		{"with the charset", good, 204, []string{"Content-Type", "application/json; charset=utf-8"}},
		{"our own page", good, 204, []string{"Origin", simOrigin, "Sec-Fetch-Site", "same-origin"}},
		{"another dialogue", body(fmt.Sprint(big), "7"), 409, nil},
		{"another number", body(simAnna, "+41790000000"), 404, nil},
		{"too short", body("47110815", "471"), 422, nil},
		{"no number", body(simAnna, ""), 400, nil},
		{"an input to cancel", body(`"ok"`, `"cancel"`), 400, nil},
		{"an input to back", body(`"ok"`, `"back"`), 400, nil},
		{"another key", body(`"ok"`, `"call"`), 400, nil},
		{"no key", body(`"key":"ok",`, ``), 400, nil},
		{"a number for the id", body(fmt.Sprintf(`"%d"`, big), "7"), 400, nil},
		{"more members", body(`"key"`, `"more":1,"key"`), 400, nil},
		{"a member twice", body(`"key"`, `"id":"7","key"`), 400, nil},
		{"more behind", good + "{}", 400, nil},
		{"an array", "[]", 400, nil},
		{"nothing", "", 400, nil},
		{"half of it", good[:40], 400, nil},
		{"a long input", body("47110815", strings.Repeat("1", 256)), 400, nil},
		{"too much", body("47110815", strings.Repeat("1", 5000)), 413, nil},
		{"a form", good, 415, []string{"Content-Type", "text/plain"}},
		{"no type", good, 415, []string{"Content-Type", ""}},
		{"another origin", good, 403, []string{"Origin", "https://evil.test"}},
		{"another site", good, 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{"a neighbour", good, 403, []string{"Sec-Fetch-Site", "same-site"}},
	} {
		f.set(simAnna, func(p *fakeHandset) {
			p.dialogue, p.presses = pin(simPIN), nil
			p.dialogue.ID = big
		})
		resp := askSIM(h, "POST", "/phone/sim/press", tt.body, append([]string{"Content-Type", "application/json"}, tt.header...)...)
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, resp.StatusCode, tt.want)
		}
		if answer, _ := io.ReadAll(resp.Body); strings.Contains(string(answer), "4711") {
			t.Errorf("%s: the answer has the PIN: %s", tt.name, answer)
		}
		if n := f.pressed(simAnna); (n != "") != (tt.want == 204) {
			t.Errorf("%s: pressed %q", tt.name, n)
		}
	}
	f.broken = errors.New("broken: 4711")
	if resp := askSIM(h, "POST", "/phone/sim/press", good, "Content-Type", "application/json"); resp.StatusCode != 500 {
		t.Errorf("broken: %d", resp.StatusCode)
	}
	// The key is in the log, but neither the PIN nor the full number.
	if s := log.String(); !strings.Contains(s, "+41****01") || !strings.Contains(s, "outcome=stale") || strings.Contains(s, "4711") || strings.Contains(s, simAnna) {
		t.Errorf("log:\n%s", s)
	}
}

// dialSIM opens the connection of a page.
func dialSIM(t *testing.T, s *simService, msisdn, more string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), s.http.URL+"/phone/sim/live?msisdn="+url.QueryEscape(msisdn)+more, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(1 << 20)
	return c
}

// told reads states until one is as expected.
func told(t *testing.T, c *websocket.Conn, what string, ok func(state) bool) state {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		var s state
		if err := wsjson.Read(ctx, c, &s); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if ok(s) {
			return s
		}
	}
}

func closedWith(t *testing.T, c *websocket.Conn, want websocket.StatusCode) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			if got := websocket.CloseStatus(err); got != want {
				t.Errorf("closed with %d, want %d: %v", got, want, err)
			}
			return
		}
	}
}

func TestHandsetLive(t *testing.T) {
	s := newSIMService(t)
	c := dialSIM(t, s, simAnna, "")
	first := told(t, c, "first", func(state) bool { return true })
	if first.MSISDN != simAnna || first.Name != "Anna" || first.ICCID == "" || !first.ByHand || first.Dialogue.Kind != DialogueIdle || first.Dialogue.Until != 0 || first.Messages == nil {
		t.Errorf("state %+v", first)
	}
	d := pin("\x00 <b> € \xff")
	s.ask(simAnna, d, nil)
	got := told(t, c, "dialogue", func(s state) bool { return s.Dialogue.Kind == DialogueInput }).Dialogue
	if got.ID != 1 || got.Text != "\x00 <b> € \ufffd" || !got.Hidden || !got.Digits || got.Min != 4 || got.Max != 8 || got.Until-got.Since != 60_000 {
		t.Errorf("dialogue %+v", got)
	}
	for i := range 60 {
		s.text(simAnna, fmt.Sprint(i), i == 59)
	}
	m := told(t, c, "messages", func(s state) bool {
		return len(s.Messages) > 0 && s.Messages[len(s.Messages)-1].Text == "59"
	}).Messages
	if len(m) != 50 || m[0].Text != "10" || m[0].Flash || !m[49].Flash {
		t.Errorf("%d messages", len(m))
	}
	// A stale key refreshes the page although nothing has changed.
	resp, err := http.Post(s.http.URL+"/phone/sim/press", "application/json", strings.NewReader(fmt.Sprintf(`{"msisdn":%q,"id":"99","key":"ok"}`, simAnna)))
	if err != nil || resp.StatusCode != 409 {
		t.Fatalf("stale: %v %v", resp, err)
	}
	resp.Body.Close()
	told(t, c, "after the stale key", func(s state) bool { return s.Dialogue.ID == 1 })
	s.ask(simAnna, Dialogue{Kind: "flash", Text: "x"}, nil)
	told(t, c, "another kind", func(s state) bool { return s.Dialogue.Kind == DialogueIdle && s.Dialogue.Text == "" })
	s.remove(simAnna)
	closedWith(t, c, closeUnknown)
}

func TestHandsetFrames(t *testing.T) {
	s := newSIMService(t)
	for frame, want := range map[string]websocket.StatusCode{
		"{}": websocket.StatusPolicyViolation, `{"byHand":1}`: websocket.StatusPolicyViolation, `{"byHand":true,"more":1}`: websocket.StatusPolicyViolation,
		"": websocket.StatusPolicyViolation, strings.Repeat(" ", 300): websocket.StatusMessageTooBig,
	} {
		c := dialSIM(t, s, simAnna, "")
		if err := c.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
			t.Fatal(err)
		}
		closedWith(t, c, want)
	}
}

func TestHandsetTakeOver(t *testing.T) {
	s := newSIMService(t, func(c *Config) { c.Release = 50 * time.Millisecond })
	hands := func(want ...bool) {
		t.Helper()
		if got := s.hands(simAnna); !slices.Equal(got, want) {
			t.Errorf("hands %v, want %v", got, want)
		}
	}
	off := func(s state) bool { return !s.ByHand }
	on := func(s state) bool { return s.ByHand }
	a := dialSIM(t, s, simAnna, "")
	told(t, a, "a", on)
	b := dialSIM(t, s, simAnna, "&hand=off") // the second page does not decide
	told(t, b, "b", on)
	hands(true)
	if err := wsjson.Write(t.Context(), b, map[string]bool{"byHand": false}); err != nil {
		t.Fatal(err)
	}
	told(t, a, "a after b", off)
	if err := wsjson.Write(t.Context(), a, map[string]bool{"byHand": true}); err != nil {
		t.Fatal(err)
	}
	told(t, b, "b after a", on)
	hands(true, false, true)
	a.Close(websocket.StatusNormalClosure, "")
	b.CloseNow() // as if the browser crashed
	s.released(t, simAnna)
	hands(true, false, true, false)
	c := dialSIM(t, s, simAnna, "&hand=off") // after a restart of the service
	told(t, c, "c", off)
	hands(true, false, true, false)

	// Close returns the handsets and refuses new pages.
	d := dialSIM(t, s, simBeat, "")
	told(t, d, "d", on)
	s.page.Close()
	if got := s.hands(simBeat); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("hands after the end: %v", got)
	}
	e := dialSIM(t, s, simAnna, "")
	closedWith(t, e, closeBusy)
	s.page.Close()
}

func TestHandsetPages(t *testing.T) {
	s := newSIMService(t)
	open := make([]*websocket.Conn, maxPages)
	for i := range open {
		open[i] = dialSIM(t, s, simAnna, "")
		told(t, open[i], "page", func(state) bool { return true })
	}
	closedWith(t, dialSIM(t, s, simBeat, ""), closeBusy)
	for _, c := range open {
		c.CloseNow()
	}
	s.released(t, simAnna)
	told(t, dialSIM(t, s, simBeat, ""), "room again", func(state) bool { return true })
}
