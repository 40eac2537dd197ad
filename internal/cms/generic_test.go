package cms

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

// The same structures, made with encoding/asn1: the oracle for what Assemble and
// SignedAttributes write by hand, and a way to build what Parse must refuse.

type genericContentInfo struct {
	Type    asn1.ObjectIdentifier
	Content any `asn1:"explicit,tag:0"`
}

type genericSignedData struct {
	Version          int
	DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
	Encap            any
	Certificates     asn1.RawValue
	SignerInfos      []genericSignerInfo `asn1:"set"`
}

type genericEncap struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,tag:0"`
}

type genericDetached struct{ Type asn1.ObjectIdentifier }

type genericSignerInfo struct {
	Version            int
	SID                any
	DigestAlgorithm    pkix.AlgorithmIdentifier
	Attributes         asn1.RawValue `asn1:"optional"`
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Signature          []byte
}

type genericIssuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type genericAttribute struct {
	Type   asn1.ObjectIdentifier
	Values []any `asn1:"set"`
}

type genericCertID struct{ Hash []byte }

type genericSigningCertV2 struct{ Certs []genericCertID }

var (
	gData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	gSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	gType       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	gDigest     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	gTime       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	gCertV2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	gSHA256     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	gRSA        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	gECDSA256   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	gECDSA384   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
)

func genericAttributes(t testing.TB, content []byte, at time.Time, id *identity) []genericAttribute {
	digest := sha256.Sum256(content)
	cert := sha256.Sum256(id.leaf.Raw)
	return []genericAttribute{
		{gDigest, []any{digest[:]}},
		{gCertV2, []any{genericSigningCertV2{[]genericCertID{{cert[:]}}}}},
		{gTime, []any{at.UTC()}},
		{gType, []any{gData}},
	}
}

// marshalAttributes returns the DER of a SET OF, sorted by encoding/asn1.
func marshalAttributes(t testing.TB, attrs []genericAttribute) []byte {
	t.Helper()
	der, err := asn1.MarshalWithParams(attrs, "set")
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// generic is SignedData for encoding/asn1, which a test changes before it is
// marshalled.
func generic(t testing.TB, id *identity, content, attrs, sig []byte) genericSignedData {
	alg := pkix.AlgorithmIdentifier{Algorithm: gECDSA256}
	if _, ok := id.signer.key.(*rsa.PublicKey); ok {
		alg = pkix.AlgorithmIdentifier{Algorithm: gRSA, Parameters: asn1.NullRawValue}
	}
	var set asn1.RawValue
	if _, err := asn1.Unmarshal(attrs, &set); err != nil {
		t.Fatal(err)
	}
	certs := append(append(append([]byte(nil), id.leaf.Raw...), id.issuing.Raw...), id.root.Raw...)
	return genericSignedData{
		Version:          1,
		DigestAlgorithms: []pkix.AlgorithmIdentifier{{Algorithm: gSHA256}},
		Encap:            genericEncap{gData, content},
		Certificates:     asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: certs},
		SignerInfos: []genericSignerInfo{{
			Version:            1,
			SID:                genericIssuerAndSerial{asn1.RawValue{FullBytes: id.leaf.RawIssuer}, id.leaf.SerialNumber},
			DigestAlgorithm:    pkix.AlgorithmIdentifier{Algorithm: gSHA256},
			Attributes:         asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: set.Bytes},
			SignatureAlgorithm: alg,
			Signature:          sig,
		}},
	}
}

func (sd genericSignedData) marshal(t testing.TB) []byte {
	t.Helper()
	der, err := asn1.Marshal(genericContentInfo{gSignedData, sd})
	if err != nil {
		t.Fatal(err)
	}
	return der
}
