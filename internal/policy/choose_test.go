package policy

import (
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
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
			r.Services = append(r.Services, signum.AdditionalService{URI: signum.ServiceSubscriberInfo})
		}, 104},
		{"geofencing not subscribed", func(r *R) {
			r.Services = append(r.Services, signum.AdditionalService{URI: signum.ServiceGeofencing})
		}, 0},
		{"service twice", func(r *R) { r.Services = append(r.Services, r.Services[0]) }, 101},
		{"services without end", func(r *R) { r.Services = make([]signum.AdditionalService, 100) }, 101},
		{"length before service", func(r *R) { data(pad(240, "a"))(r); r.Services[0].URI = "urn:x" }, 103},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := SignatureContent(party(), request(tt.change), false); code(err) != tt.want {
				t.Errorf("got %v, want %d", err, tt.want)
			}
		})
	}
	// A party needs an authorisation for every profile but AuthProfile1.
	bare := party(func(p *mssp.Party) { p.Profiles = nil })
	for _, uri := range signum.SignatureProfiles {
		if _, err := SignatureContent(bare, request(func(r *R) { r.Profile = uri }), false); code(err) != 109 {
			t.Errorf("%s without authorisation: got %v", uri, err)
		}
	}
	if _, err := SignatureContent(bare, request(func(r *R) { r.Profile = signum.ProfileAuth1 }), false); err != nil {
		t.Errorf("AuthProfile1: got %v", err)
	}
}

func dev(m signum.Method, change ...func(*mssp.Device)) mssp.Device {
	d := mssp.Device{ID: string(m), Method: m, State: signum.DeviceActive, KeyType: signum.EC,
		Certificate: &mssp.Certificate{State: mssp.CertificateGood, NotAfter: now.AddDate(1, 0, 0)}}
	for _, c := range change {
		c(&d)
	}
	return d
}

func user(devices ...mssp.Device) *mssp.Subscriber {
	return &mssp.Subscriber{MSISDN: "+41791234567", State: mssp.SubscriberActive, Devices: devices}
}

// TestScenarios is the table of profiles, for a party that is authorised for all of
// them and has AuthProfile1 mapped to Any-LoA4.
func TestScenarios(t *testing.T) {
	off := func(d *mssp.Device) { d.State = signum.DeviceInactive }
	profiles := []string{signum.ProfileAuth1, signum.ProfileAnyLoA4, signum.ProfileSTK, signum.ProfileDevice}
	rows := []struct {
		name string
		sub  *mssp.Subscriber
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

const home = "22801"

func outcome(p *mssp.Party, s *mssp.Subscriber, profile string, change ...func(*Ask)) string {
	a := Ask{Party: p, Subscriber: s, Profile: p.Resolve(profile), Home: home, Now: now}
	for _, f := range change {
		f(&a)
	}
	c, err := Choose(&a)
	switch {
	case err != nil:
		return strings.Fields(err.Error())[0]
	case c.Revoked:
		return "501"
	case c.Activate != "":
		return "activate " + string(c.Activate)
	}
	return string(c.Devices[0].Method)
}

func TestChoose(t *testing.T) {
	type D = mssp.Device
	simParty := party(func(p *mssp.Party) {
		p.Profiles, p.AuthProfile1 = []string{signum.ProfileSTK}, ""
	})
	rsa := func(d *D) { d.KeyType = signum.RSA }
	registered := func(d *D) { d.State, d.Certificate = signum.DeviceRegistered, nil }
	own := func(d *D) { d.Network = signum.Network{MCC: "228", MNC: "01", Name: "Own"} }
	foreign := func(d *D) { d.Network = signum.Network{MCC: "228", MNC: "02", Name: "Other"} }
	blocked := func(d *D) { d.PINBlocked = true }
	for _, tt := range []struct {
		name    string
		p       *mssp.Party
		s       *mssp.Subscriber
		profile string
		want    string
	}{
		{"unknown subscriber", party(), nil, "", "105"},
		{"AuthProfile1 is STK by default", simParty, user(dev(signum.SIM), dev(signum.App)), "", "SIM"},
		{"App only, party without Apps", simParty, user(dev(signum.App)), signum.ProfileSTK, "105"},
		{"App only, party without Apps, AuthProfile1", simParty, user(dev(signum.App)), "", "105"},
		{"suspended", party(), &mssp.Subscriber{State: mssp.SubscriberInactive}, "", "403"},
		{"SIM without key", party(), user(dev(signum.SIM, registered)), signum.ProfileSTK, "404"},
		{"SIM without key, App asked for", party(), user(dev(signum.SIM, registered)), signum.ProfileDevice, "105"},
		{"SIM without key, App active", party(), user(dev(signum.SIM, registered), dev(signum.App)), signum.ProfileAnyLoA4, "App"},
		{"no certificate", party(), user(dev(signum.SIM, func(d *D) { d.Certificate = nil })), "", "404"},
		{"certificate only intended", party(), user(dev(signum.SIM, func(d *D) { d.Certificate.State = mssp.CertificateIntended })), "", "404"},
		{"expired", party(), user(dev(signum.SIM, func(d *D) { d.Certificate.NotAfter = now })), "", "422"},
		{"revoked", party(), user(dev(signum.SIM, func(d *D) { d.Certificate.State = mssp.CertificateRevoked })), "", "501"},
		{"certificate in a state of a newer version", party(), user(dev(signum.SIM, func(d *D) { d.Certificate.State = "ON HOLD" })), "", "501"},
		{"ECC with EC", party(), user(dev(signum.SIM)), signum.ProfileAuth1ECC, "SIM"},
		{"ECC with RSA", party(), user(dev(signum.SIM, rsa)), signum.ProfileAuth1ECC, "109"},
		{"RSA with RSA", party(), user(dev(signum.SIM, rsa)), signum.ProfileAuth1RSA, "SIM"},
		{"RSA with an App", party(), user(dev(signum.App, rsa)), signum.ProfileAuth1RSA, "109"},
		{"geofencing profile, own SIM and App", party(), user(dev(signum.SIM, own), dev(signum.App)), signum.ProfileAnyGeo, "SIM"},
		{"geofencing profile, own SIM", party(), user(dev(signum.SIM, own)), signum.ProfileAnyGeo, "SIM"},
		{"geofencing profile, foreign SIM and App", party(), user(dev(signum.SIM, foreign), dev(signum.App)), signum.ProfileAnyGeo, "App"},
		{"geofencing profile, App", party(), user(dev(signum.App)), signum.ProfileAnyGeo, "App"},
		{"geofencing profile, foreign SIM", party(), user(dev(signum.SIM, foreign)), signum.ProfileAnyGeo, "109"},
		{"geofencing profile, SIM of an unknown network", party(), user(dev(signum.SIM)), signum.ProfileAnyGeo, "109"},
		{"PIN blocked", party(), user(dev(signum.SIM, blocked)), "", "402"},
		{"PIN of the SIM blocked, App active", party(), user(dev(signum.SIM, blocked), dev(signum.App)), signum.ProfileAnyLoA4, "402"},
		{"PIN of the SIM blocked, App asked for", party(), user(dev(signum.SIM, blocked), dev(signum.App)), signum.ProfileDevice, "App"},
		{"suspended and blocked", party(), &mssp.Subscriber{State: mssp.SubscriberInactive, Devices: []D{dev(signum.SIM, blocked)}}, "", "403"},
		{"blocked and expired", party(), user(dev(signum.SIM, blocked, func(d *D) { d.Certificate.NotAfter = now })), "", "402"},
		{"one-time password", party(), user(dev(signum.SIM)), signum.ProfileOTPText, "109"},
	} {
		if got := outcome(tt.p, tt.s, tt.profile); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestActivation: auto activation needs a party that has it, and a SIM while no SIM is
// active.
func TestActivation(t *testing.T) {
	type D = mssp.Device
	auto := party(func(p *mssp.Party) { p.AutoActivation = true })
	fresh := func(d *D) { d.State, d.Certificate, d.KeyType = signum.DeviceRegistered, nil, "" }
	rsa := func(d *D) { fresh(d); d.KeyType = signum.RSA }
	off := func(d *D) { d.State = signum.DeviceInactive }
	own := func(d *D) { d.Network = signum.Network{MCC: "228", MNC: "01"} }
	for _, tt := range []struct {
		name    string
		p       *mssp.Party
		s       *mssp.Subscriber
		profile string
		want    string
	}{
		{"registered SIM", auto, user(dev(signum.SIM, fresh)), signum.ProfileSTK, "activate EC"},
		{"registered SIM, any", auto, user(dev(signum.SIM, fresh)), signum.ProfileAnyLoA4, "activate EC"},
		{"registered RSA card", auto, user(dev(signum.SIM, rsa)), signum.ProfileSTK, "activate RSA"},
		{"ECC profile", auto, user(dev(signum.SIM, fresh)), signum.ProfileAuth1ECC, "activate EC"},
		{"RSA profile", auto, user(dev(signum.SIM, fresh)), signum.ProfileAuth1RSA, "activate RSA"},
		{"ECC profile, RSA card", auto, user(dev(signum.SIM, rsa)), signum.ProfileAuth1ECC, "109"},
		{"ended SIM", auto, user(dev(signum.SIM, off)), signum.ProfileSTK, "105"},
		{"ended SIM, blocked PIN", auto, user(dev(signum.SIM, off, func(d *D) { d.PINBlocked = true })), signum.ProfileSTK, "105"},
		{"ended SIM, any", auto, user(dev(signum.SIM, off)), signum.ProfileAnyLoA4, "105"},
		{"ended SIM beside an App, any", auto, user(dev(signum.SIM, off), dev(signum.App)), signum.ProfileAnyLoA4, "App"},
		{"ended SIM beside an App", auto, user(dev(signum.SIM, off), dev(signum.App)), signum.ProfileSTK, "109"},
		{"App profile", auto, user(dev(signum.SIM, fresh)), signum.ProfileDevice, "105"},
		{"App only", auto, user(dev(signum.App, off)), signum.ProfileAnyLoA4, "105"},
		{"the App is the only active method", auto, user(dev(signum.SIM, fresh), dev(signum.App)), signum.ProfileAnyLoA4, "App"},
		{"the SIM is asked for", auto, user(dev(signum.SIM, fresh), dev(signum.App)), signum.ProfileSTK, "activate EC"},
		{"active SIM", auto, user(dev(signum.SIM)), signum.ProfileSTK, "SIM"},
		{"geofencing, own SIM", auto, user(dev(signum.SIM, fresh, own)), signum.ProfileAnyGeo, "activate EC"},
		{"geofencing, unknown network", auto, user(dev(signum.SIM, fresh)), signum.ProfileAnyGeo, "109"},
		{"suspended", auto, &mssp.Subscriber{State: mssp.SubscriberInactive, Devices: []D{dev(signum.SIM, fresh)}}, "", "403"},
		{"party without it", party(), user(dev(signum.SIM, fresh)), signum.ProfileSTK, "404"},
		{"party without it, ended", party(), user(dev(signum.SIM, off)), signum.ProfileSTK, "105"},
	} {
		if got := outcome(tt.p, tt.s, tt.profile); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestInteractive: services that only an App can serve.
func TestInteractive(t *testing.T) {
	approval := func(a *Ask) { a.Approval = true }
	app2app := func(a *Ask) { a.Interactive = true }
	both, sim, app := user(dev(signum.SIM), dev(signum.App)), user(dev(signum.SIM)), user(dev(signum.App))
	for _, tt := range []struct {
		name    string
		s       *mssp.Subscriber
		profile string
		what    func(*Ask)
		want    string
	}{
		{"approval", both, signum.ProfileDevice, approval, "App"},
		{"approval, any", app, signum.ProfileAnyLoA4, approval, "109"},
		{"approval, SIM", both, signum.ProfileSTK, approval, "109"},
		{"approval, no App", sim, signum.ProfileDevice, approval, "109"},
		{"approval, unknown subscriber", nil, signum.ProfileSTK, approval, "105"},
		{"app2app", both, signum.ProfileDevice, app2app, "App"},
		{"app2app, any", both, signum.ProfileAnyLoA4, app2app, "App"},
		{"app2app, SIM", both, signum.ProfileSTK, app2app, "109"},
		{"app2app, no App", sim, signum.ProfileAnyLoA4, app2app, "109"},
	} {
		if got := outcome(party(), tt.s, tt.profile, tt.what); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	auto := party(func(p *mssp.Party) { p.AutoActivation = true })
	fresh := user(dev(signum.SIM, func(d *mssp.Device) { d.State = signum.DeviceRegistered }))
	if got := outcome(auto, fresh, signum.ProfileAnyLoA4, app2app); got != "109" {
		t.Errorf("app2app activates no SIM: got %s", got)
	}
}
