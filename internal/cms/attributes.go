package cms

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ErrMalformed is wrapped by every error about an encoding.
var ErrMalformed = errors.New("malformed CMS")

func malformed(format string, args ...any) error {
	return fmt.Errorf("cms: %w: %w", ErrMalformed, fmt.Errorf(format, args...))
}

// maxAttributes bounds the number of signed attributes that are read.
const maxAttributes = 32

// The fixed beginnings of our four attributes, each up to its variable part. The
// lengths of the attributes differ, so that this is their order in a DER SET OF
// (X.690, clause 11.6), whatever they contain.
var (
	attrContentType = []byte{0x30, 24, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3,
		0x31, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1}
	attrSigningTime = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5}
	// messageDigest: SET { OCTET STRING (32) }
	attrMessageDigest = []byte{0x30, 47, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4,
		0x31, 34, 4, 32}
	// signingCertificateV2: SET { SigningCertificateV2 { certs { ESSCertIDv2 {
	// OCTET STRING (32) } } } }. SHA-256 is the default, so DER leaves it out.
	attrSigningCertV2 = []byte{0x30, 55, 6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 47,
		0x31, 40, 0x30, 38, 0x30, 36, 0x30, 34, 4, 32}
)

const (
	utcTime         = "060102150405Z"
	generalizedTime = "20060102150405Z"
)

// SignedAttributes returns the bytes that a device signs: the DER of
// SignedAttributes as a SET OF (RFC 5652, clause 5.4), with contentType id-data,
// signingTime, messageDigest (SHA-256 of the content) and signingCertificateV2
// (RFC 5035). The time is cut to the second and written in UTC, as UTCTime in the
// years 1950 to 2049 and as GeneralizedTime otherwise (clause 11.3). The year must
// be 0 to 9999.
func SignedAttributes(content []byte, signingTime time.Time, s *Signer) []byte {
	return RebuildAttributes(content, signingTime, s.hash)
}

// RebuildAttributes is like SignedAttributes, but needs only the SHA-256 of the
// signer's certificate. A card gets that and the time, and makes the rest of what
// it signs from the text that it showed.
func RebuildAttributes(content []byte, signingTime time.Time, certHash [sha256.Size]byte) []byte {
	t := signingTime.UTC()
	layout, tag := utcTime, byte(asn1.UTCTime)
	if y := t.Year(); y < 1950 || y > 2049 {
		layout, tag = generalizedTime, byte(asn1.GeneralizedTime)
	}
	tv := sizeOf(len(layout))
	attrTime := len(attrSigningTime) + sizeOf(tv)
	size := len(attrContentType) + sizeOf(attrTime) +
		len(attrMessageDigest) + sha256.Size + len(attrSigningCertV2) + sha256.Size

	b := make([]byte, 0, sizeOf(size))
	b = appendHeader(b, tagSet, size)
	b = append(b, attrContentType...)
	b = appendHeader(b, tagSequence, attrTime)
	b = append(b, attrSigningTime...)
	b = appendHeader(b, tagSet, tv)
	b = appendHeader(b, tag, len(layout))
	b = t.AppendFormat(b, layout)
	b = append(b, attrMessageDigest...)
	digest := sha256.Sum256(content)
	b = append(b, digest[:]...)
	b = append(b, attrSigningCertV2...)
	return append(b, certHash[:]...)
}

// AttributesOf is the inverse of RebuildAttributes, for all but the content. It
// returns an error if RebuildAttributes did not make the attributes.
func AttributesOf(attrs []byte) (signingTime time.Time, certHash [sha256.Size]byte, err error) {
	a, err := parseAttributes(attrs)
	if err != nil {
		return time.Time{}, certHash, err
	}
	if a.certHashAlg != crypto.SHA256 || a.signingTime.IsZero() {
		return time.Time{}, certHash, malformed("no signingTime, or no signingCertificateV2 with SHA-256")
	}
	copy(certHash[:], a.certHash)
	return a.signingTime, certHash, nil
}

// MessageDigest returns the messageDigest in the DER of signed attributes. Before it
// signs, a phone compares it with the digest of the text that it shows. Attributes
// that another reader might read differently are an error: with bytes after them,
// with an attribute or a value twice, with a content type other than id-data.
func MessageDigest(attrs []byte) ([]byte, error) {
	a, err := parseAttributes(attrs)
	if err != nil {
		return nil, err
	}
	return a.digest, nil
}

// attributes holds the signed attributes that matter here.
type attributes struct {
	digest      []byte
	signingTime time.Time   // zero if absent
	certHash    []byte      // of signingCertificateV2; nil if absent
	certHashAlg crypto.Hash // the digest algorithm of certHash
}

// parseAttributes reads a SET OF Attribute. contentType and messageDigest are
// mandatory (RFC 5652, clause 5.3); unknown attributes are skipped.
func parseAttributes(der []byte) (attributes, error) {
	var a attributes
	in := cryptobyte.String(der)
	var set cryptobyte.String
	if !in.ReadASN1(&set, asn1.SET) || !in.Empty() {
		return a, malformed("signed attributes")
	}
	var seen [maxAttributes]cryptobyte.String
	n := 0
	hasType := false
	for !set.Empty() {
		var attr, oid, values cryptobyte.String
		if !set.ReadASN1(&attr, asn1.SEQUENCE) || !attr.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) ||
			!attr.ReadASN1(&values, asn1.SET) || !attr.Empty() || values.Empty() {
			return a, malformed("attribute")
		}
		if n == maxAttributes {
			return a, malformed("more than %d attributes", maxAttributes)
		}
		for _, s := range seen[:n] {
			if string(s) == string(oid) {
				return a, malformed("attribute twice")
			}
		}
		seen[n] = oid
		n++

		ok := true
		switch string(oid) {
		case string(oidContentType):
			hasType = string(values) == string(oidData)
			ok = hasType
		case string(oidMessageDigest):
			ok = values.ReadASN1((*cryptobyte.String)(&a.digest), asn1.OCTET_STRING) && values.Empty() && len(a.digest) > 0
		case string(oidSigningTime):
			ok = readTime(&values, &a.signingTime) && values.Empty()
		case string(oidSigningCertV2):
			ok = readSigningCertV2(&values, &a) && values.Empty()
		}
		if !ok {
			return a, malformed("value of an attribute")
		}
	}
	if !hasType || a.digest == nil {
		return a, malformed("no contentType or messageDigest")
	}
	return a, nil
}

// readTime reads a Time (RFC 5652, clause 11.3): UTC, with seconds and without a
// fraction. The two digits of the year in a UTCTime stand for 1950 to 2049. It does
// not use package time, which takes three times as long as all other attributes
// together, and half of the stack of a signature.
func readTime(in *cryptobyte.String, t *time.Time) bool {
	var v cryptobyte.String
	var tag asn1.Tag
	if !in.ReadAnyASN1(&v, &tag) {
		return false
	}
	var year int
	switch {
	case tag == asn1.UTCTime && len(v) == len(utcTime):
		if year = 1900 + number(v[:2]); year < 1950 {
			year += 100
		}
		v = v[2:]
	case tag == asn1.GeneralizedTime && len(v) == len(generalizedTime):
		year, v = 100*number(v[:2])+number(v[2:4]), v[4:]
	default:
		return false
	}
	month, day, hour, minute, second := number(v), number(v[2:]), number(v[4:]), number(v[6:]), number(v[8:])
	*t = time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	// time.Date turns a day that does not exist, such as 30 February, into another.
	h, m, s := t.Clock()
	return v[10] == 'Z' && year >= 0 && min(month, day, hour, minute, second) >= 0 && t.Month() == time.Month(month) && t.Day() == day && h == hour && m == minute && s == second
}

// number returns the value of two digits, or a large negative number if they are
// not digits.
func number(v []byte) int {
	if v[0] < '0' || v[0] > '9' || v[1] < '0' || v[1] > '9' {
		return -1 << 20
	}
	return 10*int(v[0]-'0') + int(v[1]-'0')
}

// readSigningCertV2 reads the first ESSCertIDv2, which is the signer's (RFC 5035,
// clause 5.4.1). It skips issuerSerial, because the hash binds that too, as well as
// policies and further certificates, which do not matter here.
func readSigningCertV2(in *cryptobyte.String, a *attributes) bool {
	var sc, certs, id cryptobyte.String
	if !in.ReadASN1(&sc, asn1.SEQUENCE) || !sc.ReadASN1(&certs, asn1.SEQUENCE) || !certs.ReadASN1(&id, asn1.SEQUENCE) {
		return false
	}
	a.certHashAlg = crypto.SHA256
	if id.PeekASN1Tag(asn1.SEQUENCE) {
		oid, ok := readAlgorithm(&id)
		if a.certHashAlg = hashOf(oid); !ok || a.certHashAlg == 0 {
			return false
		}
	}
	return id.ReadASN1((*cryptobyte.String)(&a.certHash), asn1.OCTET_STRING) &&
		len(a.certHash) == a.certHashAlg.Size()
}

// hashOf returns the digest algorithm of an OID with tag and length, or 0 if it is
// not SHA-256, SHA-384 or SHA-512.
func hashOf(oid []byte) crypto.Hash {
	switch string(oid) {
	case string(oidSHA256):
		return crypto.SHA256
	case string(oidSHA384):
		return crypto.SHA384
	case string(oidSHA512):
		return crypto.SHA512
	}
	return 0
}
