package soap

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// node is an element of an answer, read by the tests themselves. Its name has the
// prefix that the answer must use for the namespace.
type node struct {
	name     string
	attrs    [][2]string
	text     string
	children []*node
}

var prefixes = map[string]string{
	"": "",
	"http://www.w3.org/2003/05/soap-envelope":         "soapenv:",
	"http://uri.etsi.org/TS102204/etsi204-kiuru.wsdl": "K:",
	"http://uri.etsi.org/TS102204/v1.1.2#":            "mss:",
	"http://mss.ficom.fi/TS102204/v1.0.0#":            "fi:",
	"http://mid.swisscom.ch/TS102204/as/v1.0":         "ns1:",
	"https://signum-mssp.github.io/as/v1.0":           "sig:",
	"http://kiuru.methics.fi/mssp":                    "detail:",
	"http://www.swisscom.ch/TS102204/ext/v1.0.0":      "sco:",
	"http://www.w3.org/XML/1998/namespace":            "xml:",
	"http://www.methics.fi/TS102204/ext/v1.0.0":       "mcs:",
	"http://www.w3.org/2000/09/xmldsig#":              "ds:",
}

// content says what an element of an answer contains: attributes and children, in this
// order. "?" marks what may be absent, "*" what may be absent or repeated; "text"
// allows text; "pairs" repeats the two that follow. It follows the WSDL, or real
// answers where clients expect something else.
var content = map[string]struct{ attrs, children string }{
	"soapenv:Envelope":             {"", "soapenv:Body"},
	"MSS_SignatureResponse":        {"", "MSS_SignatureResp? mss:MSS_SignatureResp?"},
	"K:MSS_SignatureResponse":      {"", "MSS_SignatureResp? mss:MSS_SignatureResp?"},
	"MSS_StatusQueryResponse":      {"", "MSS_StatusResp? mss:MSS_StatusResp?"},
	"K:MSS_StatusQueryResponse":    {"", "MSS_StatusResp? mss:MSS_StatusResp?"},
	"MSS_ReceiptResponse":          {"", "MSS_ReceiptResp? mss:MSS_ReceiptResp?"},
	"K:MSS_ReceiptResponse":        {"", "MSS_ReceiptResp? mss:MSS_ReceiptResp?"},
	"MSS_ProfileQueryResponse":     {"", "MSS_ProfileResp? mss:MSS_ProfileResp?"},
	"K:MSS_ProfileQueryResponse":   {"", "MSS_ProfileResp? mss:MSS_ProfileResp?"},
	"MSS_SignatureResp":            {"MajorVersion MinorVersion MSSP_TransID", "mss:AP_Info mss:MSSP_Info mss:MobileUser mss:MSS_Signature? mss:SignatureProfile? mss:Status"},
	"MSS_StatusResp":               {"MajorVersion MinorVersion", "mss:AP_Info mss:MSSP_Info mss:MobileUser mss:MSS_Signature? mss:Status"},
	"MSS_ReceiptResp":              {"MajorVersion MinorVersion", "mss:AP_Info mss:MSSP_Info mss:Status"},
	"MSS_ProfileResp":              {"MajorVersion MinorVersion", "mss:AP_Info mss:MSSP_Info mss:SignatureProfile* mss:Status"},
	"mss:AP_Info":                  {"AP_ID AP_TransID AP_PWD Instant", ""},
	"mss:MSSP_Info":                {"Instant", "mss:MSSP_ID"},
	"mss:MSSP_ID":                  {"", "mss:URI"},
	"mss:URI":                      {"", "text"},
	"mss:MobileUser":               {"", "mss:MSISDN"},
	"mss:MSISDN":                   {"", "text"},
	"mss:MSS_Signature":            {"", "mss:Base64Signature"},
	"mss:Base64Signature":          {"", "text"},
	"mss:SignatureProfile":         {"", "mss:mssURI"},
	"mss:mssURI":                   {"", "text"},
	"mss:Status":                   {"", "mss:StatusCode mss:StatusMessage mss:StatusDetail?"},
	"mss:StatusCode":               {"Value", ""},
	"mss:StatusMessage":            {"", "text"},
	"mss:StatusDetail":             {"", "fi:ServiceResponses? sco:ReceiptResponseExtension? mcs:ProfileQueryExtension?"},
	"sco:ReceiptResponseExtension": {"ReceiptMessagingMode UserAck UserResponse? FaultMessage?", ""},
	"mcs:ProfileQueryExtension":    {"", "mcs:MobileUserCertificate* mcs:AutoActivation? mcs:ServerSideSignature? mcs:RecoveryCodeCreated? mcs:MobileUser? mcs:Sscds?"},
	"mcs:AutoActivation":           {"", "text"},
	"mcs:ServerSideSignature":      {"", "text"},
	"mcs:RecoveryCodeCreated":      {"", "text"},
	"mcs:MobileUser":               {"RecoveryCodeCreated? AutoActivation?", ""},
	"mcs:Sscds":                    {"", "mcs:Sim? mcs:App*"},
	"mcs:Sim":                      {"", "mcs:State mcs:PinStatus? mcs:MobileUserCertificate* mcs:CardDetails?"},
	"mcs:App":                      {"", "mcs:State mcs:PinStatus? mcs:MobileUserCertificate* mcs:CardDetails?"},
	"mcs:State":                    {"", "text"},
	"mcs:PinStatus":                {"blocked", ""},
	"mcs:MobileUserCertificate":    {"State Algorithm", "pairs ds:X509Certificate ds:X509SubjectName"},
	"ds:X509Certificate":           {"", "text"},
	"ds:X509SubjectName":           {"", "text"},
	"mcs:CardDetails":              {"", "mcs:MCC mcs:MNC mcs:Network"},
	"mcs:MCC":                      {"", "text"},
	"mcs:MNC":                      {"", "text"},
	"mcs:Network":                  {"", "text"},
	"fi:ServiceResponses":          {"", "fi:ServiceResponse*"},
	"fi:ServiceResponse":           {"", "fi:Description ns1:GeoFencing? fi:App2App? ns1:SubscriberInfo? sig:VerificationCode?"},
	"sig:VerificationCode":         {"", "text"},
	"fi:Description":               {"", "mss:mssURI"},
	"ns1:GeoFencing":               {"country? accuracy? timestamp? deviceconfidence? locationconfidence? errorcode? errormessage?", ""},
	"fi:App2App":                   {"", "ns1:AuthUri"},
	"ns1:AuthUri":                  {"", "text"},
	"ns1:SubscriberInfo":           {"", "ns1:Detail*"},
	"ns1:Detail":                   {"id value", ""},
	"soapenv:Fault":                {"", "soapenv:Code soapenv:Reason soapenv:Detail"},
	"soapenv:Code":                 {"", "soapenv:Value soapenv:Subcode"},
	"soapenv:Subcode":              {"", "soapenv:Value"},
	"soapenv:Value":                {"", "text"},
	"soapenv:Reason":               {"", "soapenv:Text"},
	"soapenv:Text":                 {"xml:lang", "text"},
	"soapenv:Detail":               {"", "detail:detail sco:UserAssistance?"},
	"detail:detail":                {"", "text"},
	"sco:UserAssistance":           {"", "sco:PortalUrl"},
	"sco:PortalUrl":                {"", "text"},
	"soapenv:Body":                 {"", "soapenv:Fault? MSS_SignatureResponse? K:MSS_SignatureResponse? MSS_StatusQueryResponse? K:MSS_StatusQueryResponse? MSS_SignatureResp? mss:MSS_SignatureResp? MSS_StatusResp? mss:MSS_StatusResp? MSS_ReceiptResponse? K:MSS_ReceiptResponse? MSS_ProfileQueryResponse? K:MSS_ProfileQueryResponse? MSS_ReceiptResp? mss:MSS_ReceiptResp? MSS_ProfileResp? mss:MSS_ProfileResp?"},
}

// parse reads an answer and returns the one element in its Body. The answer
// must be well-formed, on one line, and of the structure above.
func parse(t rapid.TB, b []byte) *node {
	t.Helper()
	if bytes.ContainsAny(b[:bytes.IndexByte(b, '>')], "\n\r") || !bytes.HasPrefix(b, []byte(`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope `)) {
		t.Fatalf("begins with %.100q", b)
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	root := new(node)
	open := []*node{root}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %q", err, b)
		}
		top := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			n := &node{name: qualified(t, token.Name)}
			for _, a := range token.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					n.attrs = append(n.attrs, [2]string{qualified(t, a.Name), a.Value})
				}
			}
			top.children = append(top.children, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(token)
		}
	}
	if len(root.children) != 1 || root.text != "" || root.children[0].name != "soapenv:Envelope" {
		t.Fatalf("not one envelope: %q", b)
	}
	check(t, root.children[0])
	body := root.children[0].children[0]
	if len(body.children) != 1 {
		t.Fatalf("%d elements in the Body", len(body.children))
	}
	return body.children[0]
}

func qualified(t rapid.TB, n xml.Name) string {
	prefix, ok := prefixes[n.Space]
	if !ok {
		t.Fatalf("namespace %q", n.Space)
	}
	return prefix + n.Local
}

func check(t rapid.TB, n *node) {
	t.Helper()
	c, ok := content[n.name]
	if !ok {
		c, ok = content[strings.TrimPrefix(n.name, "mss:")]
	}
	if !ok {
		t.Fatalf("element %s", n.name)
	}
	var attrs, children []string
	for _, a := range n.attrs {
		attrs = append(attrs, a[0])
	}
	for _, child := range n.children {
		children = append(children, child.name)
		check(t, child)
	}
	if !matches(c.attrs, attrs) {
		t.Errorf("%s has attributes %q", n.name, attrs)
	}
	if c.children == "text" && children == nil {
		return
	}
	if n.text != "" || !matches(c.children, children) {
		t.Errorf("%s has children %q and text %q", n.name, children, n.text)
	}
}

func matches(model string, names []string) bool {
	if pair, ok := strings.CutPrefix(model, "pairs "); ok {
		for ; len(names) > 1; names = names[2:] {
			if !matches(pair, names[:2]) {
				return false
			}
		}
		return len(names) == 0
	}
	for _, m := range strings.Fields(model) {
		name, optional := strings.CutSuffix(m, "?")
		name, repeated := strings.CutSuffix(name, "*")
		if i := slices.IndexFunc(names, func(s string) bool { return s != name }); repeated && i != 0 {
			if i < 0 {
				i = len(names)
			}
			names = names[i:]
		} else if len(names) > 0 && names[0] == name {
			names = names[1:]
		} else if !optional && !repeated {
			return false
		}
	}
	return len(names) == 0
}

// get returns the node at a path of element names below n, or nil.
func (n *node) get(path string) *node {
	for _, name := range strings.Fields(path) {
		i := slices.IndexFunc(n.children, func(c *node) bool { return c.name == name })
		if i < 0 {
			return nil
		}
		n = n.children[i]
	}
	return n
}

// at returns the text of the node at a path.
func (n *node) at(path string) string {
	if c := n.get(path); c != nil {
		return c.text
	}
	return ""
}

func (n *node) attr(name string) string {
	for _, a := range n.attrs {
		if a[0] == name {
			return a[1]
		}
	}
	return ""
}
