package portal

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// oneAccount is a service that knows the accounts of the fake and keeps nothing about
// other numbers.
type oneAccount struct{ *fakeWorld }

func (o oneAccount) Sign(ctx context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error) {
	if o.accounts[r.MSISDN] == nil {
		return nil, signum.NewFault(signum.UnknownClient)
	}
	return o.fakeWorld.Sign(ctx, c, r)
}

// begun sends the form of a log-in without reading a page.
func begun(p *Portal, h http.Handler, remote, number string) int {
	cookie := newCookie()
	form := url.Values{"token": {p.token(cookie)}, "number": {number}, "method": {"app"}}
	r := httptest.NewRequest("POST", portalURL+"/me/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", portalURL)
	name, _ := p.stored(loginCookie, "/me/login")
	r.AddCookie(&http.Cookie{Name: name, Value: cookie})
	r.RemoteAddr = remote
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// TestAttackLoginTableFlood: 200,000 log-ins for invented numbers, from as many networks
// as the attacker likes, keep nobody out: neither a user who is looking at the phone
// when they come, nor one who comes afterwards. Memory stays bounded.
func TestAttackLoginTableFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f, func(c *Config) { c.Signer = oneAccount{f} })
		f.set(func() { f.after = 30 * time.Second })
		early, late := newPortalTab(t, p), newPortalTab(t, p)
		early.begin(portalNumber, "app")
		h := p.Handler()
		for i := range floodSize {
			n := i / loginsInCrowd
			remote := fmt.Sprintf("[2001:%x:%x::1]:1", n>>16, n&0xffff)
			if code := begun(p, h, remote, fmt.Sprintf("+4178%07d", i)); code != http.StatusSeeOther {
				t.Fatalf("log-in %d: %d", i, code)
			}
			if i%1000 == 0 {
				synctest.Wait() // the requests of those before have ended
			}
		}
		if n := p.logins.lru.Len(); n != maxLogins {
			t.Errorf("%d log-ins are in memory, want %d", n, maxLogins)
		}
		late.remote = "198.51.100.1:1"
		late.begin(otherNumber, "app")
		time.Sleep(f.after + statusPause)
		for name, b := range map[string]*portalTab{"before": early, "after": late} {
			if b.open("/me/login/wait"); b.at != "/me" {
				t.Errorf("a user who came %s the flood is at %s", name, b.at)
			}
		}
	})
}

// TestAttackLoginCrowd: a site with many networks gets no more than others in a crowd,
// and a person elsewhere is not refused.
func TestAttackLoginCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f, func(c *Config) { c.Signer = oneAccount{f} })
		h := p.Handler()
		taken := func(remote func(i int) string, n int) (taken int) {
			for i := range n {
				if begun(p, h, remote(i), fmt.Sprintf("+4178%07d", i)) == http.StatusSeeOther {
					taken++
				}
			}
			synctest.Wait()
			return taken
		}
		oneSite := func(i int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", i) }
		if n := taken(oneSite, 1000); n != loginsPerSite {
			t.Errorf("a site with many networks began %d log-ins of 1000, want %d", n, loginsPerSite)
		}
		taken(func(i int) string { return fmt.Sprintf("[2001:db9:%x::1]:1", i) }, crowd)
		otherSite := func(i int) string { return fmt.Sprintf("[2001:db8:2:%x::1]:1", i) }
		if n := taken(otherSite, 1000); n != loginsInCrowd {
			t.Errorf("in a crowd, a site began %d log-ins of 1000, want %d", n, loginsInCrowd)
		}
		person := newPortalTab(t, p)
		person.remote = "198.51.100.1:1"
		if person.logIn(portalNumber); person.at != "/me" {
			t.Errorf("a person elsewhere is at %s", person.at)
		}
	})
}
