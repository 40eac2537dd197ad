package cms

import (
	"crypto"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// keyKind is what a signature algorithm demands of the signer's key.
type keyKind uint8

const (
	kindRSA keyKind = iota + 1
	kindECDSA
)

// signatureAlgorithms are those accepted in a SignerInfo. rsaEncryption says
// nothing of the digest (RFC 3370, clause 3.2); for the others it must be the
// SignerInfo's digestAlgorithm.
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

// SignedData is a mobile signature that was parsed and not yet verified. It
// keeps the parsed bytes, which must not be changed.
type SignedData struct {
	content      []byte
	certificates [][]byte // DER, in stored order
	signer       signerInfo
}

// signerInfo is RFC 5652, clause 5.3. The signer is named by issuer and serial
// (DER) or by ski, the others are then nil.
type signerInfo struct {
	issuer, serial []byte
	ski            []byte
	hash           crypto.Hash
	attrsDER       []byte // re-tagged to SET OF: what the signature is over
	attrs          attributes
	kind           keyKind
	signature      []byte
}

// Parse reads the DER of a ContentInfo with SignedData: content encapsulated
// as id-data, exactly one SignerInfo with signed attributes, SHA-256, SHA-384
// or SHA-512, RSA PKCS #1 v1.5 or ECDSA, at most MaxSize bytes and
// MaxCertificates certificates. Signatures without signed attributes are
// refused: attributes could be passed off as the text of one, and the reverse.
// CRLs and unsigned attributes are skipped. Errors wrap ErrMalformed.
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
	// The digest algorithms are a hint for one-pass readers; the SignerInfo's
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

// readContent reads an EncapsulatedContentInfo (RFC 5652, clause 5.2) with
// id-data that is there.
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

// Certificates are the certificates (DER) in stored order. They are not
// verified.
func (sd *SignedData) Certificates() [][]byte { return sd.certificates }
