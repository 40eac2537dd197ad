package client

import (
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
	// receiptStatus is the status a receipt tells: only a success has one.
	receiptStatus = "100"
	// receiptProfile is the one way of receipts there is.
	receiptProfile = "http://mss.swisscom.ch/synch"
)

// ReceiptRequest is a text for the user after a signature. TransID, MSISDN and
// Text are needed.
type ReceiptRequest struct {
	TransID string // MSSP_TransID of the signature, which must have succeeded and have no receipt yet
	MSISDN  string // of the signature
	Text    string // must start with the party's prefix, as a text to be signed must
	Lang    string // en, de, fr or it; empty: Config.Lang
	// UserAck asks what the user does with the receipt, see UserAnswer. Receipt
	// then waits for it, up to signum.ReceiptWait (80 s).
	UserAck bool

	MimeType string // empty: text/plain
	Encoding string // empty: UTF-8
	// EncryptTo is the certificate of the RSA key on the user's SIM: nobody on
	// the way can read the text. It sets MimeType and Encoding.
	EncryptTo *x509.Certificate

	APTransID string // an NCName; empty: a random one
}

// Receipt has the user's phone show a text after a successful signature, once
// per transaction: "Paid", "Logged in". A second one is fault 101.
func (c *Client) Receipt(ctx context.Context, r ReceiptRequest) (*signum.ReceiptResponse, error) {
	if r.EncryptTo != nil {
		data, err := encryptText(r.EncryptTo, r.Text)
		if err != nil {
			return nil, fmt.Errorf("client: EncryptTo: %w", err)
		}
		r.Text, r.MimeType, r.Encoding = data, signum.MimeRSAMessage, "BASE64"
	}
	setDefault(&r.Lang, c.cfg.Lang)
	setDefault(&r.MimeType, signum.MimeText)
	setDefault(&r.Encoding, encodingUTF8)
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

// UserAnswer is what the user did with a receipt: signum.ReceiptAccepted,
// ReceiptCancelled, or ReceiptTimedOut if it was shown and nobody touched it.
// It is empty if nobody asked, or no answer came in time; then the receipt may
// have been shown or not.
func UserAnswer(r *signum.ReceiptResponse) signum.ReceiptResult {
	if r.Extension == nil || !r.Extension.UserAck {
		return ""
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

// ucs2 is the first byte of a text of a SIM in UCS-2, big endian (ETSI TS 102
// 221, annex A).
const ucs2 = 0x80

// encryptText makes a text for the RSA key of a SIM, in Base64.
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
