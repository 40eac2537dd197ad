package policy

import (
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
)

func TestContent(t *testing.T) {
	type R = signum.SignatureRequest
	data := func(s string) func(*R) { return func(r *R) { r.Data.Data = s } }
	pad := func(n int, c string) string { return "Bank: " + strings.Repeat(c, n-len("Bank: ")) }
	tests := []struct {
		name   string
		change func(*R)
		want   signum.Code
	}{
		{"as it is", func(*R) {}, 0},
		{"unknown profile", func(r *R) { r.Profile = "http://mid.swisscom.ch/None" }, 109},
		{"absent profile", func(r *R) { r.Profile = "" }, 0},
		{"profile before prefix", func(r *R) { r.Profile, r.Data.Data = "x", "y" }, 109},
		{"prefix", data("bank: Login?"), 107},
		{"prefix before length", data(strings.Repeat("a", 500)), 107},
		{"239 GSM characters", data(pad(239, "a")), 0},
		{"240 GSM characters", data(pad(240, "a")), 103},
		{"an extension character counts two", data(pad(238, "a") + "€"), 103},
		{"237 and an extension character", data(pad(237, "a") + "€"), 0},
		{"119 others", data(pad(118, "a") + "ž"), 0},
		{"120 others", data(pad(119, "a") + "ž"), 103},
		{"an emoji is two code units", data(pad(118, "a") + "🎉"), 103},
		{"MIME with suffix", func(r *R) { r.Data.MimeType = "text/plain;gsm" }, 0},
		{"MIME in capitals", func(r *R) { r.Data.MimeType = "Text/Plain; charset=UTF-8" }, 0},
		{"no MIME", func(r *R) { r.Data.MimeType, r.Data.Encoding = "", "" }, 0},
		{"MIME of an image", func(r *R) { r.Data.MimeType = "image/png" }, 101},
		{"Encoding", func(r *R) { r.Data.Encoding = "base64" }, 101},
		{"control character", data("Bank: a\x00b"), 101},
		{"line feed", data("Bank: a\nb"), 0},
		{"text that runs backwards", data("Bank: pay \u202e001"), 101},
		{"unknown service", func(r *R) { r.Services = append(r.Services, signum.AdditionalService{URI: "urn:x"}) }, 101},
		{"service not subscribed", func(r *R) {
			r.Services = append(r.Services, signum.AdditionalService{URI: signum.ServiceGeofencing})
		}, 104},
		{"service twice", func(r *R) { r.Services = append(r.Services, r.Services[0]) }, 101},
		{"services without end", func(r *R) { r.Services = make([]signum.AdditionalService, 100) }, 101},
		{"length before service", func(r *R) { data(pad(240, "a"))(r); r.Services[0].URI = "urn:x" }, 103},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if flt := Content(party(), request(tt.change)); code(flt) != tt.want {
				t.Errorf("got %v, want %d", flt, tt.want)
			}
		})
	}
	// Authorisation per party: AuthProfile1 is everybody's, nothing else is.
	bare := party(func(p *signum.Party) { p.Profiles = nil })
	for _, uri := range signum.SignatureProfiles {
		if flt := Content(bare, request(func(r *R) { r.Profile = uri })); code(flt) != 109 {
			t.Errorf("%s without authorisation: got %v", uri, flt)
		}
	}
	if flt := Content(bare, request(func(r *R) { r.Profile = signum.ProfileAuth1 })); flt != nil {
		t.Errorf("AuthProfile1: got %v", flt)
	}
}

func dev(m signum.Method, change ...func(*signum.Device)) signum.Device {
	d := signum.Device{ID: string(m), Method: m, State: signum.DeviceActive, KeyType: signum.EC,
		Certificate: &signum.Certificate{State: signum.CertificateGood, NotAfter: now.AddDate(1, 0, 0)}}
	for _, c := range change {
		c(&d)
	}
	return d
}

func user(devices ...signum.Device) *signum.Subscriber {
	return &signum.Subscriber{MSISDN: "+41791234567", State: signum.SubscriberActive, Devices: devices}
}

// TestScenarios is the scenario table: the party is authorised for all
// profiles and AuthProfile1 is mapped to Any-LoA4.
func TestScenarios(t *testing.T) {
	off := func(d *signum.Device) { d.State = signum.DeviceInactive }
	profiles := []string{signum.ProfileAuth1, signum.ProfileAnyLoA4, signum.ProfileSTK, signum.ProfileDevice}
	rows := []struct {
		name string
		sub  *signum.Subscriber
		want [4]string
	}{
		{"nothing active", user(dev(signum.SIM, off), dev(signum.App, off)), [4]string{"105", "105", "105", "105"}},
		{"SIM only", user(dev(signum.SIM)), [4]string{"SIM", "SIM", "SIM", "109"}},
		{"App only", user(dev(signum.App)), [4]string{"App", "App", "109", "App"}},
		{"both", user(dev(signum.App), dev(signum.SIM)), [4]string{"SIM", "SIM", "SIM", "App"}},
	}
	for _, row := range rows {
		for i, profile := range profiles {
			if got := outcome(party(), row.sub, profile); got != row.want[i] {
				t.Errorf("%s, %s: got %s, want %s", row.name, profile, got, row.want[i])
			}
		}
	}
}

func outcome(p *signum.Party, s *signum.Subscriber, profile string) string {
	c, flt := Choose(p, s, profile, now)
	switch {
	case flt != nil:
		return strings.Fields(flt.Error())[0]
	case c.Revoked:
		return "501"
	}
	return string(c.Device.Method)
}

func TestChoose(t *testing.T) {
	type D = signum.Device
	simParty := party(func(p *signum.Party) {
		p.Profiles, p.AuthProfile1 = []string{signum.ProfileSTK}, ""
	})
	rsa := func(d *D) { d.KeyType = signum.RSA }
	registered := func(d *D) { d.State, d.Certificate = signum.DeviceRegistered, nil }
	for _, tt := range []struct {
		name    string
		p       *signum.Party
		s       *signum.Subscriber
		profile string
		want    string
	}{
		{"unknown subscriber", party(), nil, "", "105"},
		{"AuthProfile1 is STK by default", simParty, user(dev(signum.SIM), dev(signum.App)), "", "SIM"},
		{"App only, party without Apps", simParty, user(dev(signum.App)), signum.ProfileSTK, "105"},
		{"App only, party without Apps, AuthProfile1", simParty, user(dev(signum.App)), "", "105"},
		{"suspended", party(), &signum.Subscriber{State: signum.SubscriberInactive}, "", "403"},
		{"SIM without key", party(), user(dev(signum.SIM, registered)), signum.ProfileSTK, "404"},
		{"SIM without key, App asked for", party(), user(dev(signum.SIM, registered)), signum.ProfileDevice, "105"},
		{"SIM without key, App active", party(), user(dev(signum.SIM, registered), dev(signum.App)), signum.ProfileAnyLoA4, "App"},
		{"no certificate", party(), user(dev(signum.SIM, func(d *D) { d.Certificate = nil })), "", "404"},
		{"certificate only intended", party(), user(dev(signum.SIM, func(d *D) { d.Certificate.State = signum.CertificateIntended })), "", "404"},
		{"expired", party(), user(dev(signum.SIM, func(d *D) { d.Certificate.NotAfter = now })), "", "422"},
		{"revoked", party(), user(dev(signum.SIM, func(d *D) { d.Certificate.State = signum.CertificateRevoked })), "", "501"},
		{"ECC with EC", party(), user(dev(signum.SIM)), signum.ProfileAuth1ECC, "SIM"},
		{"ECC with RSA", party(), user(dev(signum.SIM, rsa)), signum.ProfileAuth1ECC, "109"},
		{"RSA with RSA", party(), user(dev(signum.SIM, rsa)), signum.ProfileAuth1RSA, "SIM"},
		{"RSA with an App", party(), user(dev(signum.App, rsa)), signum.ProfileAuth1RSA, "109"},
		{"geofencing profile, App", party(), user(dev(signum.SIM), dev(signum.App)), signum.ProfileAnyGeo, "App"},
		{"geofencing profile, SIM without location", party(), user(dev(signum.SIM)), signum.ProfileAnyGeo, "109"},
		{"one-time password", party(), user(dev(signum.SIM)), signum.ProfileOTPText, "109"},
	} {
		if got := outcome(tt.p, tt.s, tt.profile); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
