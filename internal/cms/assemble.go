package cms

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
)

// Limits of a CMS, for Assemble and Parse.
const (
	// MaxSize is the size in bytes.
	MaxSize = 1 << 18
	// MaxCertificates is the number of certificates.
	MaxCertificates = 32
)

// Assemble returns the DER of a ContentInfo with SignedData (RFC 5652, clause 5.1)
// over the content, in the form that the package describes. attrs are the signed
// attributes from SignedAttributes, sig is the device's signature over them, s is
// its signer, and chain holds the certificates (DER) that follow the signer's, the
// issuing CA first.
//
// It does not verify the signature; Signer.Verify does. It returns an error if
// attrs are not those of the content, or if the result would be larger than Parse
// accepts.
func Assemble(content, attrs, sig []byte, s *Signer, chain [][]byte) ([]byte, error) {
	digest := sha256.Sum256(content)
	if d, err := MessageDigest(attrs); err != nil {
		return nil, err
	} else if !bytes.Equal(d, digest[:]) {
		return nil, errors.New("cms: the signed attributes belong to another content")
	}
	if len(sig) == 0 {
		return nil, errors.New("cms: no signature")
	}
	sigAlg := algECDSAWithSHA256
	if _, ok := s.key.(*rsa.PublicKey); ok {
		sigAlg = algRSA
	}

	certs := len(s.certificate)
	for _, c := range chain {
		certs += len(c)
	}

	// Sizes from the inside out; names are those of the ASN.1 module.
	setAttrs := attrs[len(attrs)-contentSize(attrs):]
	sid := len(s.issuer) + len(s.serial)
	signerInfo := len(integer1) + sizeOf(sid) + len(algSHA256) + sizeOf(len(setAttrs)) + len(sigAlg) + sizeOf(len(sig))
	eContent := sizeOf(len(content))
	encapContentInfo := len(oidData) + sizeOf(eContent)
	signedData := len(integer1) + sizeOf(len(algSHA256)) + sizeOf(encapContentInfo) + sizeOf(certs) + sizeOf(sizeOf(signerInfo))
	contentInfo := len(oidSignedData) + sizeOf(sizeOf(signedData))
	size := sizeOf(contentInfo)
	if size > MaxSize || len(chain) >= MaxCertificates {
		return nil, errors.New("cms: too large")
	}

	b := make([]byte, 0, size)
	b = appendHeader(b, tagSequence, contentInfo)
	b = append(b, oidSignedData...)
	b = appendHeader(b, tagContext0, sizeOf(signedData))
	b = appendHeader(b, tagSequence, signedData)
	b = append(b, integer1...)
	b = appendHeader(b, tagSet, len(algSHA256))
	b = append(b, algSHA256...)

	b = appendHeader(b, tagSequence, encapContentInfo)
	b = append(b, oidData...)
	b = appendHeader(b, tagContext0, eContent)
	b = appendHeader(b, tagOctetString, len(content))
	b = append(b, content...)

	b = appendHeader(b, tagContext0, certs)
	b = append(b, s.certificate...)
	for _, c := range chain {
		b = append(b, c...)
	}

	b = appendHeader(b, tagSet, sizeOf(signerInfo))
	b = appendHeader(b, tagSequence, signerInfo)
	b = append(b, integer1...)
	b = appendHeader(b, tagSequence, sid)
	b = append(b, s.issuer...)
	b = append(b, s.serial...)
	b = append(b, algSHA256...)
	b = appendHeader(b, tagContext0, len(setAttrs))
	b = append(b, setAttrs...)
	b = append(b, sigAlg...)
	b = appendHeader(b, tagOctetString, len(sig))
	return append(b, sig...), nil
}

// contentSize returns the length of the content of a DER element, which must be
// well formed and have nothing after it.
func contentSize(der []byte) int {
	if der[1] < 0x80 {
		return len(der) - 2
	}
	return len(der) - 2 - int(der[1]&0x7f)
}
