package rest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
)

type answerReceipt struct {
	answerTop
	Status struct {
		answerStatus
		StatusDetail *struct {
			ReceiptResponseExtension struct {
				ClientAck, FaultMessage, NetworkAck, ReceiptMessagingMode, UserAck, UserResponse string
			}
		}
	}
}

func checkReceipt(t rapid.TB, r *signum.ReceiptResponse, a *answerReceipt) {
	t.Helper()
	checkTop(t, r.Header, signum.Version{Major: "1", Minor: "1"}, r.Status, &a.answerTop, &a.Status.answerStatus)
	if (r.Extension == nil) != (a.Status.StatusDetail == nil) {
		t.Errorf("StatusDetail %+v for %+v", a.Status.StatusDetail, r.Extension)
	}
	if w := r.Extension; w != nil && a.Status.StatusDetail != nil {
		x := a.Status.StatusDetail.ReceiptResponseExtension
		got := []string{x.ReceiptMessagingMode, x.ClientAck, x.NetworkAck, x.UserAck, x.UserResponse, x.FaultMessage}
		want := []string{"synch", strconv.FormatBool(w.ClientAck), strconv.FormatBool(w.NetworkAck), strconv.FormatBool(w.UserAck), valid(w.UserResponse), valid(w.FaultMessage)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s", diff)
		}
	}
}

// receipt returns a receipt request with the given members.
func receipt(members string) string { return `{"MSS_ReceiptReq":{` + members + `}}` }

func TestDecodeReceipt(t *testing.T) {
	detail := func(x string) string { return receipt(`"Status":{"StatusDetail":` + x + `}`) }
	extended := func(x signum.ReceiptRequestExtension) signum.ReceiptRequest {
		return signum.ReceiptRequest{Extension: &x}
	}
	for name, tt := range map[string]struct {
		body string
		want signum.ReceiptRequest
	}{
		"empty message":     {receipt(``), signum.ReceiptRequest{}},
		"nulls":             {receipt(`"Status":null,"Message":null,"MobileUser":null,"MSSP_TransID":null`), signum.ReceiptRequest{}},
		"null detail":       {detail(`null`), signum.ReceiptRequest{}},
		"null extension":    {detail(`{"ReceiptRequestExtension":null}`), signum.ReceiptRequest{}},
		"any status code":   {receipt(`"Status":{"StatusCode":{"Value":500},"StatusMessage":[1]}`), signum.ReceiptRequest{}},
		"odd status code":   {receipt(`"Status":{"StatusCode":"100"}`), signum.ReceiptRequest{}},
		"empty extension":   {detail(`{"ReceiptRequestExtension":{}}`), extended(signum.ReceiptRequestExtension{})},
		"null profile":      {detail(`{"ReceiptRequestExtension":{"ReceiptProfile":null,"UserAck":null}}`), extended(signum.ReceiptRequestExtension{})},
		"boolean":           {detail(`{"x":{},"ReceiptRequestExtension":{"UserAck":true,"x":[]}}`), extended(signum.ReceiptRequestExtension{UserAck: "true"})},
		"profile":           {detail(`{"ReceiptRequestExtension":{"ReceiptProfile":{"Language":"DE","ReceiptProfileURI":"u","x":1}}}`), extended(signum.ReceiptRequestExtension{Language: "DE", ProfileURI: "u"})},
		"numbers":           {receipt(`"MSSP_TransID":7,"Message":{"Data":1.50}`), signum.ReceiptRequest{TransID: "7", Message: signum.DataToBeSigned{Data: "1.50"}}},
		"encrypted":         {receipt(`"Message":{"MimeType":"application/alauda-rsamessage","Encoding":"BASE64","Data":"AA=="}`), signum.ReceiptRequest{Message: signum.DataToBeSigned{MimeType: signum.MimeRSAMessage, Encoding: "BASE64", Data: "AA=="}}},
		"other members":     {receipt(`"TimeOut":"80","MessagingMode":"synch","DataToBeSigned":"x"`), signum.ReceiptRequest{}},
		"text is untouched": {receipt(`"Message":{"Data":" \n a "}`), signum.ReceiptRequest{Message: signum.DataToBeSigned{Data: " \n a "}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Wire{}.Decode(signum.OpReceipt, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(signum.Request(&tt.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, tt := range map[string]struct{ body, detail string }{
		"a signature":         {sign(``), "MSS_SignatureReq is not a message of this endpoint"},
		"message is a string": {receipt(`"Message":"x"`), "Message must be a JSON object"},
		"status is a string":  {receipt(`"Status":"100"`), "Status must be a JSON object"},
		"detail is a string":  {detail(`"x"`), "StatusDetail must be a JSON object"},
		"extension an array":  {detail(`{"ReceiptRequestExtension":[]}`), "ReceiptRequestExtension must be a JSON object"},
		"profile is a string": {detail(`{"ReceiptRequestExtension":{"ReceiptProfile":"DE"}}`), "ReceiptProfile must be a JSON object"},
		"ack is an object":    {detail(`{"ReceiptRequestExtension":{"UserAck":{}}}`), "UserAck must be a string"},
		"two extensions":      {detail(`{"ReceiptRequestExtension":{},"ReceiptRequestExtension":{}}`), "duplicate member"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Wire{}.Decode(signum.OpReceipt, []byte(tt.body))
			checkRefusal(t, got, err)
			if f := signum.AsFault(err); f != nil && !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("detail %q, want %q", f.Detail, tt.detail)
			}
		})
	}
}
