package rest

import (
	"bytes"
	"testing"

	"github.com/signum-mssp/signum"
)

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"curl.json", "java.json", "status-bom.json", "receipt.json", "profile.json"} {
		b.Run(name, func(b *testing.B) {
			body := fixture(b, name)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := (Wire{}).Decode(signum.OpAny, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	r := *answers["signature.json"].(*signum.SignatureResponse)
	r.Signature = bytes.Repeat([]byte{0x55}, 2500)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = Wire{}.AppendResponse(buf[:0], 0, &r)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkAppendFault(b *testing.B) {
	f := signum.NewFault(signum.UserCancel)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = Wire{}.AppendFault(buf[:0], 0, f)
	}
}
