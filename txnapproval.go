package signum

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of a [TxnApproval]. Lengths are in bytes of UTF-8.
const (
	MaxTxnType  = 100
	MaxTxnPairs = 20 // rows
	MaxTxnKey   = 100
	MaxTxnValue = 2000
	MaxTxnTotal = 2000 // all keys and values together
)

// TxnApproval is a transaction approval, the payload of [MimeTxnApproval]: a title
// and rows that an App shows. The rows are signed, the title is not.
type TxnApproval struct {
	Type string // the title
	Rows []TxnRow
}

// TxnRow is one row of a [TxnApproval].
type TxnRow struct {
	Key, Value string
	// ValueFirst says that the request has the value before the key: they are signed
	// in the order of the request.
	ValueFirst bool
}

var errTxnShape = errors.New(`not an object {"type":…,"dtbd":[{"key":…,"value":…}…]}`)

// ParseTxnApproval reads a payload of [MimeTxnApproval]. It refuses what an App
// would neither show nor sign, and what has two meanings: unknown and duplicate
// members. It does not check the limits; see [TxnApproval.Fits].
func ParseTxnApproval(data string) (*TxnApproval, error) {
	if !utf8.ValidString(data) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(strings.NewReader(data))
	t := new(TxnApproval)
	var hasType, hasRows bool
	err := txnObject(d, func(name string) error {
		switch {
		case name == "type" && !hasType:
			hasType = true
			return txnString(d, &t.Type)
		case name == "dtbd" && !hasRows:
			hasRows = true
			return t.rows(d)
		}
		return fmt.Errorf("member %.20q is unknown or repeated", name)
	})
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("data after the object")
	}
	if !hasType || len(t.Rows) == 0 {
		return nil, errTxnShape
	}
	return t, nil
}

func (t *TxnApproval) rows(d *json.Decoder) error {
	if err := txnDelim(d, '['); err != nil {
		return err
	}
	for d.More() {
		var row TxnRow
		var hasKey, hasValue bool
		err := txnObject(d, func(name string) error {
			switch {
			case name == "key" && !hasKey:
				hasKey = true
				return txnString(d, &row.Key)
			case name == "value" && !hasValue:
				hasValue, row.ValueFirst = true, !hasKey
				return txnString(d, &row.Value)
			}
			return fmt.Errorf("member %.20q of a row is unknown or repeated", name)
		})
		if err != nil {
			return err
		}
		if !hasKey || !hasValue {
			return errors.New("a row needs a key and a value")
		}
		t.Rows = append(t.Rows, row)
	}
	_, err := d.Token()
	return err
}

// txnObject reads an object; member reads the value that follows the name.
func txnObject(d *json.Decoder, member func(name string) error) error {
	if err := txnDelim(d, '{'); err != nil {
		return err
	}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		if err := member(tok.(string)); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func txnDelim(d *json.Decoder, want json.Delim) error {
	tok, err := d.Token()
	if err == nil && tok != want {
		err = errTxnShape
	}
	return err
}

func txnString(d *json.Decoder, to *string) error {
	tok, err := d.Token()
	if err != nil {
		return err
	}
	s, ok := tok.(string)
	if !ok {
		return errors.New("a value is not a string")
	}
	*to = s
	return nil
}

// Size returns the length of all keys and values together, in bytes of UTF-8.
func (t *TxnApproval) Size() int {
	n := 0
	for _, r := range t.Rows {
		n += len(r.Key) + len(r.Value)
	}
	return n
}

// Fits reports whether the approval keeps the limits, from [MaxTxnType] to
// [MaxTxnTotal].
func (t *TxnApproval) Fits() bool {
	for _, r := range t.Rows {
		if len(r.Key) > MaxTxnKey || len(r.Value) > MaxTxnValue {
			return false
		}
	}
	return len(t.Type) <= MaxTxnType && len(t.Rows) <= MaxTxnPairs && t.Size() <= MaxTxnTotal
}

// String returns the payload as compact JSON, which [ParseTxnApproval] reads.
func (t *TxnApproval) String() string {
	return string(t.appendRows(append(appendJSON([]byte(`{"type":`), t.Type), `,"dtbd":`...))) + "}"
}

// SignedContent returns the text that the App signs: the rows in a normal form,
// without the title. A party compares it with the text of the signature.
func (t *TxnApproval) SignedContent() string {
	return string(appendJSON([]byte(`{"format_version":1,"content_string":`), string(t.appendRows(nil)))) + "}"
}

func (t *TxnApproval) appendRows(dst []byte) []byte {
	dst = append(dst, '[')
	for i, r := range t.Rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		if r.ValueFirst {
			dst = appendJSON(append(dst, `{"value":`...), r.Value)
			dst = appendJSON(append(dst, `,"key":`...), r.Key)
		} else {
			dst = appendJSON(append(dst, `{"key":`...), r.Key)
			dst = appendJSON(append(dst, `,"value":`...), r.Value)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendJSON appends a string as JSON.stringify of ECMAScript writes it: what
// must be escaped is, and nothing else. Parties compute the same to compare.
func appendJSON(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range []byte(s) {
		if i := bytes.IndexByte([]byte("\"\\\b\f\n\r\t"), c); i >= 0 {
			dst = append(dst, '\\', `"\bfnrt`[i])
		} else if c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// SignedContent returns what a phone signs when it shows a text of this MIME type:
// the text itself, or the rows of a [TxnApproval]. It returns an error if a
// transaction approval cannot be read.
func SignedContent(mimeType, text string) (string, error) {
	if mimeType != MimeTxnApproval {
		return text, nil
	}
	t, err := ParseTxnApproval(text)
	if err != nil {
		return "", err
	}
	return t.SignedContent(), nil
}
