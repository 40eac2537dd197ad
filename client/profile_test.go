package client

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

func TestProfile(t *testing.T) {
	for _, f := range forms[:2] {
		rt, _ := script(f, func(id string) (int, string) { return 200, f.profileResp(id, 100, f.profileExtension()) })
		got, err := newTestClient(t, f.soap, rt).Profile(t.Context(), testMSISDN, signum.ProfileParams...)
		if err != nil || cmp.Diff(wantProfile, got.Extension) != "" || cmp.Diff(wantProfiles, got.Profiles) != "" {
			t.Errorf("%s: %+v, %v", f.name, got, err)
		}
		rt, _ = script(f, func(string) (int, string) { return 200, f.profileResp("S2", 100, "") })
		_, err = newTestClient(t, f.soap, rt).Profile(t.Context(), testMSISDN)
		var bad *AnswerError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), `AP_TransID "S2"`) {
			t.Errorf("%s, other call: %v", f.name, err)
		}
	}
}

// TestGetters: SOAP sends them, and REST refuses them instead of leaving them out.
func TestGetters(t *testing.T) {
	getters := signum.ProfileGetters{Certificates: "true", AutoActivation: "1", RecoveryCodeCreated: "false", ServerSideSignature: "0"}
	ask := func(c *Client) error {
		_, err := c.Do(t.Context(), &signum.ProfileRequest{MSISDN: testMSISDN, Getters: getters})
		return err
	}
	_, body := sent(t, true, ask)
	const want = `</mss:MobileUser><mss:GetAutoActivation>1</mss:GetAutoActivation><mss:GetServerSideSignature>0</mss:GetServerSideSignature>` +
		`<mss:GetRecoveryCodeCreated>false</mss:GetRecoveryCodeCreated><mss:GetCertificates>true</mss:GetCertificates></mss:MSS_ProfileReq>`
	if !strings.Contains(body, want) {
		t.Error(body)
	}
	err := ask(newTestClient(t, false, canned(200, "", "")))
	var bad *AnswerError
	if err == nil || errors.As(err, &bad) || !strings.Contains(err.Error(), "no REST form") {
		t.Error(err)
	}
}

// TestLiberalProfiles: forms that other services use, and values that are errors.
func TestLiberalProfiles(t *testing.T) {
	rest := func(ext string) string { return forms[0].profileResp(testTransID, 100, ext) }
	soap := func(ext string) string {
		return forms[1].profileResp(testTransID, 100, `<x:ProfileQueryExtension xmlns:x="u">`+ext+`</x:ProfileQueryExtension>`)
	}
	one := []signum.SSCDCertificate{{Chain: []signum.ChainCertificate{{DER: testCMS}, {DER: testCMS}}}}
	for _, tc := range []struct {
		name string
		soap bool
		body string
		want *signum.ProfileExtension
		err  string
	}{
		{"null", false, rest(`{"ProfileQueryExtension":null}`), nil, ""},
		{"empty", false, rest(`{"ProfileQueryExtension":{}}`), &signum.ProfileExtension{}, ""},
		{"empty XML", true, soap(``), &signum.ProfileExtension{}, ""},
		{"App is no array", false, rest(`{"ProfileQueryExtension":{"Sscds":{"App":{"State":"ACTIVE"},"Sim":null}}}`),
			&signum.ProfileExtension{SSCDs: &signum.SSCDs{Apps: []signum.SSCD{{State: "ACTIVE"}}}}, ""},
		{"no devices", true, soap(`<Sscds/>`), &signum.ProfileExtension{SSCDs: &signum.SSCDs{}}, ""},
		{"status without value", false, rest(`{"ProfileQueryExtension":{"Sscds":{"Sim":{"PinStatus":{}}}}}`),
			&signum.ProfileExtension{SSCDs: &signum.SSCDs{SIM: &signum.SSCD{}}}, ""},
		{"unpaired names", false, rest(`{"ProfileQueryExtension":{"MobileUserCertificate":[{"X509Certificate":["MAMCAfs=","MAMCAfs="],"X509SubjectName":["CN=A"]}]}}`),
			&signum.ProfileExtension{Certificates: one}, ""},
		{"unpaired names, XML", true, soap(`<MobileUserCertificate><X509Certificate>MAMCAfs=</X509Certificate><X509Certificate>MAMCAfs=</X509Certificate><X509SubjectName>CN=A</X509SubjectName></MobileUserCertificate>`),
			&signum.ProfileExtension{Certificates: one}, ""},
		{"odd boolean", false, rest(`{"ProfileQueryExtension":{"AutoActivation":"perhaps"}}`), nil, `AutoActivation "perhaps" is not a boolean`},
		{"odd boolean, XML", true, soap(`<Sscds><App><PinStatus blocked="?"/></App></Sscds>`), nil, `PinStatus blocked "?"`},
		{"odd certificate", false, rest(`{"ProfileQueryExtension":{"MobileUserCertificate":{"X509Certificate":"?"}}}`), nil, "a certificate: illegal base64"},
		{"odd array", false, rest(`{"ProfileQueryExtension":{"MobileUserCertificate":"?"}}`), nil, "cannot unmarshal"},
	} {
		f := forms[0]
		if tc.soap {
			f = forms[1]
		}
		resp, err := newTestClient(t, tc.soap, canned(200, f.contentType(), tc.body)).Do(t.Context(), &signum.ProfileRequest{Header: testHeader()})
		if tc.err != "" {
			var bad *AnswerError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if d := cmp.Diff(tc.want, resp.(*signum.ProfileResponse).Extension); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
	// One profile need not be an array.
	body := strings.Replace(rest(""), `["http://mid.swisscom.ch/Any-LoA4","http://mid.swisscom.ch/STK-LoA4"]`, `"http://mid.swisscom.ch/Any-LoA4"`, 1)
	resp, err := newTestClient(t, false, canned(200, forms[0].contentType(), body)).Do(t.Context(), &signum.ProfileRequest{})
	if err != nil || cmp.Diff(wantProfiles[:1], resp.(*signum.ProfileResponse).Profiles) != "" {
		t.Errorf("one profile: %+v, %v", resp, err)
	}
}
