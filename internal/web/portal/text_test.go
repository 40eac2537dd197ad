package portal

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lang"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/prompt"
)

var verb = regexp.MustCompile(`%[sd]`)

// Every language has all texts, with the same arguments.
func TestPortalTextsComplete(t *testing.T) {
	all, err := texts()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lang.All {
		for key, en := range all["en"] {
			text, ok := all[l][key]
			if !ok || strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is missing", l, key)
			}
			if !slices.Equal(verb.FindAllString(text, -1), verb.FindAllString(en, -1)) || strings.Contains(verb.ReplaceAllString(text, ""), "%") {
				t.Errorf("%s: %s has other arguments: %q", l, key, text)
			}
		}
		for key := range all[l] {
			if _, ok := all["en"][key]; !ok {
				t.Errorf("%s: %s is not in en", l, key)
			}
		}
	}
}

// Templates use only existing texts, and every text is used.
func TestPortalTextsUsed(t *testing.T) {
	all, _ := texts()
	en := all["en"]
	source := ""
	names, _ := fs.Glob(files, "pages/*.html")
	if len(names) == 0 {
		t.Fatal("no pages")
	}
	for _, n := range names {
		b, _ := fs.ReadFile(files, n)
		source += string(b)
	}
	for _, m := range regexp.MustCompile(`\.T "([^"]+)"`).FindAllStringSubmatch(source, -1) {
		if _, ok := en[m[1]]; !ok {
			t.Errorf("no text %q", m[1])
		}
	}
	used := map[string]bool{}
	for key := range en {
		// Some keys are computed: the source contains a pattern of them.
		used[key] = strings.Contains(source, `"`+key+`"`)
		for _, m := range regexp.MustCompile(`printf "([^"]+)"`).FindAllStringSubmatch(source, -1) {
			if regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(m[1]), "%s", `\w+`) + "$").MatchString(key) {
				used[key] = true
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(used)) {
		inGo := strings.HasSuffix(key, ".title") || strings.HasPrefix(key, "outcome.") || strings.HasPrefix(key, "state.") ||
			strings.HasPrefix(key, "cert.") || strings.HasPrefix(key, "phone.")
		if !used[key] && !inGo {
			t.Errorf("%q is not used", key)
		}
	}
	for code, key := range outcomeKeys {
		if en[key] == "" {
			t.Errorf("no text for outcome %d", code)
		}
	}
}

// A SIM shows the texts completely, in one alphabet, and the code comes last.
func TestPortalPhoneText(t *testing.T) {
	all, _ := texts()
	for _, l := range lang.All {
		for key := range all["en"] {
			if !strings.HasPrefix(key, "phone.") || strings.HasPrefix(key, "phone.code.") {
				continue
			}
			var args []any
			for range verb.FindAllString(all["en"][key], -1) {
				args = append(args, "a name of twenty-four chr")
			}
			sim := phoneText(l, key, signum.SIM, args...)
			n, gsm := signum.GSMLength("A long prefix of a party: " + sim)
			if fits, _, _ := signum.TextFits("A long prefix of a party: " + sim); !gsm || !fits || !strings.HasSuffix(sim, prompt.CodeMark) {
				t.Errorf("%s: %d septets, GSM %v: %s", l, n, gsm, sim)
			}
			if app := phoneText(l, key, signum.App, args...); strings.Contains(app, prompt.CodeMark) {
				t.Errorf("%s: %s", l, app)
			}
		}
	}
	if _, err := text("en", "no such key"); err == nil {
		t.Error("an unknown key has a text")
	}
}

func TestPortalLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "de-CH": "de", "fr-CH,fr;q=0.9,de;q=0.8": "fr", "es,it;q=0.7,en;q=0.3": "it", "en;q=0.1,de;q=0.2": "de",
		"de;q=0": "en", "es": "en", ";;,,q=": "en", "IT": "it", "de;q=x": "en",
	} {
		r := httptest.NewRequest("GET", "/me", nil)
		r.Header.Set("Accept-Language", header)
		if got := languageOf(r); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

// All pages work in all languages, and the chosen language persists.
func TestPortalAllLanguages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.recent = []*mssp.Transaction{{APID: "mid://x", Method: signum.App, State: mssp.StateFailed, Outcome: mssp.Outcome{Code: 900}}}
		b := loggedIn(t, newTestPortal(t, f), portalNumber)
		all, _ := texts()
		for _, l := range lang.All {
			_, body := b.open("/me/device?id=app1&lang=" + l)
			if has(t, body, `<html lang="`+l+`">`, `value="app1"`, all[l]["device.App.title"]); b.at != "/me/device?id=app1" {
				t.Errorf("at %s", b.at)
			}
			for _, path := range []string{"/me", "/me/activity", "/me/app", "/me/recovery", "/me/suspend", "/me/device?id=sim1", "/me/nothing"} {
				_, body := b.open(path)
				has(t, body, `<html lang="`+l+`">`)
				if strings.Contains(body, "%!") {
					t.Error(body)
				}
			}
		}
		if k := b.cookies[langCookie]; k.MaxAge != langSeconds || k.Value != "it" {
			t.Error(fmt.Sprint(k))
		}
		// An unknown language is ignored and sets no cookie.
		if _, body := b.open("/me?lang=xx"); !strings.Contains(body, `<html lang="it">`) {
			t.Error(body)
		}
	})
}
