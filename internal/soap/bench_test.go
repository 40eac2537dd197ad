package soap

import (
	"bytes"
	"testing"

	"github.com/signum-mssp/signum"
)

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"bash.xml", "cxf.xml", "axis.xml", "status.xml", "receipt-cxf.xml", "profile-cxf.xml"} {
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
	r := *signed
	r.Signature = bytes.Repeat([]byte{0x55}, 2500)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = Wire{}.AppendResponse(buf[:0], formPartMSS, &r)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkAppendFault(b *testing.B) {
	w := Wire{PortalURL: "https://portal.example/"}
	f := signum.NewFault(signum.PINBlocked)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = w.AppendFault(buf[:0], 0, f)
	}
}
