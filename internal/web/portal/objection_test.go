package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Each change is announced, with what it is about and how it was allowed.
func TestChangesAreAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		b := loggedIn(t, p, portalNumber)
		b.sign("/me/recovery", "/me/recovery")
		b.sign("/me/device?id=app1", "/me/device", "id", "app1")
		b.sign("/me/device?id=sim1", "/me/device", "id", "sim1")
		b = newPortalTab(t, p)
		b.recover(portalNumber, recoveryCode)
		b.submit("/me/device?id=app1", "/me/device", "id", "app1")
		b.submit("/me/suspend", "/me/suspend", "confirm", "yes")
		want := []mssp.Change{
			{MSISDN: portalNumber, Kind: mssp.NoticeRecoveryCode, Lang: "en"},
			{MSISDN: portalNumber, Kind: mssp.NoticeAppRemoved, DeviceID: "app1", Name: "Lenas phone", Lang: "en"},
			{MSISDN: portalNumber, Kind: mssp.NoticeSIMEnded, DeviceID: "sim1", Lang: "en"},
			{MSISDN: portalNumber, Kind: mssp.NoticeRecoveryLogin, ByCode: true, Lang: "en"},
			{MSISDN: portalNumber, Kind: mssp.NoticeAppRemoved, DeviceID: "app1", Name: "Lenas phone", ByCode: true, Lang: "en"},
			{MSISDN: portalNumber, Kind: mssp.NoticeSuspended, ByCode: true, Lang: "en"},
		}
		if !slices.Equal(f.told, want) {
			t.Errorf("told %+v\nwant %+v", f.told, want)
		}
	})
}

// Who reads the text message objects without logging in, by a form of this page only.
func TestObjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.notices = map[string]*mssp.Notice{"AB12": {ID: "n1", MSISDN: portalNumber, Kind: mssp.NoticeAppAdded, Name: "<b>Eve"}}
		p := newTestPortal(t, f)
		b := newPortalTab(t, p)
		code, page := b.open("/me/no/AB12")
		if has(t, page, "A phone was added to your account", "&lt;b&gt;Eve", "This was not me"); code != 200 || strings.Contains(page, portalNumber[1:]) {
			t.Errorf("%d\n%s", code, page)
		}
		if w := b.send("POST", "/me/no/AB12", url.Values{"token": {"x"}}); w.Code != 403 || len(f.did) != 0 {
			t.Errorf("without the form: %d, did %v", w.Code, f.did)
		}
		code, page = b.submit("/me/no/AB12", "/me/no/AB12")
		if has(t, page, "The new App was removed"); code != 200 || !slices.Equal(f.did, []string{"object n1"}) {
			t.Errorf("%d, did %v", code, f.did)
		}
		if code, page = b.open("/me/no/ZZZZ"); code != 404 {
			t.Errorf("%d\n%s", code, page)
		}
		for range objectionsPerAddress {
			code, _ = b.open("/me/no/ZZZZ")
		}
		if code != http.StatusTooManyRequests {
			t.Errorf("guessing: %d", code)
		}
	})
}
