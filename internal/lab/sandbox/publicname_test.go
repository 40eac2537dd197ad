package sandbox

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// TestPublicName: the public name of the pages need not resolve on this machine. Every link
// contains it, but Apps, and the link that opens a request, work without it.
func TestPublicName(t *testing.T) {
	t.Parallel()
	const public = "https://signum.invalid"
	if _, err := net.DefaultResolver.LookupHost(t.Context(), "signum.invalid"); err == nil {
		t.Fatal("signum.invalid resolves here")
	}
	f := newFixtureWith(t, Config{WebURL: public, AuthURI: phonePath})
	if f.Info.WebURL != public || f.WebListenerURL() == public {
		t.Errorf("pages at %s, listener at %s", f.Info.WebURL, f.WebListenerURL())
	}
	i, err := f.Invite(t.Context(), "+41791234567")
	if err != nil || !strings.HasPrefix(i.URL, public+"/phone?code=") {
		t.Errorf("invited to %+v, %v", i, err)
	}
	msisdn := f.addUser(person.Approve, signum.App) // enrols
	r := client.SignRequest{MSISDN: msisdn, Text: DTBDPrefix + "Hello", Lang: "en", Async: true, App2App: "myapp://done", Profile: signum.ProfileDevice}
	opened := false
	resp, err := f.clients["rest"].SignAndWait(t.Context(), r, pollInterval, func(p client.Progress) {
		for _, s := range p.Services {
			if s.AuthURI == "" || opened {
				continue
			}
			opened = true
			if u, err := url.Parse(s.AuthURI); err != nil || u.Host != "signum.invalid" || u.Path != phonePath {
				t.Errorf("the address that opens the app is %s", s.AuthURI)
			}
			if redirect, err := f.SoftApps.Open(t.Context(), s.AuthURI); err != nil || redirect != "myapp://done" {
				t.Errorf("opened: %q, %v", redirect, err)
			}
		}
	})
	if !opened {
		t.Error("no address that opens the app")
	}
	if err != nil || resp.Status != signum.SignatureMade {
		t.Errorf("%+v, %v", resp, err)
	}
}

// TestOpenServesNothing: a sandbox can be closed without having run, and its directory opened again.
func TestOpenServesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		box, err := Open(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-box.Ready():
			t.Error("ready before it runs")
		default:
		}
		if err := box.Close(); err != nil {
			t.Error(err)
		}
		if err := box.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	}
}
