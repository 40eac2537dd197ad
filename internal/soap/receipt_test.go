package soap

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
)

// checkReceipt compares what only answers to receipts have.
func checkReceipt(t rapid.TB, r *signum.ReceiptResponse, n *node) {
	t.Helper()
	x := n.get("mss:Status mss:StatusDetail sco:ReceiptResponseExtension")
	if (x != nil) != (r.Extension != nil) || x == nil && n.get("mss:Status mss:StatusDetail") != nil {
		t.Errorf("extension %v for %+v", x, r.Extension)
		return
	}
	if w := r.Extension; w != nil {
		want := [][2]string{{"ReceiptMessagingMode", "synch"}, {"UserAck", strconv.FormatBool(w.UserAck)}}
		if w.UserResponse != "" {
			want = append(want, [2]string{"UserResponse", valid(w.UserResponse)})
		}
		if w.FaultMessage != "" {
			want = append(want, [2]string{"FaultMessage", valid(w.FaultMessage)})
		}
		if diff := cmp.Diff(want, x.attrs); diff != "" {
			t.Errorf("%s", diff)
		}
	}
}

// Some clients unescape UserResponse without a parser.
func TestUserResponseText(t *testing.T) {
	s := string(Wire{}.AppendResponse(nil, formPartMSS, answers["receipt-ok.xml"]))
	for _, want := range []string{`<ns1:ReceiptResponseExtension xmlns:ns1="` + nsSCO + `" `, ` UserResponse="{&quot;status&quot;:&quot;OK&quot;}"/>`} {
		if !strings.Contains(s, want) {
			t.Errorf("no %s in %s", want, s)
		}
	}
}

// receipt returns a receipt request with the given attributes and children.
func receipt(attrs, children string) string {
	return envelope(`<MSS_Receipt><MSS_ReceiptReq` + attrs + `>` + children + `</MSS_ReceiptReq></MSS_Receipt>`)
}

// extended returns a receipt request with the given attributes and children of its
// extension.
func extended(attrs, children string) string {
	return receipt("", `<Status><StatusDetail><ReceiptRequestExtension`+attrs+`>`+children+`</ReceiptRequestExtension></StatusDetail></Status>`)
}

func TestDecodeReceipt(t *testing.T) {
	asks := func(x signum.ReceiptRequestExtension) signum.ReceiptRequest {
		return signum.ReceiptRequest{Extension: &x}
	}
	for name, tt := range map[string]struct {
		body string
		want signum.ReceiptRequest
	}{
		"empty message":      {receipt("", ""), signum.ReceiptRequest{}},
		"empty elements":     {receipt("", "<Status/><Message/><MobileUser/>"), signum.ReceiptRequest{}},
		"empty detail":       {receipt("", "<Status><StatusDetail/></Status>"), signum.ReceiptRequest{}},
		"other detail":       {receipt("", "<Status><StatusDetail><x>text<y/></x></StatusDetail></Status>"), signum.ReceiptRequest{}},
		"any status code":    {receipt("", "<Status><StatusCode Value='500'><StatusCode Value='x'/></StatusCode><StatusCode/><StatusMessage>x</StatusMessage></Status>"), signum.ReceiptRequest{}},
		"TimeOut":            {receipt(" TimeOut='80' MessagingMode='asynch'", ""), signum.ReceiptRequest{}},
		"transaction":        {receipt(" MSSP_TransID=' h4iof '", ""), signum.ReceiptRequest{TransID: "h4iof"}},
		"transaction, mss":   {receipt(` xmlns:m="`+nsMSS+`" m:MSSP_TransID="h4iof"`, ""), signum.ReceiptRequest{TransID: "h4iof"}},
		"any order":          {receipt("", "<Message>x</Message><MobileUser><MSISDN>1</MSISDN></MobileUser>"), signum.ReceiptRequest{MSISDN: "1", Message: signum.DataToBeSigned{Data: "x"}}},
		"text is untouched":  {receipt("", "<Message MimeType=' text/plain '>\n a\t&#13;</Message>"), signum.ReceiptRequest{Message: signum.DataToBeSigned{MimeType: "text/plain", Data: "\n a\t\r"}}},
		"empty extension":    {extended("", ""), asks(signum.ReceiptRequestExtension{})},
		"acknowledgement":    {extended(" UserAck=' true ' ReceiptMessagingMode='synch' x='y'", "<x/>"), asks(signum.ReceiptRequestExtension{MessagingMode: "synch", UserAck: "true"})},
		"profile":            {extended("", "<ReceiptProfile Language='DE'><x/><ReceiptProfileURI> u </ReceiptProfileURI></ReceiptProfile>"), asks(signum.ReceiptRequestExtension{Language: "DE", ProfileURI: "u"})},
		"empty profile":      {extended("", "<ReceiptProfile/>"), asks(signum.ReceiptRequestExtension{})},
		"any namespace":      {strings.Replace(extended(" UserAck='1'", ""), "<ReceiptRequestExtension", "<ReceiptRequestExtension xmlns='urn:x'", 1), asks(signum.ReceiptRequestExtension{UserAck: "1"})},
		"service in detail":  {receipt("", "<Status><StatusDetail><ServiceResponses/><ReceiptRequestExtension/></StatusDetail></Status>"), asks(signum.ReceiptRequestExtension{})},
		"outside of details": {receipt("", "<ReceiptRequestExtension UserAck='true'/>"), signum.ReceiptRequest{}},
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
	const other = "This endpoint does not accept this message"
	for name, tt := range map[string]struct{ body, detail string }{
		"a signature":         {sign("", ""), other},
		"other part":          {envelope("<MSS_Receipt><MSS_ProfileReq/></MSS_Receipt>"), other},
		"other bare part":     {envelope("<MSS_ProfileReq/>"), other},
		"two messages":        {receipt("", "<Message/><Message/>"), "Message must not be repeated"},
		"two Status":          {receipt("", "<Status/><Status/>"), "Status must not be repeated"},
		"two details":         {receipt("", "<Status><StatusDetail/><StatusDetail/></Status>"), "StatusDetail must not be repeated"},
		"two extensions":      {receipt("", "<Status><StatusDetail><ReceiptRequestExtension/><ReceiptRequestExtension/></StatusDetail></Status>"), "ReceiptRequestExtension must not be repeated"},
		"two profiles":        {extended("", "<ReceiptProfile/><ReceiptProfile/>"), "ReceiptProfile must not be repeated"},
		"two profile URIs":    {extended("", "<ReceiptProfile><ReceiptProfileURI/><ReceiptProfileURI/></ReceiptProfile>"), "ReceiptProfileURI must not be repeated"},
		"two users":           {receipt("", "<MobileUser/><MobileUser/>"), "MobileUser must not be repeated"},
		"Status as text":      {receipt("", "<Status>100</Status>"), "Status must not have text"},
		"extension as text":   {extended("", "true"), "ReceiptRequestExtension must not have text"},
		"element in message":  {receipt("", "<Message>a<b/></Message>"), "Message must not have elements"},
		"duplicate attribute": {extended(` xmlns:m="`+nsMSS+`" m:UserAck="1" UserAck="0"`, ""), "An attribute must not be repeated"},
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
