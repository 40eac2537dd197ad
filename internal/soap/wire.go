package soap

import (
	"bytes"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/internal/edge"
)

// Wire is the SOAP wire.
type Wire struct {
	// PortalURL is the operator's self-care address. It is added to faults
	// whose cause the mobile user can remove there. Empty: it is not added.
	PortalURL string
}

var _ edge.Wire = Wire{}

// Namespaces.
const (
	nsSOAP   = "http://www.w3.org/2003/05/soap-envelope"
	nsKiuru  = "http://uri.etsi.org/TS102204/etsi204-kiuru.wsdl"
	nsMSS    = "http://uri.etsi.org/TS102204/v1.1.2#"
	nsFi     = "http://mss.ficom.fi/TS102204/v1.0.0#"
	nsAS     = "http://mid.swisscom.ch/TS102204/as/v1.0"
	nsSignum = "https://signum-mssp.github.io/as/v1.0" // what is of our own
	nsSCO    = "http://www.swisscom.ch/TS102204/ext/v1.0.0"
	nsMCS    = "http://www.methics.fi/TS102204/ext/v1.0.0"
	nsDS     = "http://www.w3.org/2000/09/xmldsig#"
	nsXML    = "http://www.w3.org/XML/1998/namespace"
	nsDetail = "http://kiuru.methics.fi/mssp"
)

// What a Form records of a request. The zero Form means an unqualified wrapper
// around an unqualified part.
const (
	formWrapperKiuru edge.Form = 1 << iota // the wrapper is in the WSDL's namespace
	formPartMSS                            // the part is mss: qualified
	formBare                               // there is no wrapper
)

// Name implements edge.Wire.
func (Wire) Name() string { return "soap" }

// Endpoints implements edge.Wire with the paths of the WSDL. The profile query
// has two paths.
func (Wire) Endpoints() []edge.Endpoint {
	return []edge.Endpoint{
		{Path: "/soap/services/MSS_SignaturePort", Op: signum.OpSignature},
		{Path: "/soap/services/MSS_StatusQueryPort", Op: signum.OpStatus},
		{Path: "/soap/services/MSS_ReceiptPort", Op: signum.OpReceipt},
		{Path: "/soap/services/MSS_ProfilePort", Op: signum.OpProfile},
		{Path: "/soap/services/MSS_ProfileQueryPort", Op: signum.OpProfile},
	}
}

// Documents implements edge.Wire: the WSDL at ?wsdl of each endpoint, where
// SOAP toolkits look for it.
func (w Wire) Documents() []edge.Document {
	var list []edge.Document
	for _, ep := range w.Endpoints() {
		list = append(list, edge.Document{Path: ep.Path, Query: "wsdl", ContentType: "text/xml;charset=utf-8", Body: wsdl})
	}
	return list
}

// wsdl returns the contract with the addresses of the service under the base
// URL. The client chose that URL, so it is escaped.
func wsdl(base string) []byte {
	const location = `location="`
	return bytes.ReplaceAll(api.WSDL, []byte(location+api.Base), escape([]byte(location), base, true))
}

// Accepts implements edge.Wire.
func (Wire) Accepts(mediaType string) bool {
	switch mediaType {
	case "", "text/xml", "application/soap+xml", "application/xml":
		return true
	}
	return false
}

// ContentType implements edge.Wire. It is that of SOAP 1.2, whatever the client
// sent, with an unquoted charset.
func (Wire) ContentType() string { return "application/soap+xml;charset=utf-8" }
