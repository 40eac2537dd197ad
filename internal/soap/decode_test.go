package soap

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "requests", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ordinary is the content of most fixtures, each of which has its own form.
var ordinary = &signum.SignatureRequest{
	Header: signum.Header{
		Version: signum.Version{Major: "1", Minor: "1"},
		AP:      signum.APInfo{ID: "mid://dev.example", Password: "disabled", TransID: "REF0101120000", Instant: "2026-01-01T12:00:00.000+01:00"},
		MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/"},
	},
	MessagingMode: "synch", TimeOut: "80", MSISDN: "+41791234567", Profile: signum.ProfileSTK,
	Data:     signum.DataToBeSigned{MimeType: "text/plain", Encoding: "UTF-8", Data: `Bank ACME: Zürich "ok"?`},
	Services: []signum.AdditionalService{{URI: signum.ServiceUserLang, UserLang: "en"}},
}

var fixtures = map[string]struct {
	want signum.Request
	form edge.Form
}{
	"bash.xml":        {ordinary, formPartMSS},
	"cxf.xml":         {ordinary, formWrapperKiuru | formPartMSS},
	"axis.xml":        {ordinary, formWrapperKiuru | formPartMSS},
	"zeep.xml":        {ordinary, formWrapperKiuru},
	"dotnet.xml":      {ordinary, formWrapperKiuru},
	"unqualified.xml": {ordinary, 0},
	"php.xml":         {ordinary, formPartMSS},
	"soap11.xml":      {ordinary, formPartMSS},
	"document.xml":    {ordinary, formBare | formPartMSS},
	"services.xml": {&signum.SignatureRequest{
		Header: signum.Header{
			Version: signum.Version{Major: "1", Minor: "2"},
			AP:      signum.APInfo{ID: "a", Password: " p\tw ", TransID: "t", Instant: "2026-01-01T12:00:00Z"},
			MSSP:    signum.MSSPInfo{Instant: "2026-01-01T12:00:00Z"},
		},
		MessagingMode: "asynchClientServer", MSISDN: "+41 79 123-45-67",
		Data: signum.DataToBeSigned{MimeType: "text/plain", Data: "\n  kept  \t as is\n \r "},
		Services: []signum.AdditionalService{
			{URI: signum.ServiceGeofencing, Geofencing: &signum.GeofencingPolicy{
				CountryWhitelist: "CH,DE", MinDeviceConfidence: "0.7", MinLocationConfidence: "0.8",
				MaxTimestampMinutes: "600", MaxAccuracyMeters: "1000",
			}},
			{URI: signum.ServiceApp2App, RedirectURI: "myapp://example?a=1&b=2"},
			{},
		},
	}, formPartMSS},
	"status.xml":          {&signum.StatusRequest{Header: ordinary.Header, TransID: "h4iof"}, formWrapperKiuru | formPartMSS},
	"receipt-bash.xml":    {thanks, formPartMSS},
	"receipt-cxf.xml":     {&signum.ReceiptRequest{Header: ordinary.Header, TransID: "h4iof", MSISDN: "41791234567", Message: signum.DataToBeSigned{MimeType: "text/plain", Encoding: "UTF-8", Data: "Merci"}}, formWrapperKiuru | formPartMSS},
	"receipt-dotnet.xml":  {thanks, formWrapperKiuru},
	"profile-guide.xml":   {&signum.ProfileRequest{Header: versioned("2", "0"), MSISDN: "+41791234567", Params: "sscds state certs pinstatus rcstatus aastatus"}, formWrapperKiuru},
	"profile-cxf.xml":     {&signum.ProfileRequest{Header: versioned("1", "1"), MSISDN: "41791234567"}, formWrapperKiuru | formPartMSS},
	"profile-bash.xml":    {&signum.ProfileRequest{Header: versioned("2", "0"), MSISDN: "+41791234567", Params: "sscds state"}, formPartMSS},
	"profile-getters.xml": {&signum.ProfileRequest{Header: versioned("1", "0"), MSISDN: "+41791234567", Getters: signum.ProfileGetters{Certificates: "true", AutoActivation: "1", ServerSideSignature: "false"}}, 0},
}

// thanks returns a receipt with the extension.
var thanks = &signum.ReceiptRequest{
	Header: ordinary.Header, TransID: "h4iof", MSISDN: "+41791234567",
	Message:   signum.DataToBeSigned{MimeType: "text/plain", Encoding: "UTF-8", Data: "Thank you, your order is on its way."},
	Extension: &signum.ReceiptRequestExtension{MessagingMode: "synch", Language: "DE", ProfileURI: "http://mss.swisscom.ch/synch", UserAck: "true"},
}

func versioned(major, minor string) signum.Header {
	h := ordinary.Header
	h.Version = signum.Version{Major: major, Minor: minor}
	return h
}

func TestDecodeClients(t *testing.T) {
	for name, tt := range fixtures {
		t.Run(name, func(t *testing.T) {
			for _, op := range []signum.Operation{tt.want.Operation(), signum.OpAny} {
				body := fixture(t, name)
				got, form, err := Wire{}.Decode(op, body)
				if err != nil {
					t.Fatal(err)
				}
				for i := range body { // the request must not alias the body
					body[i] = 'X'
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if form != tt.form {
					t.Errorf("form %b, want %b", form, tt.form)
				}
			}
		})
	}
}

// envelope puts a message into a Body.
func envelope(body string) string {
	return `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>` + body + `</e:Body></e:Envelope>`
}

// sign returns a signature request with the given attributes and children.
func sign(attrs, children string) string {
	return envelope(`<MSS_Signature><MSS_SignatureReq` + attrs + `>` + children + `</MSS_SignatureReq></MSS_Signature>`)
}

func TestDecodeLiberal(t *testing.T) {
	text := func(s string) signum.SignatureRequest {
		return signum.SignatureRequest{Data: signum.DataToBeSigned{Data: s}}
	}
	data := func(s string) string { return sign("", "<DataToBeSigned>"+s+"</DataToBeSigned>") }
	for name, tt := range map[string]struct {
		body string
		want signum.SignatureRequest
	}{
		"empty message":         {sign("", ""), signum.SignatureRequest{}},
		"self-closing":          {envelope(`<MSS_Signature><MSS_SignatureReq/></MSS_Signature>`), signum.SignatureRequest{}},
		"text to display":       {sign("", `<DataToBeSigned>a</DataToBeSigned><DataToBeDisplayed MimeType="text/plain">b</DataToBeDisplayed>`), signum.SignatureRequest{Data: signum.DataToBeSigned{Data: "a"}, Displayed: "b"}},
		"nothing to display":    {sign("", "<DataToBeDisplayed/>"), signum.SignatureRequest{}},
		"empty elements":        {sign("", "<AP_Info/><MSSP_Info/><MobileUser/><DataToBeSigned/><SignatureProfile/><AdditionalServices/>"), signum.SignatureRequest{}},
		"unknown SOAP version":  {strings.Replace(sign("", ""), "2003/05", "2099/01", 1), signum.SignatureRequest{}},
		"any order":             {sign("", "<MobileUser><MSISDN>1</MSISDN></MobileUser><AP_Info AP_ID='a'/>"), signum.SignatureRequest{Header: signum.Header{AP: signum.APInfo{ID: "a"}}, MSISDN: "1"}},
		"white space collapses": {sign(" TimeOut=' 80\n'", "<MobileUser><MSISDN>\n\t1 2 </MSISDN></MobileUser>"), signum.SignatureRequest{TimeOut: "80", MSISDN: "1 2"}},
		"qualified attributes":  {sign(` xmlns:m="http://uri.etsi.org/TS102204/v1.1.2#" m:TimeOut="80"`, ""), signum.SignatureRequest{TimeOut: "80"}},
		"scopes of prefixes":    {sign(` xmlns:m="u"`, `<m:AP_Info xmlns:m="v" m:x="" AP_ID="a"><m:y xml:lang="en"/></m:AP_Info><m:z/>`), signum.SignatureRequest{Header: signum.Header{AP: signum.APInfo{ID: "a"}}}},
		"foreign attributes":    {sign(` xmlns:m="urn:x" m:TimeOut="80" xmlns:TimeOut="urn:y"`, ""), signum.SignatureRequest{}},
		"decimal reference":     {data("&#65;&#8364;"), text("A€")},
		"hex reference":         {data("&#x41;&#x1F600;"), text("A😀")},
		"the five entities":     {data("&lt;&gt;&amp;&quot;&apos;"), text("<>&\"'")},
		"CDATA":                 {data("a<![CDATA[<&#xD800;\uFFFD>]]>b"), text("a<&#xD800;\uFFFD>b")},
		"replacement character": {data("\uFFFD&#65;"), text("\uFFFDA")},
		"comments inside":       {data("a<!-- x -->b"), text("ab")},
		"line ends":             {data("a\r\nb\rc\nd&#13;e"), text("a\nb\nc\nd\re")},
		"declaration":           {`<?xml version="1.0"?>` + "\n" + sign("", ""), signum.SignatureRequest{}},
		"declared UTF-8":        {`<?xml version='1.0' encoding='uTf-8' ?>` + sign("", ""), signum.SignatureRequest{}},
		"declared UTF8":         {`<?xml version="1.0" encoding="UTF8"?>` + sign("", ""), signum.SignatureRequest{}},
		"white space first":     {" \r\n\t" + sign("", ""), signum.SignatureRequest{}},
		"mark and white space":  {"\xEF\xBB\xBF\n" + sign("", ""), signum.SignatureRequest{}},
		"mark and declaration":  {"\xEF\xBB\xBF" + `<?xml version="1.0" encoding="UTF-8"?>` + sign("", ""), signum.SignatureRequest{}},
		"white space around":    {"\n " + sign("", "") + " \r\n", signum.SignatureRequest{}},
		"64 attributes":         {sign(many(` a%d=""`, 64), ""), signum.SignatureRequest{}},
		"depth 32":              {sign("", strings.Repeat("<x>", 28)+strings.Repeat("</x>", 28)), signum.SignatureRequest{}},
		"512 elements":          {sign("", strings.Repeat("<x/>", 508)), signum.SignatureRequest{}},
		"long attribute":        {sign(` x="`+strings.Repeat("y", 1<<20)+`"`, ""), signum.SignatureRequest{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Wire{}.Decode(signum.OpSignature, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(signum.Request(&tt.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// many joins the texts of a format for the numbers 1 to n.
func many(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+1)
	}
	return b.String()
}

func TestDecodeRefused(t *testing.T) {
	const (
		at    = "Malformed XML at byte "
		other = "This endpoint does not accept this message"
		open  = `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope">`
		body  = `<e:Body><MSS_Signature><MSS_SignatureReq/></MSS_Signature></e:Body>`
	)
	laughs := `<!DOCTYPE lolz [<!ENTITY lol "lol">` + many(`<!ENTITY lol%d "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">`, 9) + `]>` + sign("", "<DataToBeSigned>&lol9;</DataToBeSigned>")
	for name, tt := range map[string]struct{ body, detail string }{
		"empty":                {"", "The request has no body"},
		"blank":                {" \r\n\t", "The request has no body"},
		"only a mark":          {"\xEF\xBB\xBF", "The request has no body"},
		"not XML":              {"{}", "text outside of the envelope"},
		"text before":          {"x" + sign("", ""), at + "1: text outside of the envelope"},
		"two marks":            {"\xEF\xBB\xBF\xEF\xBB\xBF" + sign("", ""), at + "6: text outside of the envelope"},
		"NUL":                  {"\x00", "not well-formed"},
		"NUL in text":          {sign("", "<x>\x00</x>"), "not well-formed"},
		"reference to NUL":     {sign("", "<x>&#0;</x>"), "not well-formed"},
		"control character":    {sign("", "<x>\x01</x>"), "not well-formed"},
		"trailing NUL":         {sign("", "") + "\x00", at},
		"UTF-16 with mark":     {"\xFF\xFE<\x00", "The request must be in UTF-8"},
		"UTF-16 without mark":  {"\x00<\x00?", "The request must be in UTF-8"},
		"declared UTF-16":      {`<?xml version="1.0" encoding="UTF-16"?>` + sign("", ""), "The request must be in UTF-8"},
		"declared Latin-1":     {`<?xml version="1.0" encoding="ISO-8859-1"?>` + sign("", ""), "The request must be in UTF-8"},
		"odd declaration":      {`<?xml ver.sion="1.0"?>` + sign("", ""), "not well-formed"},
		"no version":           {`<?xml encoding="UTF-8"?>` + sign("", ""), at},
		"XML 1.1":              {`<?xml version="1.1"?>` + sign("", ""), at},
		"invalid UTF-8":        {sign("", "<x>\xff</x>"), "not UTF-8"},
		"overlong UTF-8":       {sign("", "<x>\xc0\xaf</x>"), "not UTF-8"},
		"encoded surrogate":    {sign("", "<x>\xed\xa0\x80</x>"), "not UTF-8"},
		"surrogate reference":  {sign("", "<x>&#xD83D;&#xDE00;</x>"), "surrogate"},
		"surrogate in decimal": {sign("", "<x>&#65;&#56320;</x>"), "surrogate"},
		"surrogate, attribute": {sign(` x="&#xd800;"`, ""), "surrogate"},
		"DTD":                  {`<!DOCTYPE x>` + sign("", ""), "Document type declarations are not allowed"},
		"external entity":      {`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + sign("", "<x>&e;</x>"), "Document type declarations are not allowed"},
		"billion laughs":       {laughs, "Document type declarations are not allowed"},
		"DTD inside":           {sign("", "<!DOCTYPE x>"), "Document type declarations are not allowed"},
		"ENTITY alone":         {`<!ENTITY x "y">` + sign("", ""), "Document type declarations are not allowed"},
		"DTD after":            {sign("", "") + "<!DOCTYPE x>", "Document type declarations are not allowed"},
		"undeclared entity":    {sign("", "<x>&nbsp;</x>"), "unknown entity"},
		"stylesheet":           {`<?xml-stylesheet href="x"?>` + sign("", ""), "Processing instructions are not allowed"},
		"instruction inside":   {sign("", "<?php echo 1 ?>"), "Processing instructions are not allowed"},
		"late declaration":     {"\n" + `<?xml version="1.0"?>` + sign("", ""), at + "0: white space before the XML declaration"},
		"late after a mark":    {"\xEF\xBB\xBF \r\n\t" + `<?xml version="1.0"?>` + sign("", ""), at + "3: white space before the XML declaration"},
		"after a comment":      {`<!-- x --><?xml version="1.0"?>` + sign("", ""), at + "10: the XML declaration must come first"},
		"two declarations":     {`<?xml version="1.0"?><?xml version="1.0"?>` + sign("", ""), at + "21: the XML declaration must come first"},
		"instruction":          {`<?php echo 1 ?>` + sign("", ""), "Processing instructions are not allowed"},
		"other root":           {"<a/>", "The request must be a SOAP Envelope"},
		"message alone":        {"<MSS_SignatureReq/>", "The request must be a SOAP Envelope"},
		"no Body":              {open + "</e:Envelope>", "The Envelope must have a Body"},
		"only a Header":        {open + "<e:Header/></e:Envelope>", "The Envelope must have a Body"},
		"two Headers":          {open + "<e:Header/><e:Header/>" + body + "</e:Envelope>", "at most one Header, then one Body"},
		"two Bodies":           {open + body + body + "</e:Envelope>", "at most one Header, then one Body"},
		"Header after":         {open + body + "<e:Header/></e:Envelope>", "at most one Header, then one Body"},
		"element after Body":   {open + body + "<x/></e:Envelope>", "at most one Header, then one Body"},
		"text in Envelope":     {open + "x" + body + "</e:Envelope>", "Envelope must not have text"},
		"text in Body":         {envelope("x<MSS_Signature/>"), "Body must not have text"},
		"empty Body":           {envelope(" <!-- x --> "), "The Body has no message"},
		"empty wrapper":        {envelope("<MSS_Signature/>"), "MSS_Signature has no message"},
		"two wrappers":         {envelope("<MSS_Signature><MSS_SignatureReq/></MSS_Signature><MSS_Signature/>"), "The Body must have one message only"},
		"two parts":            {envelope("<MSS_Signature><MSS_SignatureReq/><MSS_SignatureReq/></MSS_Signature>"), "MSS_Signature must have one message only"},
		"two bare parts":       {envelope("<MSS_SignatureReq/><MSS_SignatureReq/>"), "The Body must have one message only"},
		"other wrapper":        {envelope("<MSS_StatusQuery><MSS_StatusReq/></MSS_StatusQuery>"), other},
		"other part":           {envelope("<MSS_Signature><MSS_StatusReq/></MSS_Signature>"), other},
		"other bare part":      {envelope("<MSS_StatusReq/>"), other},
		"mixed":                {envelope("<MSS_StatusQuery><MSS_SignatureReq/></MSS_StatusQuery>"), other},
		"an answer":            {envelope("<MSS_SignatureResponse/>"), other},
		"a receipt":            {envelope("<MSS_Receipt/>"), other},
		"data after":           {sign("", "") + "x", "data after the envelope"},
		"second document":      {sign("", "") + sign("", ""), "data after the envelope"},
		"wrong end":            {open + "</x></e:Envelope>", "not well-formed"},
		"wrong prefix at end":  {open + "</Envelope>", "not well-formed"},
		"unquoted attribute":   {sign(" TimeOut=80", ""), "not well-formed"},
		"attribute no value":   {sign(" TimeOut", ""), "not well-formed"},
		"< in attribute":       {sign(` x="<"`, ""), "not well-formed"},
		"bare ampersand":       {sign("", "<x>a & b</x>"), at},
		"duplicate attribute":  {sign(` TimeOut="1" TimeOut="2"`, ""), "duplicate attribute"},
		"duplicate by ns":      {sign(` xmlns:a="u" xmlns:b="u" a:x="" b:x=""`, ""), "duplicate attribute"},
		"duplicate, qualified": {sign(` xmlns:m="http://uri.etsi.org/TS102204/v1.1.2#" m:TimeOut="1" TimeOut="2"`, ""), "An attribute must not be repeated"},
		"undeclared prefix":    {envelope("<mss:MSS_Signature/>"), "undeclared prefix"},
		"undeclared, attr":     {sign(` x:y=""`, ""), "undeclared prefix"},
		"prefix out of scope":  {sign("", `<a xmlns:x="u"/><x:b/>`), "undeclared prefix"},
		"prefix undeclared":    {sign("", `<a xmlns:x="u"><x:b xmlns:x=""/></a>`), "undeclared prefix"},
		"129 namespaces":       {sign(many(` xmlns:a%d="u"`, 64), "<a"+many(` xmlns:a%d="u"`, 64)+"/>"), "too many namespaces"},
		"end without start":    {sign("", "") + "</x>", at},
		"duplicate xmlns":      {sign(` xmlns:a="u" xmlns:a="v"`, ""), "duplicate attribute"},
		"65 attributes":        {sign(many(` a%d=""`, 65), ""), "too many attributes"},
		"10000 attributes":     {sign(many(` a%d=""`, 10000), ""), "too many attributes"},
		"depth 33":             {sign("", strings.Repeat("<x>", 29)+strings.Repeat("</x>", 29)), "nested too deeply"},
		"very deep":            {strings.Replace(sign("", ""), "<e:Body>", "<e:Header>"+strings.Repeat("<x>", 100000), 1), "nested too deeply"},
		"513 elements":         {sign("", strings.Repeat("<x/>", 509)), "too many elements"},
		"two AP_Info":          {sign("", "<AP_Info/><AP_Info/>"), "AP_Info must not be repeated"},
		"two MSSP_Info":        {sign("", "<MSSP_Info/><MSSP_Info/>"), "MSSP_Info must not be repeated"},
		"two MSSP_ID":          {sign("", "<MSSP_Info><MSSP_ID/><MSSP_ID/></MSSP_Info>"), "MSSP_ID must not be repeated"},
		"two URI":              {sign("", "<MSSP_Info><MSSP_ID><URI/><URI/></MSSP_ID></MSSP_Info>"), "URI must not be repeated"},
		"two MobileUser":       {sign("", "<MobileUser/><MobileUser/>"), "MobileUser must not be repeated"},
		"two MSISDN":           {sign("", "<MobileUser><MSISDN>1</MSISDN><MSISDN>2</MSISDN></MobileUser>"), "MSISDN must not be repeated"},
		"two MSISDN, other ns": {sign("", "<MobileUser><MSISDN>1</MSISDN><MSISDN xmlns='u'>2</MSISDN></MobileUser>"), "MSISDN must not be repeated"},
		"two texts to display": {sign("", "<DataToBeDisplayed/><DataToBeDisplayed/>"), "DataToBeDisplayed must not be repeated"},
		"two DataToBeSigned":   {sign("", "<DataToBeSigned/><DataToBeSigned/>"), "DataToBeSigned must not be repeated"},
		"two profiles":         {sign("", "<SignatureProfile/><SignatureProfile/>"), "SignatureProfile must not be repeated"},
		"two profile URIs":     {sign("", "<SignatureProfile><mssURI/><mssURI/></SignatureProfile>"), "mssURI must not be repeated"},
		"two service lists":    {sign("", "<AdditionalServices/><AdditionalServices/>"), "AdditionalServices must not be repeated"},
		"two Descriptions":     {service("<Description/><Description/>"), "Description must not be repeated"},
		"two UserLang":         {service("<UserLang/><UserLang/>"), "UserLang must not be repeated"},
		"two App2App":          {service("<App2App/><App2App/>"), "App2App must not be repeated"},
		"two policies":         {service("<GeoFencingReq/><GeoFencingReq/>"), "GeoFencingReq must not be repeated"},
		"17 services":          {sign("", "<AdditionalServices>"+strings.Repeat("<Service/>", 17)+"</AdditionalServices>"), "More than 16 AdditionalServices"},
		"element in data":      {sign("", "<DataToBeSigned>a<b/></DataToBeSigned>"), "DataToBeSigned must not have elements"},
		"profile as text":      {sign("", "<SignatureProfile>http://x</SignatureProfile>"), "SignatureProfile must not have text"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Wire{}.Decode(signum.OpSignature, []byte(tt.body))
			checkRefusal(t, got, err)
			if f := signum.AsFault(err); f != nil && !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("detail %q, want %q", f.Detail, tt.detail)
			}
		})
	}
}

func service(children string) string {
	return sign("", "<AdditionalServices><Service>"+children+"</Service></AdditionalServices>")
}

// checkRefusal checks that a refusal is a 101 whose detail can go to a log and to a
// client.
func checkRefusal(t testing.TB, r signum.Request, err error) {
	t.Helper()
	f, ok := err.(*signum.Fault)
	if !ok || f == nil || r != nil {
		t.Fatalf("got %v, %#v; want a fault alone", r, err)
	}
	if f.Code != signum.WrongParam || f.Detail == "" || len(f.Detail) > 100 || !utf8.ValidString(f.Detail) {
		t.Errorf("fault %d %q", f.Code, f.Detail)
	}
}

// Every proper prefix of a message is refused, unless it lacks only what follows the
// envelope.
func TestDecodeTruncated(t *testing.T) {
	for name := range fixtures {
		body := fixture(t, name)
		body = body[:bytes.LastIndex(body, []byte("Envelope>"))+len("Envelope>")]
		for n := range body {
			got, _, err := Wire{}.Decode(signum.OpAny, body[:n:n])
			checkRefusal(t, got, err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	w := Wire{}
	if got, want := fmt.Sprint(w.Name(), w.Endpoints()), "soap[{/soap/services/MSS_SignaturePort MSS_Signature} {/soap/services/MSS_StatusQueryPort MSS_StatusQuery} {/soap/services/MSS_ReceiptPort MSS_Receipt} {/soap/services/MSS_ProfilePort MSS_ProfileQuery} {/soap/services/MSS_ProfileQueryPort MSS_ProfileQuery}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for mediaType, want := range map[string]bool{"": true, "text/xml": true, "application/xml": true, "application/soap+xml": true, "application/json": false, "text/plain": false} {
		if got := w.Accepts(mediaType); got != want {
			t.Errorf("Accepts(%q) = %v", mediaType, got)
		}
	}
	if got := w.ContentType(); got != "application/soap+xml;charset=utf-8" {
		t.Errorf("content type %q", got)
	}
}
