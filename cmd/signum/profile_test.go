package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

func TestProfileCommand(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, f.dir)
	const number = "+41791000001"
	stdout, stderr, code := execute(t.Context(), newProfileCmd(), "", number)
	want := `Status       100 REQUEST_OK
Number       +41791000001
Profiles     any       http://mid.swisscom.ch/Any-LoA4
             -         urn:other
Recovery     the user has a recovery code
Activation   a signature request would activate nothing

DEVICE  STATE       PIN      NETWORK          KEY  CERTIFICATE
SIM     ACTIVE      ok       228-01 Swisscom  EC   ACTIVE until ` + time.Now().UTC().Add(time.Hour).Format(time.DateOnly) + ` CN=TEST\x1b
SIM     ACTIVE      ok       228-01 Swisscom  RSA  INACTIVE
App 1   INACTIVE    blocked  -                -    -
App 2   REGISTERED  -        -                -    -
`
	if d := cmp.Diff(want, stdout); d != "" || code != 0 || stderr != "" {
		t.Errorf("exit %d %s(-want +got):\n%s", code, stderr, d)
	}
	if !strings.Contains(f.body, `"Params":"`+strings.Join(signum.ProfileParams, " ")+`"`) {
		t.Error(f.body)
	}

	stdout, _, code = execute(t.Context(), newProfileCmd(), "", "--params", "", number)
	if strings.Contains(stdout, "DEVICE") || strings.Contains(stdout, "Recovery") || code != 0 || strings.Contains(f.body, "Params") {
		t.Errorf("no params: exit %d\n%s%s", code, stdout, f.body)
	}

	for _, tc := range []struct {
		args []string
		code int
		want string // in either output
	}{
		{[]string{"+41790000101"}, exitRefused, "the number has no active account"},
		{[]string{"--json", "+41790000101"}, exitRefused, `{"status":105,"reason":"UNKNOWN_CLIENT","detail":"MSISDN is unknown","msisdn":"+41790000101"}`},
		{[]string{"--soap", number}, exitUnreachable, "HTTP 502"},
		{[]string{}, exitLocal, "profile needs an MSISDN; for example: signum profile"},
	} {
		stdout, stderr, code := execute(t.Context(), newProfileCmd(), "", tc.args...)
		if code != tc.code || !strings.Contains(stdout+stderr, tc.want) {
			t.Errorf("%v: exit %d\n%s%s", tc.args, code, stdout, stderr)
		}
	}
}

func TestProfileJSON(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, f.dir)
	stdout, _, code := execute(t.Context(), newProfileCmd(), "", "--json", "+41791000001")
	var got any
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("%v, exit %d\n%s", err, code, stdout)
	}
	var want any
	text := fmt.Sprintf(`{"status":100,"reason":"REQUEST_OK","msisdn":"+41791000001","profiles":["http://mid.swisscom.ch/Any-LoA4","urn:other"],
		"recovery_code_created":true,"auto_activation":false,
		"sim":{"state":"ACTIVE","pin_blocked":false,"network":{"mcc":"228","mnc":"01","name":"Swisscom"},"certificates":[
			{"algorithm":"EC","state":"ACTIVE","chain":[{"der":%q,"subject":"CN=TEST\u001b"}]},
			{"algorithm":"RSA","state":"INACTIVE","chain":[]}]},
		"apps":[{"state":"INACTIVE","pin_blocked":true},{"state":"REGISTERED"}]}`, base64.StdEncoding.EncodeToString(f.leaf))
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestProfileNames(t *testing.T) {
	for _, uri := range append([]string{signum.ProfileAuth1}, signum.SignatureProfiles...) {
		name := profileName(uri)
		if got, err := profileURI(name); got != uri || err != nil {
			t.Errorf("%s is %s, which is %s, %v", uri, name, got, err)
		}
		if !strings.Contains(profilesHelp(), "\n  "+name+" ") {
			t.Errorf("no help for %s", name)
		}
	}
}
