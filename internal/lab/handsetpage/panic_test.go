package handsetpage

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/signum-mssp/signum/internal/testkit"
)

var incidentShown = regexp.MustCompile(`"incident":"(\w{12})"`)

// A request that panics is answered as an internal error with its incident, and the
// next one is served.
func TestHandsetPanics(t *testing.T) {
	log := new(testkit.Buffer)
	f, h := newSIMPage(t, log)
	press := fmt.Sprintf(`{"msisdn":%q,"id":"1","key":"ok","input":"4711"}`, simAnna)
	for _, tc := range []struct{ call, method, target, body string }{
		{"List", "GET", "/phone/sim/list", ""},
		{"Dialogue", "GET", "/phone/sim?msisdn=" + url.QueryEscape(simAnna), ""},
		{"Watch", "GET", "/phone/sim/live?msisdn=" + url.QueryEscape(simAnna), ""},
		{"Press", "POST", "/phone/sim/press", press},
	} {
		f.ask(simAnna, pin(simPIN), nil)
		ask := func() (int, string) {
			resp := askSIM(h, tc.method, tc.target, tc.body, "Content-Type", "application/json")
			body, _ := io.ReadAll(resp.Body)
			return resp.StatusCode, string(body)
		}
		f.panicIn(tc.call)
		status, body := ask()
		m := incidentShown.FindStringSubmatch(body)
		if status != 500 || m == nil || !strings.Contains(log.String(), "incident="+m[1]) {
			t.Errorf("%s: %d %s", tc.call, status, body)
		}
		f.panicIn("")
		if status, body := ask(); status >= 500 {
			t.Errorf("%s, the next request: %d %s", tc.call, status, body)
		}
	}
	if strings.Contains(log.String(), "4711") {
		t.Errorf("the PIN is in the log:\n%s", log)
	}
}

// A panic on the connection of a page closes that connection only.
func TestHandsetLivePanics(t *testing.T) {
	log := new(testkit.Buffer)
	s := newSIMService(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	s.panicIn("Dialogue")
	closedWith(t, dialSIM(t, s, simAnna, ""), websocket.StatusInternalError)
	s.panicIn("")
	told(t, dialSIM(t, s, simAnna, ""), "the next page", func(s state) bool { return s.ByHand })
	if !strings.Contains(log.String(), "goroutine") {
		t.Errorf("no stack in the log:\n%s", log)
	}
}

// A handset that panics when it is taken over stays with the simulated person. The
// page is not stuck, and can be closed.
func TestHandsetTakeOverPanics(t *testing.T) {
	s := newSIMService(t)
	s.panicIn("TakeOver")
	c := dialSIM(t, s, simAnna, "")
	told(t, c, "without the handset", func(s state) bool { return !s.ByHand })
	s.panicIn("")
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"byHand":true}`)); err != nil {
		t.Fatal(err)
	}
	told(t, c, "with the handset", func(s state) bool { return s.ByHand })
	s.panicIn("TakeOver")
	s.page.Close()
	if got := s.hands(simAnna); !slices.Equal(got, []bool{true}) {
		t.Errorf("hands %v", got)
	}
}
