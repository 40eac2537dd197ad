package client

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"github.com/signum-mssp/signum"
)

// Answers of a service as text, written without the types of the package.

const (
	testAPID    = "http://bank.example.com"
	testMSISDN  = "+41791234567"
	testTransID = "S1"
)

var testCMS = []byte{0x30, 0x03, 0x02, 0x01, 0xfb}

func testHeader() signum.Header {
	return signum.Header{
		Version: signum.Version{Major: "1", Minor: "1"},
		AP:      signum.APInfo{ID: testAPID, TransID: testTransID, Instant: "2026-01-02T03:04:05.678Z"},
		MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/", Instant: "2026-01-02T03:04:06.000Z"},
	}
}

func testSignatureRequest() *signum.SignatureRequest {
	return &signum.SignatureRequest{
		Header: testHeader(), MSISDN: testMSISDN, MessagingMode: signum.Synch,
		Data: signum.DataToBeSigned{Data: "Bank: Login?"},
	}
}

// form is one way to write an answer.
type form struct {
	name string
	soap bool
	// envelope wraps a part; op is the operation, part the element's name.
	envelope func(op signum.Operation, part, attrs, content string) string
}

var forms = []form{
	{name: "REST"},
	{name: "SOAP/service wrapper", soap: true, envelope: func(op signum.Operation, part, attrs, content string) string {
		return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope"><soapenv:Body><%[1]sResponse xmlns="http://uri.etsi.org/TS102204/etsi204-kiuru.wsdl"><mss:%[2]s xmlns:mss="http://uri.etsi.org/TS102204/v1.1.2#" %[3]s>%[4]s</mss:%[2]s></%[1]sResponse></soapenv:Body></soapenv:Envelope>`, op, part, attrs, content)
	}},
	{name: "SOAP/unqualified", soap: true, envelope: func(op signum.Operation, part, attrs, content string) string {
		return fmt.Sprintf(`<soapenv:Envelope xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope"><soapenv:Header/><soapenv:Body><%[1]sResponse><%[2]s xmlns="" xmlns:mss="http://uri.etsi.org/TS102204/v1.1.2#" %[3]s>%[4]s</%[2]s></%[1]sResponse></soapenv:Body></soapenv:Envelope>`, op, part, attrs, content)
	}},
	{name: "SOAP/other prefixes, pretty", soap: true, envelope: func(op signum.Operation, part, attrs, content string) string {
		content = strings.NewReplacer("<mss:", "\n   <m:", "</mss:", "</m:").Replace(content)
		return fmt.Sprintf("<?xml version='1.0'?>\n<!-- by hand -->\n<e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:k=\"http://uri.etsi.org/TS102204/etsi204-kiuru.wsdl\">\n <e:Body>\n  <k:%[1]sResponse>\n   <m:%[2]s xmlns:m=\"http://uri.etsi.org/TS102204/v1.1.2#\" %[3]s>%[4]s\n</m:%[2]s>\n  </k:%[1]sResponse>\n </e:Body>\n</e:Envelope>\n", op, part, attrs, content)
	}},
}

func (f form) contentType() string {
	if f.soap {
		return "application/soap+xml;charset=utf-8"
	}
	return "application/json;charset=UTF-8"
}

// signature writes MSS_SignatureResp, without a signature if cms is nil.
func (f form) signature(apTransID string, status int, cms []byte) string {
	return f.signatureWith(apTransID, status, cms, "")
}

func (f form) signatureWith(apTransID string, status int, cms []byte, services string) string {
	if f.soap {
		return f.envelope(signum.OpSignature, "MSS_SignatureResp", `MajorVersion="1" MinorVersion="1" MSSP_TransID="h4iof"`,
			f.header(apTransID)+f.user()+f.cms(cms)+
				`<mss:SignatureProfile><mss:mssURI>http://mid.swisscom.ch/STK-LoA4</mss:mssURI></mss:SignatureProfile>`+f.status(status, services))
	}
	if services != "" {
		services = `,"ServiceResponses":` + services
	}
	return `{"MSS_SignatureResp":{` + f.header(apTransID) + `,"MSSP_TransID":"h4iof",` + f.user() + f.cms(cms) +
		`"SignatureProfile":"http://mid.swisscom.ch/STK-LoA4"` + services + `,` + f.status(status, "") + `}}`
}

// statusResp writes MSS_StatusResp.
func (f form) statusResp(apTransID string, status int, cms []byte) string {
	if f.soap {
		return f.envelope(signum.OpStatus, "MSS_StatusResp", `MajorVersion="1" MinorVersion="1"`,
			f.header(apTransID)+f.user()+f.cms(cms)+f.status(status, ""))
	}
	return `{"MSS_StatusResp":{` + f.header(apTransID) + `,` + f.user() + f.cms(cms) + f.status(status, "") + `}}`
}

func (f form) header(apTransID string) string {
	if f.soap {
		return `<mss:AP_Info AP_ID="` + testAPID + `" AP_PWD="pw" AP_TransID="` + apTransID + `" Instant="2026-01-02T03:04:05.678Z"/>` +
			`<mss:MSSP_Info Instant="2026-01-02T03:04:06.000Z"><mss:MSSP_ID><mss:URI>http://mid.swisscom.ch/</mss:URI></mss:MSSP_ID></mss:MSSP_Info>`
	}
	return `"AP_Info":{"AP_ID":"` + testAPID + `","AP_TransID":"` + apTransID + `","Instant":"2026-01-02T03:04:05.678Z"},` +
		`"MSSP_Info":{"Instant":"2026-01-02T03:04:06.000Z","MSSP_ID":{"URI":"http://mid.swisscom.ch/"}},"MajorVersion":"1","MinorVersion":"1"`
}

func (f form) user() string {
	if f.soap {
		return `<mss:MobileUser><mss:MSISDN>` + testMSISDN + `</mss:MSISDN></mss:MobileUser>`
	}
	return `"MobileUser":{"MSISDN":"` + testMSISDN + `"},`
}

func (f form) cms(der []byte) string {
	b64 := base64.StdEncoding.EncodeToString(der)
	switch {
	case der == nil:
		return ""
	case f.soap:
		return `<mss:MSS_Signature><mss:Base64Signature>` + b64 + `</mss:Base64Signature></mss:MSS_Signature>`
	}
	return `"MSS_Signature":{"Base64Signature":"` + b64 + `"},`
}

func (f form) status(n int, detail string) string {
	if f.soap {
		return fmt.Sprintf(`<mss:Status><mss:StatusCode Value="%d"/><mss:StatusMessage>%s</mss:StatusMessage>%s</mss:Status>`, n, signum.Code(n), detail)
	}
	return fmt.Sprintf(`"Status":{"StatusCode":{"Value":"%d"},"StatusMessage":"%s"}`, n, signum.Code(n))
}

// fault writes a fault with everything that the dialect puts into one.
func (f form) fault(c signum.Code, detail string) string {
	role := "Receiver"
	if c.Sender() {
		role = "Sender"
	}
	if f.soap {
		var text strings.Builder
		if err := xml.EscapeText(&text, []byte(detail)); err != nil {
			panic(err)
		}
		assistance := ""
		switch c {
		case 402, 403, 404, 422:
			assistance = `<ns2:UserAssistance xmlns:ns2="http://www.swisscom.ch/TS102204/ext/v1.0.0"><PortalUrl xmlns="http://www.swisscom.ch/TS102204/ext/v1.0.0">https://id.example.com?a=b&amp;c=d</PortalUrl></ns2:UserAssistance>`
		}
		return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope"><soapenv:Body><soapenv:Fault><soapenv:Code><soapenv:Value>soapenv:%s</soapenv:Value><soapenv:Subcode><soapenv:Value xmlns:mss="http://uri.etsi.org/TS102204/v1.1.2#">mss:_%d</soapenv:Value></soapenv:Subcode></soapenv:Code><soapenv:Reason><soapenv:Text xml:lang="en">%s</soapenv:Text></soapenv:Reason><soapenv:Detail><ns1:detail xmlns:ns1="http://kiuru.methics.fi/mssp">%s</ns1:detail>%s</soapenv:Detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`,
			role, int(c), c, text.String(), assistance)
	}
	d, err := json.Marshal(detail)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"Fault":{"Code":{"SubCode":{"Value":"_%d","ValueNs":"http://uri.etsi.org/TS102204/v1.1.2#"},"Value":"%s","ValueNs":"http://www.w3.org/2003/05/soap-envelope"},"Detail":%s,"Reason":"%s"}}`,
		int(c), role, d, c)
}

// services answers all additional services that have an answer.
func (f form) services() string {
	if f.soap {
		return `<mss:StatusDetail><fi:ServiceResponses xmlns:fi="http://mss.ficom.fi/TS102204/v1.0.0#" xmlns:ns1="http://mid.swisscom.ch/TS102204/as/v1.0">` +
			`<fi:ServiceResponse><fi:Description><mss:mssURI>http://mid.swisscom.ch/as#geofencing</mss:mssURI></fi:Description><ns1:GeoFencing country="CH" accuracy="16" timestamp="2026-01-02T03:04:05.000Z" deviceconfidence="1.0" locationconfidence="0.9"/></fi:ServiceResponse>` +
			`<fi:ServiceResponse><fi:Description><mss:mssURI>http://mid.swisscom.ch/as#app2app</mss:mssURI></fi:Description><fi:App2App><ns1:AuthUri>mobileid://auth?a=b&amp;c=d</ns1:AuthUri></fi:App2App></fi:ServiceResponse>` +
			`<fi:ServiceResponse><fi:Description><mss:mssURI>http://mid.swisscom.ch/as#subscriberInfo</mss:mssURI></fi:Description><ns1:SubscriberInfo><ns1:Detail id="1901" value="22801"/></ns1:SubscriberInfo></fi:ServiceResponse>` +
			`<fi:ServiceResponse><fi:Description><mss:mssURI>https://signum-mssp.github.io/as#verificationCode</mss:mssURI></fi:Description><sig:VerificationCode xmlns:sig="https://signum-mssp.github.io/as/v1.0">47</sig:VerificationCode></fi:ServiceResponse>` +
			`</fi:ServiceResponses></mss:StatusDetail>`
	}
	return `[{"Description":"http://mid.swisscom.ch/as#geofencing","Geofencing":{"Country":"CH","Accuracy":16,"DeviceConfidence":"1.0","LocationConfidence":"0.9","Timestamp":"2026-01-02T03:04:05.000Z"}},` +
		`{"Description":"http://mid.swisscom.ch/as#app2app","App2App":{"AuthUri":"mobileid://auth?a=b&c=d"}},` +
		`{"Description":"http://mid.swisscom.ch/as#subscriberInfo","SubscriberInfo":{"Details":[{"id":"1901","value":"22801"}]}},` +
		`{"Description":"https://signum-mssp.github.io/as#verificationCode","VerificationCode":{"Code":"47"}}]`
}

var wantServices = []signum.ServiceResponse{
	{URI: signum.ServiceGeofencing, Geofencing: &signum.Geofencing{
		Country: "CH", Accuracy: 16, DeviceConfidence: "1.0", LocationConfidence: "0.9", Timestamp: "2026-01-02T03:04:05.000Z",
	}},
	{URI: signum.ServiceApp2App, AuthURI: "mobileid://auth?a=b&c=d"},
	{URI: signum.ServiceSubscriberInfo, Details: []signum.SubscriberDetail{{ID: "1901", Value: "22801"}}},
	{URI: signum.ServiceVerification, VerificationCode: "47"},
}

// write sends one answer.
func (f form) write(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", f.contentType())
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// receiptResp writes MSS_ReceiptResp with the content of StatusDetail.
func (f form) receiptResp(apTransID string, status int, extension string) string {
	if f.soap {
		return f.envelope(signum.OpReceipt, "MSS_ReceiptResp", `MajorVersion="1" MinorVersion="1"`,
			f.header(apTransID)+f.detailed(status, extension))
	}
	return `{"MSS_ReceiptResp":{` + f.header(apTransID) + `,` + f.detailed(status, extension) + `}}`
}

// profileResp writes MSS_ProfileResp with two profiles.
func (f form) profileResp(apTransID string, status int, extension string) string {
	if f.soap {
		return f.envelope(signum.OpProfile, "MSS_ProfileResp", `MajorVersion="1" MinorVersion="1"`,
			f.header(apTransID)+`<mss:SignatureProfile><mss:mssURI>http://mid.swisscom.ch/Any-LoA4</mss:mssURI></mss:SignatureProfile>`+
				`<mss:SignatureProfile><mss:mssURI>http://mid.swisscom.ch/STK-LoA4</mss:mssURI></mss:SignatureProfile>`+f.detailed(status, extension))
	}
	return `{"MSS_ProfileResp":{` + f.header(apTransID) +
		`,"SignatureProfile":["http://mid.swisscom.ch/Any-LoA4","http://mid.swisscom.ch/STK-LoA4"],` + f.detailed(status, extension) + `}}`
}

// detailed writes a Status with a StatusDetail.
func (f form) detailed(status int, detail string) string {
	switch {
	case detail == "":
	case f.soap:
		return f.status(status, "<mss:StatusDetail>"+detail+"</mss:StatusDetail>")
	default:
		return strings.TrimSuffix(f.status(status, ""), "}") + `,"StatusDetail":` + detail + `}`
	}
	return f.status(status, "")
}

// receiptExtension is the extension for a receipt that the user cancelled.
func (f form) receiptExtension() string {
	if f.soap {
		return `<ns1:ReceiptResponseExtension xmlns:ns1="http://www.swisscom.ch/TS102204/ext/v1.0.0" ClientAck="false" NetworkAck="false" ReceiptMessagingMode="synch" UserAck="true" UserResponse="{&quot;status&quot;:&quot;CANCEL&quot;}" FaultMessage="User Cancelled the request"/>`
	}
	return `{"ReceiptResponseExtension":{"ClientAck":"false","NetworkAck":"false","ReceiptMessagingMode":"synch","UserAck":"true","UserResponse":"{\"status\":\"CANCEL\"}","FaultMessage":"User Cancelled the request"}}`
}

var wantReceipt = &signum.ReceiptResponseExtension{
	UserAck: true, UserResponse: `{"status":"CANCEL"}`, FaultMessage: "User Cancelled the request",
}

// profileExtension answers all Params for a user with a SIM and two Apps.
func (f form) profileExtension() string {
	if f.soap {
		return `<mcs:ProfileQueryExtension xmlns:mcs="http://www.methics.fi/TS102204/ext/v1.0.0" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` +
			`<mcs:MobileUser RecoveryCodeCreated="true" AutoActivation="false"/><mcs:Sscds>` +
			`<mcs:Sim><mcs:State>ACTIVE</mcs:State><mcs:PinStatus blocked="false"/>` +
			`<mcs:MobileUserCertificate State="ACTIVE" Algorithm="RSA"><ds:X509Certificate>MAMCAfs=</ds:X509Certificate><ds:X509SubjectName>CN=MIDCHE0123456789:PN</ds:X509SubjectName><ds:X509Certificate>MAMCAfw=</ds:X509Certificate><ds:X509SubjectName>CN=TEST CA</ds:X509SubjectName></mcs:MobileUserCertificate>` +
			`<mcs:MobileUserCertificate State="INACTIVE" Algorithm="EC"/>` +
			`<mcs:CardDetails><mcs:MCC>228</mcs:MCC><mcs:MNC>01</mcs:MNC><mcs:Network>Swisscom</mcs:Network></mcs:CardDetails></mcs:Sim>` +
			`<mcs:App><mcs:State>INACTIVE</mcs:State><mcs:PinStatus blocked="1"/></mcs:App><mcs:App><mcs:State>REGISTERED</mcs:State></mcs:App>` +
			`</mcs:Sscds></mcs:ProfileQueryExtension>`
	}
	return `{"ProfileQueryExtension":{"MobileUser":{"AutoActivation":false,"RecoveryCodeCreated":true},"Sscds":{` +
		`"App":[{"State":"INACTIVE","PinStatus":{"Blocked":true}},{"State":"REGISTERED"}],` +
		`"Sim":{"State":"ACTIVE","PinStatus":{"Blocked":false},"MobileUserCertificate":[` +
		`{"Algorithm":"RSA","State":"ACTIVE","X509Certificate":["MAMCAfs=","MAMCAfw="],"X509SubjectName":["CN=MIDCHE0123456789:PN","CN=TEST CA"]},` +
		`{"Algorithm":"EC","State":"INACTIVE"}],"CardDetails":{"Mcc":"228","Mnc":"01","Network":"Swisscom"}}}}}`
}

var (
	yes, no     = true, false
	wantProfile = &signum.ProfileExtension{
		User: &signum.ProfileUser{RecoveryCodeCreated: &yes, AutoActivation: &no},
		SSCDs: &signum.SSCDs{
			SIM: &signum.SSCD{
				State: "ACTIVE", PINBlocked: &no,
				Certificates: []signum.SSCDCertificate{
					{Algorithm: "RSA", State: "ACTIVE", Chain: []signum.ChainCertificate{
						{DER: testCMS, Subject: "CN=MIDCHE0123456789:PN"}, {DER: []byte{0x30, 3, 2, 1, 0xfc}, Subject: "CN=TEST CA"},
					}},
					{Algorithm: "EC", State: "INACTIVE"},
				},
				Card: &signum.Network{MCC: "228", MNC: "01", Name: "Swisscom"},
			},
			Apps: []signum.SSCD{{State: "INACTIVE", PINBlocked: &yes}, {State: "REGISTERED"}},
		},
	}
	wantProfiles = []string{signum.ProfileAnyLoA4, signum.ProfileSTK}
)

// getterExtension answers all getters.
func (f form) getterExtension() string {
	if f.soap {
		return `<mcs:ProfileQueryExtension xmlns:mcs="http://www.methics.fi/TS102204/ext/v1.0.0" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` +
			`<mcs:MobileUserCertificate State="ACTIVE" Algorithm="EC"><ds:X509Certificate>MAMC
			Afs=</ds:X509Certificate><ds:X509SubjectName>CN=A</ds:X509SubjectName></mcs:MobileUserCertificate>` +
			`<mcs:AutoActivation>true</mcs:AutoActivation><mcs:ServerSideSignature>false</mcs:ServerSideSignature><mcs:RecoveryCodeCreated>true</mcs:RecoveryCodeCreated></mcs:ProfileQueryExtension>`
	}
	return `{"ProfileQueryExtension":{"MobileUserCertificate":{"Algorithm":"EC","State":"ACTIVE","X509Certificate":"MAMC\nAfs=","X509SubjectName":"CN=A"},` +
		`"AutoActivation":"true","ServerSideSignature":false,"RecoveryCodeCreated":1}}`
}

var wantGetters = &signum.ProfileExtension{
	Certificates: []signum.SSCDCertificate{
		{Algorithm: "EC", State: "ACTIVE", Chain: []signum.ChainCertificate{{DER: testCMS, Subject: "CN=A"}}},
	},
	AutoActivation: &yes, ServerSideSignature: &no, RecoveryCodeCreated: &yes,
}
