package contract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/internal/testkit"
)

const (
	apInfo  = `<mss:AP_Info AP_ID="mid://dev.example" AP_PWD="x" AP_TransID="REF1" Instant="2026-01-01T11:00:00.000Z"/>`
	info    = apInfo + `<mss:MSSP_Info Instant="2026-01-01T11:00:00.100Z"><mss:MSSP_ID><mss:URI>http://mid.swisscom.ch/</mss:URI></mss:MSSP_ID></mss:MSSP_Info>`
	user    = `<mss:MobileUser><mss:MSISDN>+41791234567</mss:MSISDN></mss:MobileUser>`
	profile = `<mss:SignatureProfile><mss:mssURI>http://mid.swisscom.ch/Any-LoA4</mss:mssURI></mss:SignatureProfile>`
	version = ` MajorVersion="1" MinorVersion="1"`
	spaces  = ` xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope" xmlns:mss="http://uri.etsi.org/TS102204/v1.1.2#" xmlns:fi="http://mss.ficom.fi/TS102204/v1.0.0#"` +
		` xmlns:as="http://mid.swisscom.ch/TS102204/as/v1.0" xmlns:sco="http://www.swisscom.ch/TS102204/ext/v1.0.0" xmlns:mcs="http://www.methics.fi/TS102204/ext/v1.0.0"` +
		` xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:k="http://uri.etsi.org/TS102204/etsi204-kiuru.wsdl" xmlns:d="http://kiuru.methics.fi/mssp"`
)

// messages are valid: a name, then wrapper, part, attributes and content.
var messages = map[string][4]string{
	"signature request": {
		"MSS_Signature", "MSS_SignatureReq", version + ` MessagingMode="asynch" TimeOut="80"`,
		info + user + `<mss:DataToBeSigned MimeType="text/plain" Encoding="UTF-8">ok?</mss:DataToBeSigned>` + profile +
			`<mss:AdditionalServices><mss:Service><mss:Description><mss:mssURI>http://mss.ficom.fi/TS102204/v1.0.0#userLang</mss:mssURI></mss:Description><fi:UserLang>EN</fi:UserLang></mss:Service>` +
			`<mss:Service><mss:Description><mss:mssURI>http://mid.swisscom.ch/as#geofencing</mss:mssURI></mss:Description><mss:GeoFencingReq countrywhitelist="CH,LI"/></mss:Service>` +
			`<mss:Service><mss:Description><mss:mssURI>http://mid.swisscom.ch/as#app2app</mss:mssURI></mss:Description><mss:App2App><as:RedirectUri>myapp://x</as:RedirectUri></mss:App2App></mss:Service></mss:AdditionalServices>`,
	},
	"signature answer": {
		"MSS_SignatureResponse", "MSS_SignatureResp", version + ` MSSP_TransID="h44okl"`,
		info + user + `<mss:MSS_Signature><mss:Base64Signature>MAMC</mss:Base64Signature></mss:MSS_Signature>` + profile +
			`<mss:Status><mss:StatusCode Value="500"/><mss:StatusMessage>SIGNATURE</mss:StatusMessage><mss:StatusDetail><fi:ServiceResponses>` +
			`<fi:ServiceResponse><fi:Description><mss:mssURI>http://mid.swisscom.ch/as#geofencing</mss:mssURI></fi:Description><as:GeoFencing country="CH" accuracy="16" timestamp="2026-01-01T11:00:00.000Z" deviceconfidence="1.0" locationconfidence="0.9"/></fi:ServiceResponse>` +
			`<fi:ServiceResponse><fi:Description><mss:mssURI>http://mid.swisscom.ch/as#app2app</mss:mssURI></fi:Description><fi:App2App><as:AuthUri>x</as:AuthUri></fi:App2App></fi:ServiceResponse>` +
			`<fi:ServiceResponse><fi:Description><mss:mssURI>http://mid.swisscom.ch/as#subscriberInfo</mss:mssURI></fi:Description><as:SubscriberInfo><as:Detail id="1901" value="22801"/></as:SubscriberInfo></fi:ServiceResponse>` +
			`</fi:ServiceResponses></mss:StatusDetail></mss:Status>`,
	},
	"status request": {"MSS_StatusQuery", "MSS_StatusReq", version + ` MSSP_TransID="h44okl"`, info},
	"status answer":  {"MSS_StatusQueryResponse", "MSS_StatusResp", version, info + user + `<mss:Status><mss:StatusCode Value="504"/><mss:StatusMessage>OUTSTANDING_TRANSACTION</mss:StatusMessage></mss:Status>`},
	"receipt request": {
		"MSS_Receipt", "MSS_ReceiptReq", version + ` MSSP_TransID="h44okl"`,
		info + user + `<mss:Status><mss:StatusCode Value="100"/><mss:StatusDetail><sco:ReceiptRequestExtension ReceiptMessagingMode="synch" UserAck="true"><sco:ReceiptProfile Language="DE"><sco:ReceiptProfileURI>http://mss.swisscom.ch/synch</sco:ReceiptProfileURI></sco:ReceiptProfile></sco:ReceiptRequestExtension></mss:StatusDetail></mss:Status>` +
			`<mss:Message MimeType="text/plain" Encoding="UTF-8">Thanks</mss:Message>`,
	},
	"receipt answer": {
		"MSS_ReceiptResponse", "MSS_ReceiptResp", version,
		info + `<mss:Status><mss:StatusCode Value="100"/><mss:StatusMessage>REQUEST_OK</mss:StatusMessage><mss:StatusDetail><sco:ReceiptResponseExtension ReceiptMessagingMode="synch" UserAck="true" UserResponse="x"/></mss:StatusDetail></mss:Status>`,
	},
	"profile request": {"MSS_ProfileQuery", "MSS_ProfileReq", ` MajorVersion="2" MinorVersion="0"`, info + user + `<mss:GetCertificates>1</mss:GetCertificates><mss:Params>sscds state</mss:Params>`},
	"profile answer": {
		"MSS_ProfileQueryResponse", "MSS_ProfileResp", ` MajorVersion="2" MinorVersion="0"`,
		info + profile + profile + `<mss:Status><mss:StatusCode Value="100"/><mss:StatusMessage>REQUEST_OK</mss:StatusMessage><mss:StatusDetail><mcs:ProfileQueryExtension><mcs:MobileUser RecoveryCodeCreated="true"/><mcs:Sscds><mcs:Sim><mcs:State>ACTIVE</mcs:State><mcs:PinStatus blocked="false"/>` +
			`<mcs:MobileUserCertificate State="ACTIVE" Algorithm="EC"><ds:X509Certificate>MAMC</ds:X509Certificate><ds:X509SubjectName>CN=x</ds:X509SubjectName></mcs:MobileUserCertificate><mcs:CardDetails><mcs:MCC>228</mcs:MCC><mcs:MNC>01</mcs:MNC><mcs:Network>Swisscom</mcs:Network></mcs:CardDetails></mcs:Sim></mcs:Sscds></mcs:ProfileQueryExtension></mss:StatusDetail></mss:Status>`,
	},
}

const faultBody = `<soapenv:Fault><soapenv:Code><soapenv:Value>soapenv:Receiver</soapenv:Value><soapenv:Subcode><soapenv:Value>mss:_402</soapenv:Value></soapenv:Subcode></soapenv:Code>` +
	`<soapenv:Reason><soapenv:Text xml:lang="en">PIN_NR_BLOCKED</soapenv:Text></soapenv:Reason><soapenv:Detail><d:detail>PIN of the mobile user is blocked</d:detail>` +
	`<sco:UserAssistance><sco:PortalUrl>https://portal.example/</sco:PortalUrl></sco:UserAssistance></soapenv:Detail></soapenv:Fault>`

func envelope(body string) string {
	return `<soapenv:Envelope` + spaces + `><soapenv:Body>` + body + `</soapenv:Body></soapenv:Envelope>`
}

// formed is a message with prefixes, or none, of wrapper and part; "-" is no
// wrapper.
func formed(m [4]string, wrapper, part string) string {
	s := `<` + part + m[1] + m[2] + `>` + m[3] + `</` + part + m[1] + `>`
	if wrapper != "-" {
		s = `<` + wrapper + m[0] + `>` + s + `</` + wrapper + m[0] + `>`
	}
	return envelope(s)
}

// All messages in all forms, many times over, are validated in one go.
func TestSOAP(t *testing.T) {
	var all [][]byte
	for len(all) < 500 {
		for _, m := range messages {
			for _, wrapper := range []string{"k:", "", "-"} {
				for _, part := range []string{"mss:", ""} {
					all = append(all, []byte(formed(m, wrapper, part)))
				}
			}
		}
		all = append(all, []byte(envelope(faultBody)))
	}
	start := time.Now()
	SOAP(t, all...)
	t.Logf("%d messages in %v", len(all), time.Since(start))
}

// A validator that accepts everything is worthless.
func TestSOAPRefuses(t *testing.T) {
	testkit.Needs(t, program)
	edits := map[string][][2]string{
		"signature request": {
			{apInfo, ""}, {user, ""}, {user, user + user}, {` AP_ID="mid://dev.example"`, ""}, {` AP_TransID="REF1"`, ` AP_TransID="a b"`}, {` MajorVersion="1"`, ""},
			{`MinorVersion="1"`, `MinorVersion="one"`}, {`"asynch"`, `"sometimes"`}, {` MessagingMode="asynch"`, ""}, {`TimeOut="80"`, `TimeOut="0"`}, {`TimeOut="80"`, `Timeout="80"`},
			{"2026-01-01T11:00:00.000Z", "yesterday"}, {"</mss:DataToBeSigned>", "<x/></mss:DataToBeSigned>"}, {profile, `<mss:SignatureProfile>x</mss:SignatureProfile>`},
			{"<fi:UserLang>EN</fi:UserLang>", "<mss:UserLang>EN</mss:UserLang>"}, {"<as:RedirectUri>myapp://x</as:RedirectUri>", "<as:AuthUri>myapp://x</as:AuthUri>"}, {"countrywhitelist", "CountryWhitelist"},
			{"<mss:Description><mss:mssURI>http://mid.swisscom.ch/as#app2app</mss:mssURI></mss:Description>", ""}, {"</mss:MSS_SignatureReq>", "<mss:Unknown/></mss:MSS_SignatureReq>"},
		},
		"signature answer": {
			{` MSSP_TransID="h44okl"`, ""}, {`"h44okl"`, `"4"`}, {"MAMC", "$$$"}, {`<mss:StatusCode Value="500"/>`, ""}, {`Value="500"`, `Value=""`}, {"as:GeoFencing", "mss:GeoFencing"}, {"timestamp=\"2026-01-01T11:00:00.000Z\"", `timestamp=""`},
			{"<fi:Description>", "<mss:Description>"}, {user + "<mss:MSS_Signature>", "<mss:MSS_Signature>"}, {"<as:AuthUri>x</as:AuthUri>", "<as:Other/>"}, {` value="22801"`, ` Value="22801"`}, {user, ""},
		},
		"status request": {{` MSSP_TransID="h44okl"`, ""}, {info, info + user}},
		"status answer":  {{user, ""}, {user, user + profile}, {"<mss:StatusMessage>", "<mss:Statusmessage>"}},
		"receipt request": {
			{` MSSP_TransID="h44okl"`, ""}, {`ReceiptMessagingMode="synch"`, `ReceiptMessagingMode="asynch"`}, {`UserAck="true"`, `UserAck="yes"`}, {`UserAck="true"`, `Userack="true"`}, {"sco:ReceiptRequestExtension", "fi:ReceiptRequestExtension"},
			{"<sco:ReceiptProfileURI>http://mss.swisscom.ch/synch</sco:ReceiptProfileURI>", ""}, {"mss:Message", "mss:DataToBeSigned"},
		},
		"receipt answer": {
			{info, info + user}, {` UserAck="true"`, ""}, {` ReceiptMessagingMode="synch"`, ""}, {` UserResponse="x"`, ` ClientAck="false"`}, {"sco:ReceiptResponseExtension", "mcs:ReceiptResponseExtension"},
			{`UserResponse="x"/>`, `UserResponse="x"><sco:ReceiptProfile/></sco:ReceiptResponseExtension>`}, {`<mss:Status>`, `<mss:Status/><mss:Status>`},
		},
		"profile request": {{user, ""}, {"<mss:GetCertificates>1", "<mss:GetCertificates>maybe"}, {"mss:Params", "mss:Parameters"}, {info, apInfo}},
		"profile answer": {
			{`RecoveryCodeCreated="true"`, `RecoveryCodeCreated="yes"`}, {"<mcs:State>ACTIVE</mcs:State>", ""}, {">ACTIVE<", ">Active<"}, {` State="ACTIVE"`, ""}, {`"EC"`, `"DSA"`}, {"<ds:X509SubjectName>CN=x</ds:X509SubjectName>", ""},
			{"ds:X509Certificate", "mcs:X509Certificate"}, {">MAMC<", ">-<"}, {`<mcs:PinStatus blocked="false"/>`, `<mcs:PinStatus/>`}, {"<mcs:MNC>01</mcs:MNC>", ""}, {"<mcs:MobileUser ", "<mss:MobileUser "},
		},
	}
	var names []string
	var edited [][]byte
	add := func(name, was, is string) {
		if was == is {
			t.Errorf("%s changes nothing", name)
		}
		names, edited = append(names, name), append(edited, []byte(is))
	}
	for name, list := range edits {
		s := formed(messages[name], "k:", "mss:")
		for _, e := range list {
			add(fmt.Sprintf("%s: %s for %s", name, e[1], e[0]), s, strings.ReplaceAll(s, e[0], e[1]))
		}
		add(name+" of another operation", s, strings.ReplaceAll(s, "k:"+messages[name][0], "k:MSS_Registration"))
		add(name+" in another namespace", s, strings.ReplaceAll(s, "k:"+messages[name][0], "fi:"+messages[name][0]))
		add(name+", parts in another namespace", s, strings.ReplaceAll(s, "mss:"+messages[name][1], "fi:"+messages[name][1]))
		add(name+" twice", s, strings.ReplaceAll(s, "<soapenv:Body>", "<soapenv:Body><soapenv:Fault/>"))
		add(name+", qualified attribute", s, strings.Replace(s, " MajorVersion", " mss:MajorVersion", 1))
	}
	fault := envelope(faultBody)
	for _, e := range [][2]string{
		{"soapenv:Receiver", "soapenv:Server"}, {"mss:_402", "mss:402"}, {"mss:_402", "k:_402"}, {` xml:lang="en"`, ""}, {"<d:detail>PIN of the mobile user is blocked</d:detail>", ""}, {"d:detail", "mss:detail"},
		{"<sco:PortalUrl>https://portal.example/</sco:PortalUrl>", ""}, {"sco:PortalUrl", "mss:PortalUrl"}, {"soapenv:Reason", "soapenv:Cause"}, {"</soapenv:Detail>", "<x/></soapenv:Detail>"},
		{"<soapenv:Body>", "<soapenv:Body><soapenv:Fault/>"}, {"soapenv:Body", "soapenv:Boby"},
	} {
		add(fmt.Sprintf("fault: %s for %s", e[1], e[0]), fault, strings.ReplaceAll(fault, e[0], e[1]))
	}
	add("not XML", "", "{}")
	add("not well-formed", fault, fault[:len(fault)-1])
	add("empty body", fault, envelope(""))

	good := []byte(formed(messages["status answer"], "", ""))
	verdicts, err := Validate(t.TempDir(), append(slices.Clone(edited), good)...)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if verdicts[i] == nil {
			t.Errorf("accepted %s", name)
		}
	}
	if v := verdicts[len(names)]; v != nil {
		t.Errorf("one among bad ones: %v", v)
	}
	t.Logf("%d edits refused", len(names))
}

// The WSDL names all faults and has the ports at the base.
func TestWSDL(t *testing.T) {
	wsdl := string(api.WSDL)
	for c := signum.Code(0); c < 1000; c++ {
		documented := c.Known() && c.Detail() != "" && !c.IsStatus()
		if strings.Contains(wsdl, fmt.Sprintf("\n      %d %s ", c, c)) != documented {
			t.Errorf("fault %d %s", c, c)
		}
	}
	for _, port := range []string{"MSS_SignaturePort", "MSS_StatusQueryPort", "MSS_ReceiptPort", "MSS_ProfilePort", "MSS_ProfileQueryPort"} {
		if !strings.Contains(wsdl, `<wsdl:port name="`+port+`" `) || !strings.Contains(wsdl, `location="`+api.Base+`/soap/services/`+port+`"`) {
			t.Errorf("no port %s", port)
		}
	}
}
