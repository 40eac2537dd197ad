package cms

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/signum-mssp/signum/internal/testkit"
)

// Parse also reads what other implementations write: other digests, more attributes,
// the signer by key identifier, parameters present or absent.
func TestParseOthers(t *testing.T) {
	content := []byte("Grüezi")
	check := func(t *testing.T, id *identity, der []byte) {
		t.Helper()
		sd, err := Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		r, err := sd.Verify(VerifyOptions{Roots: id.roots(), Certificates: []*x509.Certificate{id.issuing}, Time: epoch})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r.Content, content) || !r.Certificate.Equal(id.leaf) {
			t.Errorf("result %+v", r)
		}
	}
	for _, kind := range []string{"EC-EC", "RSA-EC", "RSA-PSS"} {
		id := identityOf(t, kind)
		for name, args := range map[string][]string{
			"sha256":             {"-md", "sha256"},
			"sha384":             {"-md", "sha384"},
			"sha512":             {"-md", "sha512"},
			"key identifier":     {"-md", "sha256", "-keyid"},
			"signingCertificate": {"-md", "sha256", "-cades"},
			"few attributes":     {"-md", "sha256", "-nosmimecap"},
		} {
			t.Run(kind+"/openssl/"+name, func(t *testing.T) {
				args := append([]string{"cms", "-sign", "-binary", "-nodetach", "-outform", "DER",
					"-signer", writePEM(t, "leaf.pem", nil, id.leaf), "-inkey", writePEM(t, "leaf.key", id.key),
					"-certfile", writePEM(t, "issuing.pem", nil, id.issuing)}, args...)
				check(t, id, testkit.OpenSSL(t, content, args...))
			})
		}
		t.Run(kind+"/smallstep", func(t *testing.T) {
			p7, err := pkcs7.NewSignedData(content)
			if err != nil {
				t.Fatal(err)
			}
			p7.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
			if err := p7.AddSignerChain(id.leaf, id.key, nil, pkcs7.SignerInfoConfig{}); err != nil {
				t.Fatal(err)
			}
			der, err := p7.Finish()
			if err != nil {
				t.Fatal(err)
			}
			check(t, id, der)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	id := identityOf(t, "EC-EC")
	content := []byte("text")
	attrs := SignedAttributes(content, epoch, id.signer)
	sig := id.sign(t, attrs)
	build := func(change func(*genericSignedData)) []byte {
		sd := generic(t, id, content, attrs, sig)
		change(&sd)
		return sd.marshal(t)
	}
	info := func(change func(*genericSignerInfo)) []byte {
		return build(func(sd *genericSignedData) { change(&sd.SignerInfos[0]) })
	}
	withAttrs := func(list ...genericAttribute) []byte {
		return info(func(si *genericSignerInfo) {
			var set asn1.RawValue
			if _, err := asn1.Unmarshal(marshalAttributes(t, list), &set); err != nil {
				t.Fatal(err)
			}
			si.Attributes.Bytes = set.Bytes
		})
	}
	ours := genericAttributes(t, content, epoch, id)
	digest, certV2, sigTime, ctype := ours[0], ours[1], ours[2], ours[3]
	good := build(func(*genericSignedData) {})
	if _, err := Parse(good); err != nil {
		t.Fatal(err)
	}

	// BER: the outer SEQUENCE with an indefinite length.
	indefinite := append([]byte{0x30, 0x80}, good[4:]...)
	indefinite = append(indefinite, 0, 0)
	// BER: a length with a leading zero.
	long := append([]byte{0x30, 0x83, 0}, good[2:]...)

	for name, der := range map[string][]byte{
		"empty":                  nil,
		"cut":                    good[:len(good)-1],
		"bytes after":            append(append([]byte(nil), good...), 0),
		"indefinite length":      indefinite,
		"length not minimal":     long,
		"too large":              append(append([]byte(nil), good...), make([]byte, MaxSize)...),
		"other content type":     build(func(sd *genericSignedData) { sd.Encap = genericEncap{gSignedData, content} }),
		"no digest algorithm":    build(func(sd *genericSignedData) { sd.DigestAlgorithms = nil }),
		"other digest algorithm": build(func(sd *genericSignedData) { sd.DigestAlgorithms[0].Algorithm = gECDSA256 }),
		"no signer":              build(func(sd *genericSignedData) { sd.SignerInfos = nil }),
		"two signers":            build(func(sd *genericSignedData) { sd.SignerInfos = append(sd.SignerInfos, sd.SignerInfos[0]) }),
		"many certificates":      build(func(sd *genericSignedData) { sd.Certificates.Bytes = bytes.Repeat(id.leaf.Raw, MaxCertificates+1) }),
		"SHA-1":                  info(func(si *genericSignerInfo) { si.DigestAlgorithm.Algorithm = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26} }),
		"digests that differ":    info(func(si *genericSignerInfo) { si.SignatureAlgorithm.Algorithm = gECDSA384 }),
		"unknown algorithm":      info(func(si *genericSignerInfo) { si.SignatureAlgorithm.Algorithm = gData }),
		"parameters":             info(func(si *genericSignerInfo) { si.SignatureAlgorithm.Parameters = asn1.RawValue{Tag: 4} }),
		"no signed attributes":   info(func(si *genericSignerInfo) { si.Attributes = asn1.RawValue{} }),
		"no attribute at all":    info(func(si *genericSignerInfo) { si.Attributes.Bytes = nil }),
		"no messageDigest":       withAttrs(certV2, sigTime, ctype),
		"no contentType":         withAttrs(digest, certV2, sigTime),
		"other contentType":      withAttrs(digest, genericAttribute{gType, []any{gSignedData}}),
		"contentType twice":      withAttrs(digest, ctype, genericAttribute{gType, []any{gSignedData}}),
		"messageDigest twice":    withAttrs(digest, digest, ctype),
		"two digests":            withAttrs(genericAttribute{gDigest, []any{[]byte("a"), []byte("b")}}, ctype),
		"empty digest":           withAttrs(genericAttribute{gDigest, []any{[]byte{}}}, ctype),
		"digest is no octets":    withAttrs(genericAttribute{gDigest, []any{1}}, ctype),
		"time is no time":        withAttrs(digest, ctype, genericAttribute{gTime, []any{"260314150926Z"}}),
		"time without seconds":   withAttrs(digest, ctype, genericAttribute{gTime, []any{asn1.RawValue{Tag: 23, Bytes: []byte("2603141509Z")}}}),
		"time with zone":         withAttrs(digest, ctype, genericAttribute{gTime, []any{asn1.RawValue{Tag: 23, Bytes: []byte("260314150926+0100")}}}),
		"time of 13 characters":  withAttrs(digest, ctype, genericAttribute{gTime, []any{asn1.RawValue{Tag: 23, Bytes: []byte("260314150926X")}}}),
		"hash of 31 bytes":       withAttrs(digest, ctype, genericAttribute{gCertV2, []any{genericSigningCertV2{[]genericCertID{{make([]byte, 31)}}}}}),
		"signing certificate ''": withAttrs(digest, ctype, genericAttribute{gCertV2, []any{genericSigningCertV2{}}}),
		"many attributes":        withAttrs(append(many(), digest, ctype)...),
	} {
		t.Run(name, func(t *testing.T) {
			if sd, err := Parse(der); !errors.Is(err, ErrMalformed) || sd != nil {
				t.Errorf("read %v, %v", sd != nil, err)
			}
		})
	}
}

// Nothing depends on version numbers, and what stands beside the certificates is
// skipped.
func TestParseSkips(t *testing.T) {
	id := identityOf(t, "EC-EC")
	content := []byte("text")
	attrs := SignedAttributes(content, epoch, id.signer)
	sig := id.sign(t, attrs)
	for name, change := range map[string]func(*genericSignedData){
		"version 0":              func(sd *genericSignedData) { sd.Version = 0 },
		"version 4":              func(sd *genericSignedData) { sd.Version = 4 },
		"SignerInfo version 2":   func(sd *genericSignedData) { sd.SignerInfos[0].Version = 2 },
		"version 3 with issuer":  func(sd *genericSignedData) { sd.SignerInfos[0].Version = 3 },
		"version 1 with key id":  func(sd *genericSignedData) { sd.SignerInfos[0].SID = keyID(string(id.leaf.SubjectKeyId)) },
		"attribute certificate":  func(sd *genericSignedData) { sd.Certificates.Bytes = append([]byte{0xa2, 0}, sd.Certificates.Bytes...) },
		"unreadable certificate": func(sd *genericSignedData) { sd.Certificates.Bytes = append([]byte{0x30, 0}, sd.Certificates.Bytes...) },
		"id-ecPublicKey": func(sd *genericSignedData) {
			sd.SignerInfos[0].SignatureAlgorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
		},
	} {
		sd := generic(t, id, content, attrs, sig)
		change(&sd)
		if r, err := mustParse(t, sd.marshal(t)).Verify(VerifyOptions{Roots: id.roots()}); err != nil || string(r.Content) != "text" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A signature without its content verifies with the content that was signed, and only
// with that.
func TestDetached(t *testing.T) {
	id := identityOf(t, "EC-EC")
	attrs := SignedAttributes([]byte("text"), epoch, id.signer)
	sd := generic(t, id, []byte("text"), attrs, id.sign(t, attrs))
	whole := sd.marshal(t)
	sd.Encap = genericDetached{gData}
	detached := sd.marshal(t)
	for name, tc := range map[string]struct {
		der, content []byte
		want         error
	}{
		"whole":                         {whole, nil, nil},
		"whole, and given":              {whole, []byte("text"), nil},
		"whole, and given otherwise":    {whole, []byte("texT"), ErrDigest},
		"whole, and given as empty":     {whole, []byte{}, ErrDigest},
		"detached, and given":           {detached, []byte("text"), nil},
		"detached, and given otherwise": {detached, []byte("texT"), ErrDigest},
		"detached, and given as empty":  {detached, []byte{}, ErrDigest},
		"detached":                      {detached, nil, ErrDetached},
	} {
		r, err := mustParse(t, tc.der).Verify(VerifyOptions{Roots: id.roots(), Content: tc.content})
		if !errors.Is(err, tc.want) || err == nil && string(r.Content) != "text" {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// The chain is checked at the time that the caller gives, else the signing time, else
// now.
func TestTimeOfTheChain(t *testing.T) {
	id := identityOf(t, "EC-EC")
	content := []byte("text")
	all := genericAttributes(t, content, epoch, id)
	timed, untimed := id.answer(t, content, epoch), changedAttrs(t, id, content, marshalAttributes(t, []genericAttribute{all[0], all[3]}))
	at, now := epoch.AddDate(0, 1, 0), epoch.AddDate(0, 2, 0)
	for name, tc := range map[string]struct {
		der  []byte
		o    VerifyOptions
		want time.Time
	}{
		"signing time":                   {timed, VerifyOptions{Now: now}, epoch},
		"the caller's":                   {timed, VerifyOptions{Now: now, Time: at}, at},
		"no signing time":                {untimed, VerifyOptions{Now: now}, now},
		"no signing time, the caller's":  {untimed, VerifyOptions{Now: now, Time: at}, at},
		"no signing time, expired since": {untimed, VerifyOptions{Now: epoch.AddDate(9, 0, 0)}, time.Time{}},
		"no time at all":                 {untimed, VerifyOptions{}, time.Time{}},
	} {
		tc.o.Roots = id.roots()
		r, err := mustParse(t, tc.der).Verify(tc.o)
		if tc.want.IsZero() != (err != nil) || err == nil && !r.Time.Equal(tc.want) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func keyID(s string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: []byte(s)}
}

func many() (list []genericAttribute) {
	for i := range maxAttributes {
		list = append(list, genericAttribute{asn1.ObjectIdentifier{2, 999, i}, []any{i}})
	}
	return list
}

// Verify refuses a well-formed signature by a certificate that looks right for each of
// these reasons.
func TestVerifyRefuses(t *testing.T) {
	id := identityOf(t, "EC-EC")
	content := []byte("text")
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := certTemplate(7, pkix.Name{CommonName: "CA"}, 0)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	root := testkit.Certify(t, ca, ca, caKey.Public(), caKey)
	// with returns a signature by id's key, under a certificate that the test makes.
	with := func(change func(*x509.Certificate)) *identity {
		template := leafTemplate(0)
		change(template)
		leaf := testkit.Certify(t, template, root, id.key.Public(), caKey)
		s, err := ParseSigner(leaf.Raw)
		if err != nil {
			t.Fatal(err)
		}
		return &identity{key: id.key, leaf: leaf, issuing: root, root: root, signer: s}
	}
	if _, err := mustParse(t, with(func(*x509.Certificate) {}).answer(t, content, epoch)).Verify(VerifyOptions{Roots: pool(root)}); err != nil {
		t.Fatal(err)
	}

	attrs := SignedAttributes(content, epoch, id.signer)
	sig := id.sign(t, attrs)
	changed := func(change func(*genericSignedData)) []byte {
		sd := generic(t, id, content, attrs, sig)
		change(&sd)
		return sd.marshal(t)
	}
	all := genericAttributes(t, content, epoch, id)
	noTime := marshalAttributes(t, []genericAttribute{all[0], all[3]})

	for name, tc := range map[string]struct {
		der  []byte
		o    VerifyOptions
		want error // nil: any
	}{
		"no roots":             {changed(func(*genericSignedData) {}), VerifyOptions{}, nil},
		"other root":           {changed(func(*genericSignedData) {}), VerifyOptions{Roots: pool(root)}, x509.UnknownAuthorityError{}},
		"other content":        {changed(func(sd *genericSignedData) { sd.Encap = genericEncap{gData, []byte("texT")} }), VerifyOptions{Roots: id.roots()}, ErrDigest},
		"other signature":      {changed(func(sd *genericSignedData) { sd.SignerInfos[0].Signature = id.sign(t, []byte("x")) }), VerifyOptions{Roots: id.roots()}, ErrSignature},
		"no certificate":       {changed(func(sd *genericSignedData) { sd.Certificates.Bytes = nil }), VerifyOptions{Roots: id.roots()}, ErrSigner},
		"signer's is missing":  {changed(func(sd *genericSignedData) { sd.Certificates.Bytes = id.issuing.Raw }), VerifyOptions{Roots: id.roots()}, ErrSigner},
		"certificate is junk":  {changed(func(sd *genericSignedData) { sd.Certificates.Bytes = []byte{0x30, 0} }), VerifyOptions{Roots: id.roots()}, ErrSigner},
		"certificate replaced": {replaced(t, id, with(func(*x509.Certificate) {}), content), VerifyOptions{Roots: pool(root)}, ErrSigner},
		"key of another kind":  {changed(func(sd *genericSignedData) { sd.SignerInfos[0].SignatureAlgorithm.Algorithm = gRSA }), VerifyOptions{Roots: id.roots()}, ErrSigner},
		"before the validity":  {id.answer(t, content, epoch.AddDate(-2, 0, 0)), VerifyOptions{Roots: id.roots()}, x509.CertificateInvalidError{}},
		"checked too late":     {id.answer(t, content, epoch), VerifyOptions{Roots: id.roots(), Time: epoch.AddDate(4, 0, 0)}, x509.CertificateInvalidError{}},
		"no time to check at":  {changedAttrs(t, id, content, noTime), VerifyOptions{Roots: id.roots()}, nil},
		"not for clients": {with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }).answer(t, content, epoch),
			VerifyOptions{Roots: pool(root)}, x509.CertificateInvalidError{}},
		"not for signatures": {with(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }).answer(t, content, epoch),
			VerifyOptions{Roots: pool(root)}, ErrSigner},
		"a CA signs": {with(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }).answer(t, content, epoch),
			VerifyOptions{Roots: pool(root)}, ErrSigner},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := mustParse(t, tc.der).Verify(tc.o)
			if err == nil || r != nil {
				t.Fatalf("verified: %+v", r)
			}
			var invalid x509.CertificateInvalidError
			var unknown x509.UnknownAuthorityError
			ok := true
			switch tc.want.(type) {
			case nil:
			case x509.CertificateInvalidError:
				ok = errors.As(err, &invalid)
			case x509.UnknownAuthorityError:
				ok = errors.As(err, &unknown)
			default:
				ok = errors.Is(err, tc.want)
			}
			if !ok {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

// replaced returns a signature of id in which the certificate and the signer
// identifier were replaced by those of another certificate for the same key.
func replaced(t *testing.T, id, by *identity, content []byte) []byte {
	attrs := SignedAttributes(content, epoch, id.signer)
	return generic(t, by, content, attrs, id.sign(t, attrs)).marshal(t)
}

func changedAttrs(t *testing.T, id *identity, content, attrs []byte) []byte {
	return generic(t, id, content, attrs, id.sign(t, attrs)).marshal(t)
}

func mustParse(t testing.TB, der []byte) *SignedData {
	t.Helper()
	sd, err := Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return sd
}

func pool(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}

// No change of a byte leads to another text or another signer.
func TestTamper(t *testing.T) {
	for _, kind := range []string{"EC-EC", "RSA-PSS"} {
		id := identityOf(t, kind)
		content := []byte("Pay CHF 10 to Alice")
		der := id.answer(t, content, epoch)
		o := VerifyOptions{Roots: id.roots()}
		harmless := 0
		for i := range der {
			for _, mask := range []byte{0x01, 0x80, 0xff, 0x20} {
				if mask != 0x01 && testing.Short() {
					continue
				}
				bad := append([]byte(nil), der...)
				bad[i] ^= mask
				sd, err := Parse(bad)
				if err != nil {
					continue
				}
				r, err := sd.Verify(o)
				if err != nil {
					continue
				}
				harmless++
				if !bytes.Equal(r.Content, content) || !r.Certificate.Equal(id.leaf) || !r.SigningTime.Equal(epoch) {
					t.Fatalf("%s: byte %d with mask %#x: %q signed by %v", kind, i, mask, r.Content, r.Certificate.Subject)
				}
			}
		}
		t.Logf("%s: %d changes to bytes that nothing depends on", kind, harmless)
	}
}

// Without this limit, a signer with a huge key would be expensive.
func TestKeyTooLarge(t *testing.T) {
	n := new(big.Int).SetBit(big.NewInt(1), maxRSABits, 1)
	der, err := asn1.Marshal(struct {
		N *big.Int
		E int
	}{n, 65537})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseRSA(der); err == nil {
		t.Error("taken")
	}
}
