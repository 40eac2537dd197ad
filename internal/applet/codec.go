package applet

import (
	"encoding/binary"
	"math"
	"time"
)

const maxChallenge = 64

// MarshalBinary encodes the request in the order of the tags. An error means that a
// field is out of range.
func (r *Request) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, 128+len(r.Text.Data)+len(r.Sealed)+len(r.Party.Data))
	b = appendHead(b, r.Op, r.KeyID, r.Algorithm, r.ID)
	b = r.Text.append(b, tagText)
	if r.Op == Sign {
		s := r.SigningTime.Unix()
		if s < 0 || s > math.MaxUint32 {
			return nil, malformed("signing time %s", r.SigningTime)
		}
		b = appendTLV(b, tagAttributes, binary.BigEndian.AppendUint32(nil, uint32(s)), r.CertHash[:])
	}
	seconds := r.Timeout / time.Second
	if seconds < 0 || seconds > math.MaxUint16 {
		return nil, malformed("timeout %s", r.Timeout)
	}
	if len(r.Lang) != 2 {
		return nil, malformed("language %q", r.Lang)
	}
	b = appendTLV(b, tagLimits, binary.BigEndian.AppendUint16(nil, uint16(seconds)), []byte(r.Lang))
	if len(r.Challenge) > maxChallenge {
		return nil, malformed("challenge of %d octets", len(r.Challenge))
	}
	if r.Challenge != "" {
		b = appendTLV(b, tagChallenge, []byte(r.Challenge))
	}
	if len(r.Sealed) > 0 {
		b = appendTLV(b, tagSealed, r.Sealed)
	}
	if r.Op.ShowsText() {
		b = r.Party.append(b, tagParty)
	}
	return b, bounded(b)
}

func bounded(b []byte) error {
	if len(b) > MaxPayload {
		return malformed("%d octets, more than %d", len(b), MaxPayload)
	}
	return nil
}

func appendHead(b []byte, op Op, keyID byte, a Algorithm, id ID) []byte {
	b = appendTLV(b, tagHeader, []byte{Version, byte(op), keyID, byte(a)})
	return appendTLV(b, tagID, id[:])
}

// head decodes what every payload has.
func (f *fields) head() (op Op, keyID byte, a Algorithm, id ID, err error) {
	h := f.get(tagHeader)
	switch {
	case len(h) < 4:
		err = malformed("no header")
	case h[0] != Version:
		err = malformed("version %d", h[0])
	case len(f.get(tagID)) != len(id):
		err = malformed("no transaction id")
	default:
		op, keyID, a, id = Op(h[1]), h[2], Algorithm(h[3]), ID(f.get(tagID))
	}
	return op, keyID, a, id, err
}

// ParseRequest decodes a request and checks that it has what its operation needs.
// The error wraps ErrMalformed. The result shares memory with b.
func ParseRequest(b []byte) (*Request, error) {
	f, err := parse(b)
	if err != nil {
		return nil, err
	}
	r := new(Request)
	if r.Op, r.KeyID, r.Algorithm, r.ID, err = f.head(); err != nil {
		return nil, err
	}
	if r.Text, err = textOf(f.get(tagText)); err != nil {
		return nil, err
	}
	if r.Op.ShowsText() {
		if r.Party, err = textOf(f.get(tagParty)); err != nil {
			return nil, err
		}
	}
	if v := f.get(tagAttributes); v != nil && r.Op == Sign {
		if len(v) != 4+len(r.CertHash) {
			return nil, malformed("signed attributes")
		}
		r.SigningTime = time.Unix(int64(binary.BigEndian.Uint32(v)), 0).UTC()
		r.CertHash = [32]byte(v[4:])
	}
	v := f.get(tagLimits)
	if len(v) != 4 {
		return nil, malformed("limits")
	}
	r.Timeout, r.Lang = time.Duration(binary.BigEndian.Uint16(v))*time.Second, string(v[2:])
	r.Challenge, r.Sealed = string(f.get(tagChallenge)), f.get(tagSealed)
	return r, r.complete(&f)
}

// complete returns an error if the request lacks something that its operation needs.
func (r *Request) complete(f *fields) error {
	hasText, hasSealed := len(r.Text.Data) > 0, len(r.Sealed) > 0
	switch {
	case len(r.Challenge) > maxChallenge:
		return malformed("challenge of %d octets", len(r.Challenge))
	case r.Op == Sign && (!hasText || hasSealed || f.get(tagAttributes) == nil):
		return malformed("%s without text or attributes", r.Op)
	case r.Op == Display && hasText == hasSealed:
		return malformed("%s needs one text", r.Op)
	case r.Op == GenKey && r.Challenge == "":
		return malformed("%s without challenge", r.Op)
	case opNames[r.Op] == "":
		return malformed("operation %s", r.Op)
	}
	return nil
}

// MarshalBinary encodes the reply in the order of the tags.
func (r *Reply) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, 32+len(r.Signature)+len(r.PublicKey)+len(r.Proof))
	b = appendHead(b, r.Op, r.KeyID, r.Algorithm, r.ID)
	b = appendTLV(b, tagResult, []byte{byte(r.Result), r.TriesLeft})
	for _, v := range []struct {
		tag   byte
		value []byte
	}{{tagSignature, r.Signature}, {tagPublicKey, r.PublicKey}, {tagProof, r.Proof}} {
		if len(v.value) > 0 {
			b = appendTLV(b, v.tag, v.value)
		}
	}
	if r.Op == Status {
		b = appendTLV(b, tagState, []byte{byte(r.State)})
	}
	return b, bounded(b)
}

// ParseReply decodes a reply and checks that one with result OK has what its
// operation yields. The error wraps ErrMalformed. The result shares memory with b.
func ParseReply(b []byte) (*Reply, error) {
	f, err := parse(b)
	if err != nil {
		return nil, err
	}
	r := new(Reply)
	if r.Op, r.KeyID, r.Algorithm, r.ID, err = f.head(); err != nil {
		return nil, err
	}
	v := f.get(tagResult)
	if len(v) != 2 {
		return nil, malformed("result")
	}
	r.Result, r.TriesLeft = Result(v[0]), v[1]
	r.Signature, r.PublicKey, r.Proof = f.get(tagSignature), f.get(tagPublicKey), f.get(tagProof)
	if v := f.get(tagState); len(v) == 1 && r.Op == Status {
		r.State = State(v[0])
	}
	switch {
	case r.Result != OK:
		return r, nil
	case r.Op == Sign && len(r.Signature) == 0:
		return nil, malformed("%s without signature", r.Op)
	case r.Op == GenKey && (len(r.PublicKey) == 0 || len(r.Proof) == 0):
		return nil, malformed("%s without key or proof", r.Op)
	}
	return r, nil
}
