package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

func TestUserAnswer(t *testing.T) {
	for _, tc := range []struct {
		ext  *signum.ReceiptResponseExtension
		want signum.ReceiptResult
	}{
		{nil, ""},
		{&signum.ReceiptResponseExtension{}, ""},
		{&signum.ReceiptResponseExtension{UserResponse: `{"status":"OK"}`}, ""},
		{&signum.ReceiptResponseExtension{UserAck: true}, ""},
		{&signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"OK"}`}, signum.ReceiptAccepted},
		{wantReceipt, signum.ReceiptCancelled},
		{&signum.ReceiptResponseExtension{UserAck: true, UserResponse: ` {"status": "TIMEOUT", "a": 1} `}, signum.ReceiptTimedOut},
		{&signum.ReceiptResponseExtension{UserAck: true, UserResponse: "OK"}, signum.ReceiptAccepted},
	} {
		if got := UserAnswer(&signum.ReceiptResponse{Extension: tc.ext}); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.ext, got, tc.want)
		}
	}
}

// TestReceipt: the extension follows the contract, and the user's answer is read.
func TestReceipt(t *testing.T) {
	for _, f := range forms[:2] {
		rt, _ := script(f, func(id string) (int, string) { return 200, f.receiptResp(id, 100, f.receiptExtension()) })
		got, err := newTestClient(t, f.soap, rt).Receipt(t.Context(), ReceiptRequest{TransID: "h4iof", MSISDN: testMSISDN, Text: "x", UserAck: true})
		if err != nil || cmp.Diff(wantReceipt, got.Extension) != "" {
			t.Errorf("%s: %+v, %v", f.name, got, err)
		}
		rt, _ = script(f, func(string) (int, string) { return 200, f.receiptResp("S2", 100, "") })
		_, err = newTestClient(t, f.soap, rt).Receipt(t.Context(), ReceiptRequest{})
		var bad *AnswerError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), `AP_TransID "S2"`) {
			t.Errorf("%s, other call: %v", f.name, err)
		}
	}
}

func TestEncryptedReceipt(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, text string
		ec         bool
		want       string // the plaintext; empty: an error
		err        string
	}{
		{name: "text", text: "Zü€", want: "\x80\x00Z\x00\xfc\x20\xac"},
		{name: "empty", text: "", want: "\x80"},
		{name: "longest", text: strings.Repeat("x", 122), want: "\x80" + strings.Repeat("\x00x", 122)},
		{name: "too long", text: strings.Repeat("x", 123), err: "the text has 123 characters, the key takes 122"},
		{name: "not UCS-2", text: "😀", err: "not in UCS-2"},
		{name: "not UTF-8", text: "\xff", err: "not UTF-8"},
		{name: "EC", text: "x", ec: true, err: "not RSA"},
	} {
		cert := &x509.Certificate{PublicKey: &key.PublicKey, PublicKeyAlgorithm: x509.RSA}
		if tc.ec {
			cert = &x509.Certificate{PublicKey: &ecKey.PublicKey, PublicKeyAlgorithm: x509.ECDSA}
		}
		var sent struct {
			Req struct {
				Message struct{ MimeType, Encoding, Data string }
			} `json:"MSS_ReceiptReq"`
		}
		c := newTestClient(t, false, roundTrip(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			return nil, errors.Join(err, json.Unmarshal(body, &sent), errors.New("not sent"))
		}))
		_, err := c.Receipt(t.Context(), ReceiptRequest{Text: tc.text, EncryptTo: cert})
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		m := sent.Req.Message
		data, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		//lint:ignore SA1019 as a SIM does
		plain, err := rsa.DecryptPKCS1v15(nil, key, data)
		if err != nil || string(plain) != tc.want || m.MimeType != "application/alauda-rsamessage" || m.Encoding != "BASE64" {
			t.Errorf("%s: %q, %v, %s %s", tc.name, plain, err, m.MimeType, m.Encoding)
		}
	}
}
