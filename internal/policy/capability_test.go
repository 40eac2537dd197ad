package policy

import (
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// short names profiles by their last part.
func short(uris []string) string {
	var out []string
	for _, uri := range uris {
		out = append(out, uri[strings.LastIndexByte(uri, '/')+1:])
	}
	return strings.Join(out, " ")
}

func TestCapabilities(t *testing.T) {
	type D = mssp.Device
	none := party(func(p *mssp.Party) { p.Profiles, p.AuthProfile1 = nil, "" })
	stk := party(func(p *mssp.Party) {
		p.Profiles, p.AuthProfile1 = []string{signum.ProfileSTK, signum.ProfileAuth1RSA}, ""
	})
	auto := subscribed(func(p *mssp.Party) { p.AutoActivation = true })
	own := func(d *D) { d.Network = signum.Network{MCC: "228", MNC: "01"} }
	fresh := func(d *D) { d.State, d.Certificate, d.KeyType = signum.DeviceRegistered, nil, "" }
	off := func(d *D) { d.State = signum.DeviceInactive }
	expired := func(d *D) { d.Certificate.NotAfter = now }
	revoked := func(d *D) { d.Certificate.State = mssp.CertificateRevoked }
	blocked := func(d *D) { d.PINBlocked = true }
	const otp = "OtpProfileText OtpProfileFlash"
	for _, tt := range []struct {
		name    string
		p       *mssp.Party
		s       *mssp.Subscriber
		code    signum.Code
		want    string
		devices string
		auto    bool
	}{
		{"unknown", party(), nil, 105, "", "", false},
		{"SIM", subscribed(), user(dev(signum.SIM)), 0, "AuthProfile1 Any-LoA4 STK-LoA4 AuthProfile1.ECC " + otp, "SIM", false},
		{"own SIM", subscribed(), user(dev(signum.SIM, own)), 0, "AuthProfile1 Any-LoA4 STK-LoA4 Any-Geofencing-LoA4 AuthProfile1.ECC " + otp, "SIM", false},
		{"App", subscribed(), user(dev(signum.App)), 0, "AuthProfile1 Any-LoA4 Device-LoA4 Any-Geofencing-LoA4 " + otp, "App", false},
		{"both", party(), user(dev(signum.App), dev(signum.SIM)), 0, "AuthProfile1 Any-LoA4 STK-LoA4 Device-LoA4 AuthProfile1.ECC " + otp, "SIM App", false},
		{"only what the party may use", stk, user(dev(signum.App), dev(signum.SIM)), 0, "AuthProfile1 STK-LoA4", "SIM", false},
		{"AuthProfile1 is everybody's", none, user(dev(signum.SIM)), 0, "AuthProfile1", "SIM", false},
		{"App, party without Apps", stk, user(dev(signum.App)), 105, "", "", false},
		{"suspended", party(), &mssp.Subscriber{State: mssp.SubscriberInactive, Devices: []D{dev(signum.SIM)}}, 403, "", "", false},
		{"registered SIM", party(), user(dev(signum.SIM, fresh)), 404, "", "", false},
		{"registered SIM, auto activation", auto, user(dev(signum.SIM, fresh)), 0, "AuthProfile1 Any-LoA4 STK-LoA4 AuthProfile1.ECC AuthProfile1.RSA " + otp, "SIM", true},
		{"registered SIM and App", party(), user(dev(signum.SIM, fresh), dev(signum.App)), 0, "AuthProfile1 Any-LoA4 Device-LoA4 " + otp, "SIM App", false},
		{"registered SIM and App, auto activation", auto, user(dev(signum.SIM, fresh), dev(signum.App)), 0,
			"AuthProfile1 Any-LoA4 STK-LoA4 Device-LoA4 Any-Geofencing-LoA4 AuthProfile1.ECC AuthProfile1.RSA " + otp, "SIM App", true},
		{"SIM switched off", party(), user(dev(signum.SIM, off)), 105, "", "", false},
		{"expired", party(), user(dev(signum.SIM, expired)), 422, "", "", false},
		{"expired SIM, App", party(), user(dev(signum.SIM, expired), dev(signum.App)), 0, "Device-LoA4 " + otp, "SIM App", false},
		{"revoked", party(), user(dev(signum.SIM, revoked)), 404, "", "", false},
		{"blocked", party(), user(dev(signum.SIM, blocked)), 0, "AuthProfile1 Any-LoA4 STK-LoA4 AuthProfile1.ECC " + otp, "SIM", false},
		{"several Apps", party(), user(dev(signum.App), dev(signum.App, off)), 0, "AuthProfile1 Any-LoA4 Device-LoA4 " + otp, "App App", false},
	} {
		c, err := Capabilities(tt.p, tt.s, home, now)
		if code(err) != tt.code {
			t.Errorf("%s: got %v, want %d", tt.name, err, tt.code)
			continue
		}
		if err != nil {
			continue
		}
		var devices []string
		for _, d := range c.Devices {
			devices = append(devices, string(d.Method))
		}
		if short(c.Profiles) != tt.want || strings.Join(devices, " ") != tt.devices || c.AutoActivation != tt.auto {
			t.Errorf("%s: got %s; %s; %v", tt.name, short(c.Profiles), devices, c.AutoActivation)
		}
		// Every profile that is listed can be asked for.
		for _, uri := range c.Profiles {
			if got := outcome(tt.p, tt.s, uri); !signum.IsOTP(uri) && tt.name != "blocked" && strings.Trim(got, "0123456789") == "" {
				t.Errorf("%s: %s is listed, but is %s", tt.name, uri, got)
			}
		}
	}
}

func TestCheckProfile(t *testing.T) {
	type R = signum.ProfileRequest
	all := Params{Devices: true, Certs: true, PINStatus: true, CardDetails: true, RCStatus: true, AAStatus: true}
	for _, tt := range []struct {
		name   string
		change func(*R)
		code   signum.Code
		want   Params
	}{
		{"version 2.0, all words", func(r *R) { r.Params = "sscds state certs pinstatus rcstatus aastatus carddetails" }, 0, all},
		{"in any order, with any space and commas", func(r *R) { r.Params = "\n carddetails,AAStatus\trcstatus  pinstatus certs" }, 0, all},
		{"none", func(*R) {}, 0, Params{}},
		{"sscds", func(r *R) { r.Params = "sscds" }, 0, Params{Devices: true}},
		{"state", func(r *R) { r.Params = "state" }, 0, Params{Devices: true}},
		{"certs", func(r *R) { r.Params = "certs" }, 0, Params{Devices: true, Certs: true}},
		{"pinstatus", func(r *R) { r.Params = "pinstatus" }, 0, Params{Devices: true, PINStatus: true}},
		{"carddetails", func(r *R) { r.Params = "carddetails" }, 0, Params{Devices: true, CardDetails: true}},
		{"rcstatus", func(r *R) { r.Params = "rcstatus" }, 0, Params{RCStatus: true}},
		{"aastatus", func(r *R) { r.Params = "aastatus" }, 0, Params{AAStatus: true}},
		{"words of other versions", func(r *R) { r.Params = "future rcstatus" }, 0, Params{RCStatus: true}},
		{"version 1.1", func(r *R) { r.Version = signum.Version{Major: "1", Minor: "1"}; r.Getters.Certificates = "true" }, 0, Params{GetCertificates: true}},
		{"version 1.0", func(r *R) { r.Version = signum.Version{Major: "1", Minor: "0"}; r.Getters.AutoActivation = "1" }, 0, Params{GetAutoActivation: true}},
		{"getters", func(r *R) {
			r.Getters = signum.ProfileGetters{Certificates: "false", AutoActivation: "0", RecoveryCodeCreated: "TRUE", ServerSideSignature: "1"}
		}, 0, Params{GetRecoveryCodeCreated: true, GetServerSideSignature: true}},
		{"getter that is no boolean", func(r *R) { r.Getters.Certificates = "maybe" }, 101, Params{}},
		{"no version", func(r *R) { r.Version = signum.Version{} }, 0, Params{}},
		{"version 2.1", func(r *R) { r.Version.Minor = "1" }, 108, Params{}},
		{"version 1.2", func(r *R) { r.Version = signum.Version{Major: "1", Minor: "2"} }, 108, Params{}},
		{"no number", func(r *R) { r.MSISDN = "" }, 102, Params{}},
		{"no AP_TransID", func(r *R) { r.AP.TransID = "" }, 102, Params{}},
		{"letters", func(r *R) { r.MSISDN = "+41abc" }, 101, Params{}},
		{"skew", func(r *R) { r.AP.Instant = "2026-03-01T11:00:00Z" }, 101, Params{}},
	} {
		r := &R{Header: signum.Header{Version: signum.Version{Major: "2", Minor: "0"}, AP: request().AP}, MSISDN: "+41 79 123-45-67"}
		tt.change(r)
		msisdn, got, err := CheckProfile(r, now, DefaultSkew)
		if code(err) != tt.code {
			t.Errorf("%s: got %v, want %d", tt.name, err, tt.code)
		}
		if err == nil && (msisdn != "+41791234567" || got != tt.want || got.Any() != (tt.want != Params{})) {
			t.Errorf("%s: got %s, %+v", tt.name, msisdn, got)
		}
	}
}

func TestCheckReceipt(t *testing.T) {
	type R = signum.ReceiptRequest
	type X = signum.ReceiptRequestExtension
	for _, tt := range []struct {
		name   string
		change func(*R)
		code   signum.Code
		want   ReceiptFields
	}{
		{"plain", func(*R) {}, 0, ReceiptFields{Wait: true}},
		{"extension", func(r *R) {
			r.Extension = &X{MessagingMode: "synch", Language: "DE", ProfileURI: "http://mss.swisscom.ch/synch", UserAck: "true"}
		}, 0, ReceiptFields{Lang: "de", Wait: true}},
		{"empty extension", func(r *R) { r.Extension = &X{} }, 0, ReceiptFields{Wait: true}},
		{"no acknowledgement wanted", func(r *R) { r.Extension = &X{UserAck: "false"} }, 0, ReceiptFields{}},
		{"language of a template", func(r *R) { r.Extension = &X{Language: "LANGUAGE"} }, 0, ReceiptFields{Wait: true}},
		{"asynchronous", func(r *R) { r.Extension = &X{MessagingMode: "asynch"} }, 101, ReceiptFields{}},
		{"UserAck", func(r *R) { r.Extension = &X{UserAck: "perhaps"} }, 101, ReceiptFields{}},
		{"version 1.2", func(r *R) { r.Version.Minor = "2" }, 0, ReceiptFields{Wait: true}},
		{"no version", func(r *R) { r.Version = signum.Version{} }, 0, ReceiptFields{Wait: true}},
		{"version 2.0", func(r *R) { r.Version = signum.Version{Major: "2", Minor: "0"} }, 108, ReceiptFields{}},
		{"no transaction", func(r *R) { r.TransID = "" }, 102, ReceiptFields{}},
		{"no number", func(r *R) { r.MSISDN = "" }, 102, ReceiptFields{}},
		{"no message", func(r *R) { r.Message.Data = "" }, 102, ReceiptFields{}},
		{"number", func(r *R) { r.MSISDN = "x" }, 101, ReceiptFields{}},
		{"Instant", func(r *R) { r.AP.Instant = "now" }, 101, ReceiptFields{}},
	} {
		r := &R{Header: signum.Header{Version: signum.Version{Major: "1", Minor: "1"}, AP: request().AP},
			TransID: "h1", MSISDN: "41791234567", Message: signum.DataToBeSigned{Data: "Bank: Done"}}
		tt.change(r)
		got, err := CheckReceipt(r, now, DefaultSkew)
		if code(err) != tt.code {
			t.Errorf("%s: got %v, want %d", tt.name, err, tt.code)
		}
		if tt.want.MSISDN = "+41791234567"; err == nil && got != tt.want {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}

func TestReceiptMessage(t *testing.T) {
	type M = signum.DataToBeSigned
	for _, tt := range []struct {
		name string
		m    M
		want signum.Code
		text string
	}{
		{"text", M{MimeType: "text/plain", Encoding: "UTF-8", Data: "Bank: Done"}, 0, "Bank: Done"},
		{"no type", M{MimeType: "", Encoding: "", Data: "Bank: Done"}, 0, "Bank: Done"},
		{"prefix", M{MimeType: "text/plain", Encoding: "UTF-8", Data: "Done"}, 107, ""},
		{"239 characters", M{MimeType: "", Encoding: "", Data: "Bank: " + strings.Repeat("a", 233)}, 0, "Bank: " + strings.Repeat("a", 233)},
		{"240 characters", M{MimeType: "", Encoding: "", Data: "Bank: " + strings.Repeat("a", 234)}, 103, ""},
		{"120 others", M{MimeType: "", Encoding: "", Data: "Bank: " + strings.Repeat("ž", 114)}, 103, ""},
		{"encrypted", M{MimeType: signum.MimeRSAMessage, Encoding: "BASE64", Data: "aGFs\n bG8="}, 0, "aGFsbG8="},
		{"encrypted, no encoding", M{MimeType: signum.MimeRSAMessage, Encoding: "", Data: "aGFsbG8="}, 0, "aGFsbG8="},
		{"encrypted, other encoding", M{MimeType: signum.MimeRSAMessage, Encoding: "UTF-8", Data: "aGFsbG8="}, 101, ""},
		{"encrypted, no Base64", M{MimeType: signum.MimeRSAMessage, Encoding: "BASE64", Data: "a!"}, 101, ""},
		{"approval", M{MimeType: signum.MimeTxnApproval, Encoding: "UTF-8", Data: "{}"}, 101, ""},
		{"Encoding", M{MimeType: "text/plain", Encoding: "base64", Data: "Bank: Done"}, 101, ""},
	} {
		p := party()
		p.EncryptedReceipts = true
		mime, text, err := ReceiptMessage(p, &tt.m)
		if code(err) != tt.want || err == nil && text != tt.text {
			t.Errorf("%s: got %q, %v", tt.name, text, err)
		}
		if mime != signum.MimeRSAMessage {
			continue
		}
		p.EncryptedReceipts = false
		if _, _, err := ReceiptMessage(p, &tt.m); code(err) != signum.WrongParam {
			t.Errorf("%s, without the right: %v", tt.name, err)
		}
	}
}

// The texts of a party's receipts need no prefix if its setting says so; its texts to
// sign do.
func TestReceiptWithoutPrefix(t *testing.T) {
	p := party()
	p.UnprefixedReceipts = true
	m := signum.DataToBeSigned{Data: "Login completed successfully"}
	if _, text, err := ReceiptMessage(p, &m); err != nil || text != m.Data {
		t.Errorf("receipt: %q, %v", text, err)
	}
	if _, _, err := ReceiptMessage(p, &signum.DataToBeSigned{Data: strings.Repeat("a", 240)}); code(err) != signum.WrongDataLength {
		t.Errorf("receipt of 240 characters: %v", err)
	}
	if _, err := SignatureContent(p, &signum.SignatureRequest{Data: m}, false); code(err) != signum.InappropriateData {
		t.Errorf("signature: %v", err)
	}
}

func TestReceiptDevice(t *testing.T) {
	type D = mssp.Device
	rsa := func(d *D) { d.KeyType = signum.RSA }
	for _, tt := range []struct {
		name, mime string
		s          *mssp.Subscriber
		want       signum.Code
	}{
		{"SIM", signum.MimeText, user(dev(signum.SIM)), 0},
		{"gone", signum.MimeText, nil, 105},
		{"suspended", signum.MimeText, &mssp.Subscriber{State: mssp.SubscriberInactive}, 403},
		{"another device", signum.MimeText, user(dev(signum.App)), 404},
		{"switched off", signum.MimeText, user(dev(signum.SIM, func(d *D) { d.State = signum.DeviceInactive })), 404},
		{"blocked", signum.MimeText, user(dev(signum.SIM, func(d *D) { d.PINBlocked = true })), 402},
		{"expired", signum.MimeText, user(dev(signum.SIM, func(d *D) { d.Certificate.NotAfter = now })), 422},
		{"revoked since", signum.MimeText, user(dev(signum.SIM, func(d *D) { d.Certificate.State = mssp.CertificateRevoked })), 0},
		{"encrypted, RSA", signum.MimeRSAMessage, user(dev(signum.SIM, rsa)), 0},
		{"encrypted, EC", signum.MimeRSAMessage, user(dev(signum.SIM)), 101},
	} {
		d, err := ReceiptDevice(tt.s, "SIM", tt.mime, now)
		if code(err) != tt.want || err == nil && d.ID != "SIM" {
			t.Errorf("%s: got %v, want %d", tt.name, err, tt.want)
		}
	}
}
