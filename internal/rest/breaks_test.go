package rest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

// TestBreaksInBase64: Base64 may be broken into lines; nothing else may.
func TestBreaksInBase64(t *testing.T) {
	const encrypted = `"MimeType":"application/alauda-rsamessage"`
	data := func(members string) string { return sign(`"DataToBeSigned":{` + members + `}`) }
	message := func(members string) string { return receipt(`"Message":{` + members + `}`) }
	for body, want := range map[string]string{
		data("\"Encoding\":\"base64\",\"Data\":\"c2Vj\ncmV0\""):         "c2Vj cmV0",
		data("\"Data\":\"c2Vj\r\ncmV0\r\n\",\"Encoding\":\"BASE64\""):   "c2Vj  cmV0  ",
		data("\n\"Data\":\n\"c2Vj\tcmV0\",\n\t\"Encoding\":\"BASE64\""): "c2Vj cmV0",
		data("\"Encoding\":\"base64\",\"Data\":\"c2Vj\\ncmV0\""):        "c2Vj\ncmV0",
		data("\"Encoding\":\"base64\",\"Data\":\"c2Vj\\n\ncmV0\""):      "c2Vj\n cmV0",
		message(encrypted + ",\"Data\":\"c2Vj\ncmV0\""):                 "c2Vj cmV0",
		message("\"Data\":\"c2Vj\ncmV0\"," + encrypted):                 "c2Vj cmV0",
		"\xEF\xBB\xBF" + message(encrypted+",\"Data\":\"c2Vj\ncmV0\""):  "c2Vj cmV0",
	} {
		r, _, err := Wire{}.Decode(signum.OpAny, []byte(body))
		if err != nil {
			t.Errorf("%q: %v", body, err)
			continue
		}
		got := ""
		switch r := r.(type) {
		case *signum.SignatureRequest:
			got = r.Data.Data
		case *signum.ReceiptRequest:
			got = r.Message.Data
		}
		if got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
	for _, body := range []string{
		data("\"Data\":\"Hello\n\""),
		data("\"Encoding\":\"UTF-8\",\"Data\":\"Hello\n\""),
		data("\"MimeType\":\"text/plain\",\"Data\":\"Hello\t\""),
		data("\"Encoding\":\"base64\n\",\"Data\":\"c2Vj\""),
		data("\"Encoding\":\"base64\",\"Da\nta\":\"c2Vj\""),
		data("\"Encoding\":\"base64\",\"Data\":\"c2Vj\n\",\"x\":\"\n\""),
		data("\"Encoding\":\"base64\",\"x\":{\"Data\":\"c2Vj\n\"}"),
		message("\"MimeType\":\"text/plain\",\"Data\":\"Hello\r\n\""),
		sign("\"MessagingMode\":\"synch\n\",\"DataToBeSigned\":{\"Encoding\":\"base64\",\"Data\":\"c2Vj\n\"}"),
		sign("\"DataToBeSigned\":{\"Encoding\":\"base64\",\"Data\":\"c2Vj\n\"},\"AP_Info\":{\"AP_PWD\":\"\t\"}"),
		sign("\"AdditionalServices\":[{\"Description\":\"\n\"}]"),
		sign("\"x\":[[\"\n\"]]"),
		query("\"Params\":[\"state\n\"]"),
		"{\"x\":\"\n\",\"MSS_SignatureReq\":{}}",
		"{\"MSS_SignatureReq\":{},\"x\":\"\n\"}",
	} {
		r, _, err := Wire{}.Decode(signum.OpAny, []byte(body))
		checkRefusal(t, r, err)
		if !strings.Contains(err.Error(), "a line break or tab in a string must be escaped") {
			t.Errorf("%q: %v", body, err)
		}
	}
	// Other characters of this kind have no business in Base64 either.
	for _, c := range []string{"\x00", "\x0b", "\x0c", "\x1f", "\\\n"} {
		r, _, err := Wire{}.Decode(signum.OpAny, []byte(data("\"Encoding\":\"base64\",\"Data\":\"c2Vj"+c+"\"")))
		checkRefusal(t, r, err)
	}
}

// FuzzBreaks: what is accepted is JSON or, if it has line breaks in strings, would be if
// they were escaped, and then they are in Base64 alone.
func FuzzBreaks(f *testing.F) {
	for _, name := range []string{"curl.json", "receipt-java.json", "status-bom.json"} {
		f.Add(fixture(f, name))
	}
	for _, s := range []string{
		sign("\"DataToBeSigned\":{\"Encoding\":\"base64\",\"Data\":\"c2Vj\ncmV0\"}"),
		sign("\"DataToBeSigned\":{\"Data\":\"c2Vj\ncmV0\"}"),
		receipt("\"Message\":{\"Data\":\"\t\",\"MimeType\":\"application/alauda-rsamessage\"}"),
		sign("\"x\":\"\\\"\n\""), "{\"\n\":1}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		spaced, breaks := unbroken(body)
		r, _, err := Wire{}.Decode(signum.OpAny, body)
		if err != nil {
			checkRefusal(t, r, err)
			return
		}
		if breaks == nil {
			if !json.Valid(bytes.TrimPrefix(body, byteOrderMark)) {
				t.Fatal("accepted what is not JSON")
			}
			return
		}
		if json.Valid(bytes.TrimPrefix(body, byteOrderMark)) {
			t.Fatal("these are no breaks in strings")
		}
		same, _, err := Wire{}.Decode(signum.OpAny, spaced)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(same, r); diff != "" {
			t.Fatal(diff)
		}
		var escaped []byte
		for i, b := range body {
			if slices.Contains(breaks, i) {
				escaped = append(escaped, '\\', map[byte]byte{'\n': 'n', '\r': 'r', '\t': 't'}[b])
			} else {
				escaped = append(escaped, b)
			}
		}
		full, _, err := Wire{}.Decode(signum.OpAny, escaped)
		if err != nil {
			t.Fatal(err)
		}
		// Without the data the two are the same, so the breaks were nowhere else.
		if diff := cmp.Diff(withoutBase64(t, full), withoutBase64(t, r)); diff != "" {
			t.Fatal(diff)
		}
		if !json.Valid(bytes.TrimPrefix(escaped, byteOrderMark)) {
			t.Fatal("accepted what would not be JSON")
		}
	})
}

// withoutBase64 removes Base64 from a request.
func withoutBase64(t *testing.T, r signum.Request) signum.Request {
	t.Helper()
	var d *signum.DataToBeSigned
	switch r := r.(type) {
	case *signum.SignatureRequest:
		d = &r.Data
	case *signum.ReceiptRequest:
		d = &r.Message
	default:
		t.Fatalf("breaks in %T", r)
	}
	if !strings.EqualFold(d.Encoding, "base64") && !strings.Contains(strings.ToLower(d.MimeType), "rsamessage") {
		t.Fatalf("breaks beside %q, %q", d.MimeType, d.Encoding)
	}
	d.Data = ""
	return r
}
