package cms

import (
	"crypto"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// keyKind is the kind of key that a signature algorithm needs.
type keyKind uint8

const (
	kindRSA keyKind = iota + 1
	kindECDSA
)

// signatureAlgorithms lists the signature algorithms accepted in a SignerInfo.
// rsaEncryption leaves the digest open (RFC 3370, clause 3.2); that of the others
// must be the digestAlgorithm of the SignerInfo.
var signatureAlgorithms = map[string]struct {
	kind keyKind
	hash crypto.Hash
}{
	string(oidRSA):             {kindRSA, 0},
	string(oidRSAWithSHA256):   {kindRSA, crypto.SHA256},
	string(oidRSAWithSHA384):   {kindRSA, crypto.SHA384},
	string(oidRSAWithSHA512):   {kindRSA, crypto.SHA512},
	string(oidECDSAWithSHA256): {kindECDSA, crypto.SHA256},
	string(oidECDSAWithSHA384): {kindECDSA, crypto.SHA384},
	string(oidECDSAWithSHA512): {kindECDSA, crypto.SHA512},
}

// SignedData is a mobile signature that was parsed but not verified. It keeps the
// parsed bytes, which must not be changed.
type SignedData struct {
	content      []byte
	certificates [][]byte // DER, in stored order
	signer       signerInfo
}

// signerInfo is a SignerInfo (RFC 5652, clause 5.3). Either issuer and serial (DER)
// name the signer, or ski does; the other is nil.
type signerInfo struct {
	issuer, serial []byte
	ski            []byte
	hash           crypto.Hash
	attrsDER       []byte // re-tagged as SET OF: the bytes that were signed
	attrs          attributes
	kind           keyKind
	signature      []byte
}

// Parse reads the DER of a ContentInfo with SignedData: content encapsulated as
// id-data, exactly one SignerInfo with signed attributes, SHA-256, SHA-384 or
// SHA-512, RSA PKCS #1 v1.5 or ECDSA, at most MaxSize bytes and MaxCertificates
// certificates. It refuses a signature without signed attributes, because the
// attributes of one signature could be passed off as the text of another. It skips
// CRLs and unsigned attributes. Errors wrap ErrMalformed.
func Parse(der []byte) (*SignedData, error) {
	if len(der) > MaxSize {
		return nil, malformed("larger than %d bytes", MaxSize)
	}
	in := cryptobyte.String(der)
	var contentInfo, oid, explicit, seq cryptobyte.String
	if !in.ReadASN1(&contentInfo, asn1.SEQUENCE) || !in.Empty() ||
		!contentInfo.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) || string(oid) != string(oidSignedData) ||
		!contentInfo.ReadASN1(&explicit, context(0)) || !contentInfo.Empty() ||
		!explicit.ReadASN1(&seq, asn1.SEQUENCE) || !explicit.Empty() {
		return nil, malformed("not a ContentInfo of SignedData")
	}

	sd := new(SignedData)
	var version int
	var digests, certs, infos cryptobyte.String
	if !seq.ReadASN1Integer(&version) || version != 1 && version != 3 {
		return nil, malformed("version of SignedData")
	}
	// These digest algorithms are a hint for one-pass readers. That of the SignerInfo
	// counts.
	if !seq.ReadASN1(&digests, asn1.SET) || !readContent(&seq, &sd.content) {
		return nil, malformed("encapsulated content")
	}
	if !seq.ReadOptionalASN1(&certs, nil, context(0)) || !seq.SkipOptionalASN1(context(1)) ||
		!seq.ReadASN1(&infos, asn1.SET) || !seq.Empty() {
		return nil, malformed("SignedData")
	}
	for !certs.Empty() {
		var c cryptobyte.String
		if !certs.ReadASN1Element(&c, asn1.SEQUENCE) {
			return nil, malformed("certificate")
		}
		if len(sd.certificates) == MaxCertificates {
			return nil, malformed("more than %d certificates", MaxCertificates)
		}
		sd.certificates = append(sd.certificates, c)
	}

	var info cryptobyte.String
	if !infos.ReadASN1(&info, asn1.SEQUENCE) || !infos.Empty() {
		return nil, malformed("not exactly one SignerInfo")
	}
	if err := sd.signer.parse(info); err != nil {
		return nil, err
	}
	return sd, nil
}

// readContent reads an EncapsulatedContentInfo (RFC 5652, clause 5.2), which must
// have a content of type id-data.
func readContent(in *cryptobyte.String, content *[]byte) bool {
	var encap, oid, explicit cryptobyte.String
	return in.ReadASN1(&encap, asn1.SEQUENCE) &&
		encap.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) && string(oid) == string(oidData) &&
		encap.ReadASN1(&explicit, context(0)) && encap.Empty() &&
		explicit.ReadASN1((*cryptobyte.String)(content), asn1.OCTET_STRING) && explicit.Empty()
}

func (s *signerInfo) parse(in cryptobyte.String) error {
	var version int
	if !in.ReadASN1Integer(&version) || !s.readIdentifier(&in, version) {
		return malformed("signer identifier")
	}
	oid, ok := readAlgorithm(&in)
	if s.hash = hashOf(oid); !ok || s.hash == 0 {
		return malformed("digest algorithm")
	}

	var attrs cryptobyte.String
	if !in.ReadASN1Element(&attrs, context(0)) {
		return malformed("no signed attributes")
	}
	s.attrsDER = append([]byte(nil), attrs...)
	s.attrsDER[0] = tagSet
	var err error
	if s.attrs, err = parseAttributes(s.attrsDER); err != nil {
		return err
	}

	oid, ok = readAlgorithm(&in)
	alg, known := signatureAlgorithms[string(oid)]
	if !ok || !known || alg.hash != 0 && alg.hash != s.hash {
		return malformed("signature algorithm")
	}
	s.kind = alg.kind
	if !in.ReadASN1((*cryptobyte.String)(&s.signature), asn1.OCTET_STRING) ||
		!in.SkipOptionalASN1(context(1)) || !in.Empty() {
		return malformed("signature")
	}
	return nil
}

// readIdentifier reads a SignerIdentifier: version 1 goes with issuer and
// serial number, version 3 with the subject key identifier.
func (s *signerInfo) readIdentifier(in *cryptobyte.String, version int) bool {
	switch version {
	case 1:
		var sid cryptobyte.String
		return in.ReadASN1(&sid, asn1.SEQUENCE) &&
			sid.ReadASN1Element((*cryptobyte.String)(&s.issuer), asn1.SEQUENCE) &&
			sid.ReadASN1Element((*cryptobyte.String)(&s.serial), asn1.INTEGER) && sid.Empty()
	case 3:
		return in.ReadASN1((*cryptobyte.String)(&s.ski), asn1.Tag(0).ContextSpecific()) && len(s.ski) > 0
	}
	return false
}

// Certificates returns the certificates (DER) in stored order. They are not
// verified.
func (sd *SignedData) Certificates() [][]byte { return sd.certificates }
