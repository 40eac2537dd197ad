package config

import "testing"

func TestContactURI(t *testing.T) {
	for in, want := range map[string]string{
		"operator@example.com":        "mailto:operator@example.com",
		"mailto:operator@example.com": "mailto:operator@example.com",
		"https://mid.example.com":     "https://mid.example.com",
		"https://example.com:8443/x":  "https://example.com:8443/x",

		"":                                 "",
		"operator":                         "",
		"operator@localhost":               "",
		"sandbox@localhost.invalid":        "",
		"operator@phones.test":             "",
		"operator@Phones.LOCAL.":           "",
		"operator@10.0.0.1":                "",
		"operator@.":                       "",
		"operator@example..com":            "",
		"Operator <operator@example.com>":  "",
		"operator@example.com, b@c.com":    "",
		"mailto:http://127.0.0.1:8444":     "",
		"mailto:mailto:operator@x.com":     "",
		"operator@example.com?subject=x":   "",
		"http://example.com":               "",
		"https://127.0.0.1:8444":           "",
		"https://localhost:8444":           "",
		"https://[::1]/":                   "",
		"https://user:secret@example.com/": "",
		"https://%":                        "",
		"https:":                           "",
	} {
		got, err := ContactURI(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

// The origin of the pages stands in for a contact if push services would take it.
func TestPushContact(t *testing.T) {
	for _, tc := range []struct {
		contact string
		url     URL
		want    string
	}{
		{"ops@example.com", "https://mid.example.com", "mailto:ops@example.com"},
		{"", "https://mid.example.com", "https://mid.example.com"},
		{"", "http://127.0.0.1:8444", ""},
		{"", "", ""},
	} {
		c := &Config{}
		c.App.VAPID.Contact, c.Listen.Web.URL = tc.contact, tc.url
		if got, err := ContactURI(c.PushContact()); got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%+v: %q, %v", tc, got, err)
		}
	}
}
