package client

import (
	"bytes"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	const pemCMS = "-----BEGIN CMS-----\nMIAAAA==\n-----END CMS-----\n"
	part := func(kind string) string { return "Content-Type: " + kind + "\n\nMIAAAA==\n" }
	multipart := func(body string) string {
		return "Content-Type: multipart/signed; protocol=\"x\"; boundary=\"b\"\n\n" + body
	}
	const signature = "Content-Type: application/pkcs7-signature\n\nMIAAAA==\n"
	for name, tc := range map[string]struct{ data, cms, content, err string }{
		"BER":                        {"\x30\x80\x00\x00", "\x30\x80\x00\x00", "", ""},
		"DER that contains PEM":      {"\x30\x82\x00\x00\n" + pemCMS, "\x30\x82\x00\x00\n" + pemCMS, "", ""},
		"PEM":                        {pemCMS, "\x30\x80\x00\x00", "", ""},
		"PEM, CR LF":                 {strings.ReplaceAll(pemCMS, "\n", "\r\n"), "\x30\x80\x00\x00", "", ""},
		"PEM of PKCS7":               {strings.ReplaceAll(pemCMS, "CMS", "PKCS7"), "\x30\x80\x00\x00", "", ""},
		"PEM of another kind":        {strings.ReplaceAll(pemCMS, "CMS", "CERTIFICATE"), "", "", "begins with a CERTIFICATE"},
		"PEM, damaged":               {pemCMS[:30], "", "", "damaged"},
		"Base64":                     {"MIAA\r\nAA==\r\n", "\x30\x80\x00\x00", "", ""},
		"neither":                    {"hello, world", "hello, world", "", ""},
		"empty":                      {"", "", "", ""},
		"S/MIME":                     {part("application/pkcs7-mime; smime-type=signed-data"), "\x30\x80\x00\x00", "", ""},
		"S/MIME, the older type":     {part("application/x-pkcs7-mime"), "\x30\x80\x00\x00", "", ""},
		"S/MIME after fields":        {"Subject: a\n b\nMIME-Version: 1.0\n" + part("application/pkcs7-mime"), "\x30\x80\x00\x00", "", ""},
		"S/MIME, binary":             {"Content-Type: application/pkcs7-mime\n\n\x30\x80\x00\x00", "\x30\x80\x00\x00", "", ""},
		"S/MIME, encrypted":          {part("application/pkcs7-mime; smime-type=enveloped-data"), "", "", `"enveloped-data" contains no signature`},
		"a message without":          {part("text/plain"), "", "", `"text/plain" contains no signature`},
		"S/MIME, broken type":        {part("="), "", "", "Content-Type"},
		"S/MIME, broken header":      {"Content-Type: text/plain\n: x\n\n", "", "", "header"},
		"multipart":                  {multipart("preamble\n--b\nhello\nworld\n--b\n" + signature + "--b--\nepilogue"), "\x30\x80\x00\x00", "hello\r\nworld", ""},
		"multipart that shows PEM":   {multipart("--b\n" + pemCMS + "--b\n" + signature + "--b--\n"), "\x30\x80\x00\x00", strings.TrimSpace(strings.ReplaceAll(pemCMS, "\n", "\r\n")), ""},
		"multipart, nothing signed":  {multipart("--b\n--b\n" + signature + "--b--\n"), "\x30\x80\x00\x00", "", ""},
		"multipart, one part":        {multipart("--b\nhello\n--b--\n"), "", "", "1 parts instead of 2"},
		"multipart, three parts":     {multipart("--b\nhello\n--b\n--b\n--b--\n"), "", "", "more than 2"},
		"multipart, no end":          {multipart("--b\nhello\n--b\n" + signature), "", "", "without its end"},
		"multipart, no boundary":     {"Content-Type: multipart/signed\n\n--\n--\n----\n", "", "", "without its end"},
		"multipart, other signature": {multipart("--b\nhello\n--b\n" + part("application/pgp-signature") + "--b--\n"), "", "", "contains no signature"},
	} {
		cms, content, err := open([]byte(tc.data))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v, want %s", name, err, tc.err)
			}
			continue
		}
		if err != nil || string(cms) != tc.cms || string(content) != tc.content {
			t.Errorf("%s: %q and %q, %v", name, cms, content, err)
		}
		if strings.HasPrefix(name, "multipart") != (content != nil) {
			t.Errorf("%s: content %q", name, content)
		}
	}
}

// What is taken out is never longer than what it was taken out of, and the input stays
// as it is.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("-----BEGIN CMS-----\nMIAAAA==\n-----END CMS-----\n"))
	f.Add([]byte("Content-Type: application/pkcs7-mime\n\nMIAAAA==\n"))
	f.Add([]byte("Content-Type: multipart/signed; boundary=b\n\n--b\nhello\n--b\nContent-Type: application/pkcs7-signature\n\nMIAAAA==\n--b--\n"))
	f.Add([]byte("\x30\x80\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		cms, content, err := open(data)
		if !bytes.Equal(data, before) {
			t.Error("the input was changed")
		}
		// A line break may have become two bytes.
		if err == nil && len(cms)+len(content) > 2*len(data) {
			t.Errorf("%d bytes of %d", len(cms)+len(content), len(data))
		}
		if err != nil && (cms != nil || content != nil) {
			t.Error("a result with an error")
		}
	})
}
