package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
)

const (
	// receiptStatus is the Status of a receipt; only a success has a receipt.
	receiptStatus = "100"
	// receiptProfile is the only kind of receipt there is.
	receiptProfile = "http://mss.swisscom.ch/synch"
)

// ReceiptRequest is a text for the user after a signature. TransID, MSISDN and
// Text are required.
type ReceiptRequest struct {
	TransID string // MSSP_TransID of a signature that succeeded and has no receipt yet
	MSISDN  string // of the user who signed
	Text    string // it must start with the party's prefix, like a text to sign
	Lang    string // en, de, fr or it; empty: Config.Lang
	// UserAck asks what the user does with the receipt: see UserAnswer. Receipt then
	// waits for the user, up to signum.ReceiptWait (80 s).
	UserAck bool

	MimeType string // empty: text/plain
	Encoding string // empty: UTF-8
	// EncryptTo is the certificate of the RSA key on the user's SIM. With it the text
	// is encrypted, so that only the SIM can read it. It sets MimeType and Encoding.
	EncryptTo *x509.Certificate

	APTransID string // an NCName; empty: a random one
}

// Receipt shows a text on the user's phone after a successful signature, such as
// "Paid". A transaction has one receipt; a second one is fault 101.
func (c *Client) Receipt(ctx context.Context, r ReceiptRequest) (*signum.ReceiptResponse, error) {
	if r.EncryptTo != nil {
		data, err := encryptText(r.EncryptTo, r.Text)
		if err != nil {
			return nil, fmt.Errorf("client: EncryptTo: %w", err)
		}
		r.Text, r.MimeType, r.Encoding = data, signum.MimeRSAMessage, "BASE64"
	}
	r.Lang = cmp.Or(r.Lang, c.cfg.Lang)
	r.MimeType = cmp.Or(r.MimeType, signum.MimeText)
	r.Encoding = cmp.Or(r.Encoding, encodingUTF8)
	resp, err := c.Do(ctx, &signum.ReceiptRequest{
		Header:  c.header(version("1", "1"), r.APTransID),
		TransID: r.TransID,
		MSISDN:  r.MSISDN,
		Message: signum.DataToBeSigned{MimeType: r.MimeType, Encoding: r.Encoding, Data: r.Text},
		// The contract requires the extension; it also holds the language.
		Extension: &signum.ReceiptRequestExtension{
			MessagingMode: signum.Synch, Language: r.Lang, ProfileURI: receiptProfile, UserAck: strconv.FormatBool(r.UserAck),
		},
	})
	if err != nil {
		return nil, err
	}
	return resp.(*signum.ReceiptResponse), nil
}

// UserAnswer finds in an answer what the user did with the receipt: accepted it
// (signum.ReceiptAccepted), cancelled it (ReceiptCancelled), or nothing while it
// was shown (ReceiptTimedOut). It is ReceiptPending, which is empty, if the request
// did not have UserAck or no answer came in time; the receipt may have been shown.
func UserAnswer(r *signum.ReceiptResponse) signum.ReceiptResult {
	if r.Extension == nil || !r.Extension.UserAck {
		return signum.ReceiptPending
	}
	var answer struct {
		Status signum.ReceiptResult `json:"status"`
	}
	text := strings.TrimSpace(r.Extension.UserResponse)
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return signum.ReceiptResult(text)
	}
	return answer.Status
}

// ucs2 is the first byte of a SIM's text in UCS-2, big endian (ETSI TS 102 221,
// annex A).
const ucs2 = 0x80

// encryptText encrypts a text to the RSA key of a SIM and returns it in Base64.
func encryptText(to *x509.Certificate, text string) (string, error) {
	key, ok := to.PublicKey.(*rsa.PublicKey)
	if !ok {
		return "", fmt.Errorf("the certificate has a key of type %s, not RSA", to.PublicKeyAlgorithm)
	}
	if !utf8.ValidString(text) {
		return "", errors.New("the text is not UTF-8")
	}
	msg := []byte{ucs2}
	for _, r := range text {
		if r > 0xFFFF {
			return "", fmt.Errorf("%q is not in UCS-2", r)
		}
		msg = binary.BigEndian.AppendUint16(msg, uint16(r))
	}
	if room := key.Size() - 11; len(msg) > room { // RFC 8017, clause 7.2.1
		return "", fmt.Errorf("the text has %d characters, the key takes %d", (len(msg)-1)/2, (room-1)/2)
	}
	//lint:ignore SA1019 the padding that SIMs decrypt; there is no choice
	data, err := rsa.EncryptPKCS1v15(rand.Reader, key, msg)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(data), nil
}
