package cms

import (
	"testing"
	"time"
)

func BenchmarkAssemble(b *testing.B) {
	id := identityOf(b, "EC-EC")
	content := texts["plain"]
	attrs := SignedAttributes(content, epoch, id.signer)
	sig, chain := id.sign(b, attrs), id.chain()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Assemble(content, attrs, sig, id.signer, chain); err != nil {
			b.Fatal(err)
		}
	}
}

// The same bytes, made with encoding/asn1.
func BenchmarkAssembleGeneric(b *testing.B) {
	id := identityOf(b, "EC-EC")
	content := texts["plain"]
	attrs := SignedAttributes(content, epoch, id.signer)
	sig := id.sign(b, attrs)
	b.ReportAllocs()
	for b.Loop() {
		generic(b, id, content, attrs, sig).marshal(b)
	}
}

func BenchmarkSignedAttributes(b *testing.B) {
	id := identityOf(b, "EC-EC")
	b.ReportAllocs()
	for b.Loop() {
		SignedAttributes(texts["plain"], epoch, id.signer)
	}
}

func BenchmarkMessageDigest(b *testing.B) {
	attrs := SignedAttributes(texts["plain"], epoch, identityOf(b, "EC-EC").signer)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := MessageDigest(attrs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseSigner(b *testing.B) {
	for _, kind := range []string{"EC-EC", "RSA-PSS"} {
		b.Run(kind, func(b *testing.B) {
			der := identityOf(b, kind).leaf.Raw
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseSigner(der); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseAndVerify(b *testing.B) {
	id := identityOf(b, "EC-EC")
	der := id.answer(b, texts["plain"], epoch)
	o := VerifyOptions{Roots: id.roots(), Time: epoch.Add(time.Second)}
	b.ReportAllocs()
	for b.Loop() {
		sd, err := Parse(der)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := sd.Verify(o); err != nil {
			b.Fatal(err)
		}
	}
}
