package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum/internal/lang"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// screen is a page in one state.
type screen struct {
	name, page, title string
	data              map[string]any
	visit             func(*session) // nil: nobody is logged in
}

type data = map[string]any

func user(*session)         {}
func byCode(s *session)     { s.recovery = true }
func (s screen) at() string { return "/me/see/" + s.name }

// screens are all pages of the portal, in the states in which they look different.
func screens() []screen {
	at := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	numbers := data{"Number": "079 123 45 67", "National": "079 123 45 67", "International": "+41 79 123 45 67", "Wait": "15 s"}
	with := func(base data, pairs ...any) data {
		d := data{}
		for k, v := range base {
			d[k] = v
		}
		for i := 0; i < len(pairs); i += 2 {
			d[pairs[i].(string)] = pairs[i+1]
		}
		return d
	}
	wait := data{"Number": portalNumber, "Code": pickCode, "Left": 3}
	sign := data{"ID": "app1", "Signers": []string{"App", "SIM"}, "Created": true}
	account := &mssp.Subscriber{MSISDN: portalNumber, Serial: "MIDCHE2X7K9QWER1", RecoveryCodeCreated: true}
	method := methodView{
		ID: "app1", Method: "App", StateKey: "state.ACTIVE", Active: true, KeyType: "EC P-256", Serial: "4f1d22a90be71c8e4f1d22a90be71c8e", Until: at,
		Name: "The telephone in Lena's kitchen", Seen: at, Signed: true,
	}
	blocked, expired, ended := method, method, methodView{ID: "sim1", Method: "SIM", StateKey: "state.INACTIVE", Network: "Sandbox Mobile", Dormant: true, Gone: true}
	blocked.ID, blocked.Blocked = "app2", true
	expired.ID, expired.CertKey = "app3", "cert.expired"
	row := func(key, kind string) activityRow {
		return activityRow{At: at, Party: "mid://the-longest-name-of-a-party.example", Title: "Zahlungsauftrag-an-die-Bäckereigenossenschaft", Method: "App", Text: "Bank: Überweisungsauftrag 12 \u05e9\u05dc\u05d5\u05dd - 30?", OutcomeKey: key, Kind: kind, Code: 503}
	}
	all := []screen{
		{"login", "login", "login.title", with(numbers, "Over", true), nil},
		{"login-number", "login", "login.title", with(numbers, "Problem", "number"), nil},
		{"login-slow", "login", "login.title", with(numbers, "Problem", "slow"), nil},
		{"recover", "recover", "recover.title", with(numbers, "Problem", ""), nil},
		{"recover-number", "recover", "recover.title", with(numbers, "Problem", "number"), nil},
		{"recover-slow", "recover", "recover.title", with(numbers, "Problem", "slow"), nil},
		{"recover-code", "recover", "recover.title", with(numbers, "Problem", "code"), nil},
		{"wait-start", "wait", "wait.title", with(wait, "Method", "App", "Stage", "start"), nil},
		{"wait-app", "wait", "wait.title", with(wait, "Method", "App", "Stage", "waiting"), nil},
		{"wait-sim", "wait", "wait.title", with(wait, "Method", "SIM", "Stage", "waiting"), nil},
		{"wait-wrong", "wait", "wait.title", with(wait, "Method", "SIM", "Stage", "waiting", "Left", 1), nil},
		{"wait-typed", "wait", "wait.title", with(wait, "Method", "SIM", "Stage", "typed"), nil},
		{"consent-app", "wait", "wait.title", with(wait, "Method", "App", "Stage", "waiting"), user},
		{"consent-sim", "wait", "wait.title", with(wait, "Method", "SIM", "Stage", "waiting"), user},
		{"ended-timeout", "ended", "ended.timeout.title", data{"State": "timeout", "Number": portalNumber}, nil},
		{"ended-wrong", "ended", "ended.wrong.title", data{"State": "wrong"}, nil},
		{"overview", "overview", "overview.title", data{"Account": account, "Notice": "removed", "Methods": []methodView{method, blocked, expired, ended}}, user},
		{"overview-code", "overview", "overview.title", data{"Account": &mssp.Subscriber{MSISDN: portalNumber, Serial: "M"}, "Methods": []methodView{}}, byCode},
		{"activity", "activity", "activity.title", data{"Rows": []activityRow{
			row("outcome.500", "good"), row("outcome.401", "bad"), row("outcome.open", "open"), row("outcome.other", "bad"), row("outcome.replaced", "bad"), {At: at, Own: true, Method: "SMS", OutcomeKey: "outcome.100", Kind: "good"},
		}}, user},
		{"activity-none", "activity", "activity.title", data{}, user},
		{"app", "app", "app.title", sign, user},
		{"app-nobody-signs", "app", "app.title", data{}, user},
		{"app-recovery", "app", "app.title", data{}, byCode},
		{"app-code", "appcode", "appcode.title", data{"Code": "K7QZ-4MX9-2T", "Link": "/phone", "Expires": at}, user},
		{"recovery", "recovery", "recovery.title", sign, user},
		{"recovery-code", "recoverycode", "recoverycode.title", data{"Code": "W4XD-9KQT-22MB-7HNP"}, user},
		{"shown", "shown", "shown.title", data{"Again": "/me/app"}, user},
		{"remove", "device", "device.App.title", with(sign, "Method", "App", "Last", true), user},
		{"end", "device", "device.SIM.title", with(sign, "Method", "SIM"), user},
		{"activate", "activate", "activate.title", sign, user},
		{"suspend", "suspend", "suspend.title", data{"Problem": true}, user},
		{"sessions", "sessions", "sessions.title", data{"Ended": true, "Sessions": []sessionView{
			{"a", "Firefox, Android", "2001:db8:1234:5678::/64", at, at, true, false}, {"b", "", "192.0.2.7", at, at, false, true},
		}}, user},
		{"objected", "objected", "objected.title", data{"Did": "suspended"}, nil},
	}
	for _, k := range []string{"app_added", "app_removed", "sim_activated", "sim_waiting", "sim_ended", "recovery_code", "recovery_login", "suspended"} {
		all = append(all, screen{"notice-" + k, "notice", "notice.title", data{"Kind": k, "Name": "Eve's telephone", "At": at, "Action": "/me/no/AB12"}, nil})
	}
	for _, k := range []string{"slow", "young", "barred", "wrong", "timeout", "failed", "blocked", "declined"} {
		all = append(all, screen{"unsigned-" + k, "unsigned", "unsigned." + k + ".title", data{"State": k, "Wait": "15 s", "Page": "/me/app"}, user})
	}
	for _, k := range []string{"missing", "cross_site", "stale", "suspended", "loggedout", "notice_over", "unsigned.slow"} {
		all = append(all, screen{"message-" + k, "message", k + ".title", data{"What": k}, nil})
	}
	for _, k := range []string{"needs_signature", "appLimit"} {
		all = append(all, screen{"message-" + k, "message", k + ".title", data{"What": k}, user})
	}
	return append(all, screen{"message-internal", "message", "internal.title", data{"What": "internal", "Incident": "5f2c91a07be3"}, nil})
}

// see serves the pages as the portal does, with the given content.
func see(p *Portal, all []screen) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", p.Handler())
	for _, s := range all {
		if s.page == "wait" {
			s.data["Base"] = s.at()
		}
		mux.Handle("GET "+s.at(), headers(p.entrance("see", func(c *call) {
			if s.visit != nil {
				c.session = &session{number: portalNumber}
				s.visit(c.session)
			}
			c.token, c.lang = "token", c.r.URL.Query().Get("in")
			c.render(http.StatusOK, s.page, s.title, s.data)
		})))
		mux.HandleFunc("GET "+s.at()+"/status", func(w http.ResponseWriter, _ *http.Request) { // nothing is new
			fmt.Fprintf(w, `{"stage":%q}`, s.data["Stage"])
		})
	}
	return mux
}

// TestPortalScreens looks at each page in each state: with axe-core in light and dark,
// and with large text on a narrow screen, in each language.
func TestPortalScreens(t *testing.T) {
	p := newTestPortal(t, newFakeWorld())
	all := screens()
	s := httptest.NewServer(see(p, all))
	defer s.Close()
	b := webtest.Open(t, webtest.NewBrowser(t), "about:blank")
	missing := map[string]bool{}
	for name := range p.pages {
		missing[name] = true
	}
	visit := func(x screen, l string) {
		t.Helper()
		b.Run(chromedp.Navigate(s.URL + x.at() + "?in=" + l))
		b.Wait("main")
	}
	for _, x := range all {
		delete(missing, x.page)
		visit(x, lang.Default)
		b.Colours(x.name)
	}
	b.Narrow()
	for _, x := range all {
		for _, l := range lang.All {
			visit(x, l)
			b.Reflows(x.name + ", " + l)
		}
	}
	for name := range missing {
		t.Errorf("nobody looks at the page %s", name)
	}
}
