package client

import (
	"testing"

	"github.com/signum-mssp/signum"
)

func fuzzDecode(f *testing.F, decode func(signum.Operation, []byte) (signum.Response, error), use func(form) bool) {
	for _, fm := range forms {
		if !use(fm) {
			continue
		}
		f.Add([]byte(fm.signatureWith("S1", 500, testCMS, fm.services())))
		f.Add([]byte(fm.signature("S1", 100, nil)))
		f.Add([]byte(fm.statusResp("S1", 504, nil)))
		f.Add([]byte(fm.receiptResp("S1", 100, fm.receiptExtension())))
		f.Add([]byte(fm.profileResp("S1", 100, fm.profileExtension())))
		f.Add([]byte(fm.profileResp("S1", 100, fm.getterExtension())))
		f.Add([]byte(fm.fault(402, "PIN of the mobile user is blocked")))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []signum.Operation{signum.OpSignature, signum.OpStatus, signum.OpReceipt, signum.OpProfile} {
			resp, err := decode(op, body)
			flt := signum.AsFault(err)
			switch r := resp.(type) {
			case nil:
				if err == nil || flt != nil && flt.Code <= 0 {
					t.Fatalf("no answer and error %v", err)
				}
				continue
			case *signum.SignatureResponse:
				if op != signum.OpSignature || r.Status <= 0 {
					t.Fatalf("%s: %+v", op, r)
				}
			case *signum.StatusResponse:
				if op != signum.OpStatus || r.Status <= 0 {
					t.Fatalf("%s: %+v", op, r)
				}
			case *signum.ReceiptResponse:
				UserAnswer(r)
				if op != signum.OpReceipt || r.Status <= 0 {
					t.Fatalf("%s: %+v", op, r)
				}
			case *signum.ProfileResponse:
				if op != signum.OpProfile || r.Status <= 0 {
					t.Fatalf("%s: %+v", op, r)
				}
			}
			if err != nil {
				t.Fatalf("answer and error %v", err)
			}
		}
	})
}

func FuzzDecodeREST(f *testing.F) {
	fuzzDecode(f, decodeREST, func(fm form) bool { return !fm.soap })
}

func FuzzDecodeSOAP(f *testing.F) {
	fuzzDecode(f, decodeSOAP, func(fm form) bool { return fm.soap })
}
