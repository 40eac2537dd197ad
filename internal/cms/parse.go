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
	kindPSS
	kindECDSA
)

// signatureAlgorithms lists the signature algorithms accepted in a SignerInfo.
// rsaEncryption leaves the digest open (RFC 3370, clause 3.2), and so do
// id-RSASSA-PSS, whose parameters name it, and id-ecPublicKey, which some write for
// ECDSA. The digest of the others must be the digestAlgorithm of the SignerInfo.
var signatureAlgorithms = map[string]struct {
	kind keyKind
	hash crypto.Hash
}{
	string(oidRSA):             {kindRSA, 0},
	string(oidPSS):             {kindPSS, 0},
	string(oidECPublicKey):     {kindECDSA, 0},
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
	detached     bool     // the content is not in it
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
	salt           int // length, of kindPSS
	signature      []byte
}

// Parse reads the DER of a ContentInfo with SignedData: content of type id-data,
// or none; exactly one SignerInfo with signed attributes; SHA-256, SHA-384 or
// SHA-512; RSA (PKCS #1 v1.5 or PSS) or ECDSA; at most MaxSize bytes and
// MaxCertificates certificates. It refuses a signature without signed attributes,
// because the attributes of one signature could be passed off as the text of
// another. It skips CRLs, certificates in other formats than X.509, and unsigned
// attributes; nothing depends on version numbers. Errors wrap ErrMalformed.
func Parse(der []byte) (*SignedData, error) {
	if len(der) > MaxSize {
		return nil, malformed("larger than %d bytes", MaxSize)
	}
	return parse(der)
}

// ParseBER is like Parse, but reads what other services write: BER, in which
// lengths may be indefinite and strings in parts. It ignores what follows the
// ContentInfo, such as zeros that fill a block.
func ParseBER(ber []byte) (*SignedData, error) {
	if len(ber) > MaxSize {
		return nil, malformed("larger than %d bytes", MaxSize)
	}
	der, _, err := toDER(ber)
	if err != nil {
		return nil, malformed("%w", err)
	}
	return parse(der)
}

func parse(der []byte) (*SignedData, error) {
	in := cryptobyte.String(der)
	var contentInfo, oid, explicit, seq cryptobyte.String
	if !in.ReadASN1(&contentInfo, asn1.SEQUENCE) || !in.Empty() ||
		!contentInfo.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) || string(oid) != string(oidSignedData) ||
		!contentInfo.ReadASN1(&explicit, context(0)) || !contentInfo.Empty() ||
		!explicit.ReadASN1(&seq, asn1.SEQUENCE) || !explicit.Empty() {
		return nil, malformed("not a ContentInfo of SignedData")
	}

	sd := new(SignedData)
	var digests, certs, infos cryptobyte.String
	if !seq.SkipASN1(asn1.INTEGER) {
		return nil, malformed("version of SignedData")
	}
	if !seq.ReadASN1(&digests, asn1.SET) {
		return nil, malformed("digest algorithms")
	}
	if err := sd.readContent(&seq); err != nil {
		return nil, err
	}
	if !seq.ReadOptionalASN1(&certs, nil, context(0)) || !seq.SkipOptionalASN1(context(1)) ||
		!seq.ReadASN1(&infos, asn1.SET) || !seq.Empty() {
		return nil, malformed("SignedData")
	}
	if err := sd.readCertificates(certs); err != nil {
		return nil, err
	}

	var info cryptobyte.String
	if !infos.ReadASN1(&info, asn1.SEQUENCE) || !infos.Empty() {
		return nil, malformed("not exactly one SignerInfo")
	}
	if err := sd.signer.parse(info); err != nil {
		return nil, err
	}
	if !announces(digests, sd.signer.hash) {
		return nil, malformed("digest algorithms without that of the SignerInfo")
	}
	return sd, nil
}

// announces reports whether the DigestAlgorithmIdentifiers of SignedData contain that
// of the SignerInfo. They are a hint for one-pass readers, which cannot read a CMS
// without it.
func announces(digests cryptobyte.String, h crypto.Hash) bool {
	found := false
	for !digests.Empty() {
		var alg, oid cryptobyte.String
		if !digests.ReadASN1(&alg, asn1.SEQUENCE) || !alg.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) {
			return false
		}
		found = found || hashOf(oid) == h
	}
	return found
}

// readContent reads an EncapsulatedContentInfo (RFC 5652, clause 5.2) of type
// id-data.
func (sd *SignedData) readContent(in *cryptobyte.String) error {
	var encap, oid, explicit cryptobyte.String
	if !in.ReadASN1(&encap, asn1.SEQUENCE) || !encap.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) {
		return malformed("encapsulated content")
	}
	if string(oid) != string(oidData) {
		return malformed("the content is not of type id-data")
	}
	if sd.detached = encap.Empty(); sd.detached {
		return nil
	}
	if !encap.ReadASN1(&explicit, context(0)) || !encap.Empty() ||
		!explicit.ReadASN1((*cryptobyte.String)(&sd.content), asn1.OCTET_STRING) || !explicit.Empty() {
		return malformed("encapsulated content")
	}
	return nil
}

// readCertificates reads a CertificateSet (RFC 5652, clause 10.2.3).
func (sd *SignedData) readCertificates(certs cryptobyte.String) error {
	for !certs.Empty() {
		var c cryptobyte.String
		var tag asn1.Tag
		if !certs.ReadAnyASN1Element(&c, &tag) {
			return malformed("certificate")
		}
		if tag != asn1.SEQUENCE { // an attribute certificate, or of another format
			continue
		}
		if len(sd.certificates) == MaxCertificates {
			return malformed("more than %d certificates", MaxCertificates)
		}
		sd.certificates = append(sd.certificates, c)
	}
	return nil
}

func (s *signerInfo) parse(in cryptobyte.String) error {
	if !in.SkipASN1(asn1.INTEGER) || !s.readIdentifier(&in) {
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

	if !s.readSignatureAlgorithm(&in) {
		return malformed("signature algorithm")
	}
	if !in.ReadASN1((*cryptobyte.String)(&s.signature), asn1.OCTET_STRING) ||
		!in.SkipOptionalASN1(context(1)) || !in.Empty() {
		return malformed("signature")
	}
	return nil
}

// readIdentifier reads a SignerIdentifier: issuer and serial number, or the subject
// key identifier.
func (s *signerInfo) readIdentifier(in *cryptobyte.String) bool {
	if ski := asn1.Tag(0).ContextSpecific(); in.PeekASN1Tag(ski) {
		return in.ReadASN1((*cryptobyte.String)(&s.ski), ski) && len(s.ski) > 0
	}
	var sid cryptobyte.String
	return in.ReadASN1(&sid, asn1.SEQUENCE) &&
		sid.ReadASN1Element((*cryptobyte.String)(&s.issuer), asn1.SEQUENCE) &&
		sid.ReadASN1Element((*cryptobyte.String)(&s.serial), asn1.INTEGER) && sid.Empty()
}

// readSignatureAlgorithm reads the algorithm of the signature, which must go with
// the digest algorithm.
func (s *signerInfo) readSignatureAlgorithm(in *cryptobyte.String) bool {
	var seq, oid cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) {
		return false
	}
	alg, known := signatureAlgorithms[string(oid)]
	if s.kind = alg.kind; !known || alg.hash != 0 && alg.hash != s.hash {
		return false
	}
	if alg.kind == kindPSS {
		hash, salt, ok := readPSS(seq)
		s.salt = salt
		return ok && hash == s.hash
	}
	return seq.Empty() || string(seq) == string(derNull)
}

// Certificates returns the certificates (DER) in stored order. They are not
// verified.
func (sd *SignedData) Certificates() [][]byte { return sd.certificates }
