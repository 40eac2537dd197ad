package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
)

func (p *phone) heartbeat(body obj) reply { return p.call("POST", "/app/v2/heartbeat", body) }

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	w.clock.Advance(time.Hour)
	r := p.heartbeat(obj{"version": "2.0", "name": "Phone of Alice"})
	r.is(t, 200, "")
	a := get(w.store, func(s *store) *mssp.AppDevice { return s.apps[p.device] })
	if a.Version != "2.0" || a.Name != "Phone of Alice" || a.Platform != "test" || !a.LastSeen.Equal(w.clock.Now()) {
		t.Errorf("%+v", a)
	}
	cert := get(w.store, func(s *store) *mssp.Certificate { return s.device(p.device).Certificate })
	if r.member("now") != float64(w.clock.Now().UnixMilli()) || r.member("certificate_expires") != float64(cert.NotAfter.UnixMilli()) || r.member("blocked") != false {
		t.Errorf("%s", r.body)
	}
	p.heartbeat(obj{"name": "\u0000"}).is(t, 400, "malformed")
	p.heartbeat(obj{"name": 1}).is(t, 400, "malformed")
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ca.life = 90 * 24 * time.Hour
	p := w.enrol(alice)
	serial := func() string {
		return get(w.store, func(s *store) string { return s.device(p.device).Certificate.Serial })
	}
	first := serial()
	w.clock.Advance(60*24*time.Hour - time.Second)
	p.heartbeat(obj{}).is(t, 200, "")
	if serial() != first {
		t.Error("renewed too early")
	}
	w.clock.Advance(time.Second)
	state := func(s mssp.SubscriberState) {
		if err := w.store.SetSubscriberState(context.Background(), alice, s); err != nil {
			t.Fatal(err)
		}
	}
	state(mssp.SubscriberInactive)
	p.heartbeat(obj{}).is(t, 200, "")
	if serial() != first {
		t.Error("renewed for a suspended account")
	}
	state(mssp.SubscriberActive)
	r := p.heartbeat(obj{})
	r.is(t, 200, "")
	if serial() == first || r.member("certificate_expires") != float64(w.clock.Now().Add(w.ca.life).UnixMilli()) {
		t.Errorf("not renewed: %s", r.body)
	}
	second := serial()
	p.heartbeat(obj{}).is(t, 200, "")
	if serial() != second {
		t.Error("renewed twice")
	}
	// The account has been reset since: the old phone does not get a certificate
	// with the new serial number.
	w.clock.Advance(80 * 24 * time.Hour)
	newPhone(w).enrol(w.invite(alice, false), "").is(t, 200, "")
	p.heartbeat(obj{}).is(t, 200, "")
	if serial() != second {
		t.Error("an old phone took over the new serial number")
	}
}

func TestRenewalFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ca.life = 24 * time.Hour
	p := w.enrol(alice)
	w.ca.fail = errors.New("the HSM is off")
	p.heartbeat(obj{}).is(t, 500, "internal")
	w.ca.fail = nil
	p.heartbeat(obj{}).is(t, 200, "")
}

func TestSignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, other := w.enrol(alice), w.enrol(bob)
	w.engine.cms[p.device+" h1"] = []byte("CMS")
	r := p.call("GET", "/app/v2/signature?id=h1", nil)
	r.is(t, 200, "")
	if string(r.body) != "CMS" || r.head.Get("Content-Type") != "application/pkcs7-signature" {
		t.Errorf("%s", r.body)
	}
	other.call("GET", "/app/v2/signature?id=h1", nil).is(t, 404, "unknown")
}

func TestRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	in := p.connect()
	in.welcome()
	cert := get(w.store, func(s *store) string { return s.device(p.device).Certificate.Serial })
	w.ca.fail = errors.New("the HSM is off")
	p.call("DELETE", "/app/v2/device", nil).is(t, 500, "internal")
	w.ca.fail = nil
	p.call("DELETE", "/app/v2/device", nil).is(t, 204, "")
	in.closed(4401, "unauthorised")
	if reason, ok := w.ca.revoked[cert]; !ok || reason != 5 {
		t.Errorf("%v", w.ca.revoked)
	}
	p.heartbeat(obj{}).is(t, 401, "unauthorised")
	p.connect().closed(4401, "unauthorised")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("begin", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(c *Config) { c.Limits.Begin = limit.Rate{} })
		p := newPhone(w)
		for range 60 {
			p.begin("AAAA-AAAA-AA").is(t, 404, "code")
		}
		r := p.begin("AAAA-AAAA-AA")
		r.is(t, 429, "slow")
		if r.head.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %s", r.head.Get("Retry-After"))
		}
		w.clock.Advance(time.Second)
		p.begin("AAAA-AAAA-AA").is(t, 404, "code")
	})
	t.Run("device", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(c *Config) { c.Limits.Device = limit.PerMinute(60, 2) })
		p, other := w.enrol(alice), w.enrol(bob)
		// Forged proofs do not use up the limit of the device.
		forger := newPhone(w)
		forger.device = p.device
		for range 5 {
			forger.heartbeat(obj{}).is(t, 401, "unauthorised")
		}
		p.heartbeat(obj{}).is(t, 200, "")
		p.heartbeat(obj{}).is(t, 200, "")
		p.heartbeat(obj{}).is(t, 429, "slow")
		p.connect().closed(4429, "slow")
		other.heartbeat(obj{}).is(t, 200, "")
		w.clock.Advance(time.Second)
		p.heartbeat(obj{}).is(t, 200, "")
	})
	t.Run("frames", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(c *Config) { c.Limits.Device = limit.PerMinute(60, 4) })
		in := w.enrol(alice).connect()
		in.welcome()
		for range 4 {
			in.say(obj{"type": "ping"})
		}
		in.closed(4429, "slow")
	})
	t.Run("subscriber", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(c *Config) { c.Limits.Subscriber = limit.PerMinute(60, 2) })
		p, second, other := w.enrol(alice), w.enrol(alice), w.enrol(bob)
		p.heartbeat(obj{}).is(t, 200, "")
		second.heartbeat(obj{}).is(t, 200, "")
		p.heartbeat(obj{}).is(t, 429, "slow")
		other.heartbeat(obj{}).is(t, 200, "")
	})
	t.Run("address", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(c *Config) { c.Limits.Address = limit.PerMinute(60, 2) })
		w.do("GET", "/app/v2/push-key", "", nil).is(t, 200, "")
		w.do("GET", "/app/v2/push-key", "", nil).is(t, 200, "")
		w.do("GET", "/app/v2/push-key", "", nil).is(t, 429, "slow")
		if _, err := dial(context.Background(), w.url()+"/app/v2/inbox", nil); err == nil || !strings.HasPrefix(err.Error(), "429") {
			t.Errorf("%v", err)
		}
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, edit := range map[string]func(*Config){
		"no store":   func(c *Config) { c.Store = nil },
		"no CA":      func(c *Config) { c.CA = nil },
		"no serials": func(c *Config) { c.NewSerial = nil },
		"no service": func(c *Config) { c.Service = "" },
		"no web":     func(c *Config) { c.WebURL = "" },
		"VAPID":      func(c *Config) { c.VAPID.Private = "AAAA" },
		"VAPID pair": func(c *Config) {
			a, _ := NewVAPID("")
			b, _ := NewVAPID("")
			c.VAPID = VAPID{Public: a.Public, Private: b.Private}
		},
	} {
		c := w.cfg
		edit(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.engine(); err == nil {
		t.Error("not connected, but it has an engine")
	}
}
