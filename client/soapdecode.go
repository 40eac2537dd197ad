package client

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/signum-mssp/signum"
)

// maxDepth bounds the nesting of an answer; the deepest message has eleven
// levels.
const maxDepth = 32

// node is an element of an answer. Names are local, because services differ in how
// they qualify wrapper and part.
type node struct {
	name     string
	attrs    []xml.Attr
	children []*node
	text     []byte // all character data directly inside
}

// parseXML reads one document. It refuses a DTD, so only the predefined entities
// exist.
func parseXML(body []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	root := &node{}
	stack := []*node{root}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return nil, fmt.Errorf("XML nested deeper than %d", maxDepth)
			}
			n := &node{name: t.Name.Local, attrs: t.Attr}
			top.children = append(top.children, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text = append(top.text, t...)
		case xml.Directive:
			return nil, errors.New("XML with a DTD")
		}
	}
	if len(root.children) != 1 || len(bytes.TrimSpace(root.text)) != 0 {
		return nil, errors.New("not one XML document")
	}
	return root.children[0], nil
}

// each returns the child elements of that name.
func (n *node) each(name string) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		if n == nil {
			return
		}
		for _, c := range n.children {
			if c.name == name && !yield(c) {
				return
			}
		}
	}
}

// child returns the first child element of that name, or nil. Like all methods below
// it works on nil, so that a path through absent elements leads to nil.
func (n *node) child(names ...string) *node {
	for _, name := range names {
		var next *node
		for c := range n.each(name) {
			next = c
			break
		}
		n = next
	}
	return n
}

func (n *node) attr(name string) string {
	if n != nil {
		for _, a := range n.attrs {
			if a.Name.Local == name && a.Name.Space != "xmlns" {
				return a.Value
			}
		}
	}
	return ""
}

func (n *node) value() string {
	if n == nil {
		return ""
	}
	return string(bytes.TrimSpace(n.text))
}

// values returns the texts of the child elements of that name.
func (n *node) values(name string) []string {
	var out []string
	for c := range n.each(name) {
		out = append(out, c.value())
	}
	return out
}

// soapAnswers holds the names of the parts of answers.
var soapAnswers = map[signum.Operation]string{
	signum.OpSignature: "MSS_SignatureResp",
	signum.OpStatus:    "MSS_StatusResp",
	signum.OpReceipt:   "MSS_ReceiptResp",
	signum.OpProfile:   "MSS_ProfileResp",
}

func decodeSOAP(op signum.Operation, body []byte) (signum.Response, error) {
	root, err := parseXML(body)
	if err != nil {
		return nil, err
	}
	content := root.child("Body")
	if root.name != "Envelope" || content == nil {
		return nil, errors.New("the XML is not a SOAP envelope")
	}
	if f := content.child("Fault"); f != nil {
		return nil, soapFault(f)
	}
	if r := content.child(string(op)+"Response", soapAnswers[op]); r != nil {
		return soapMessage(op, r)
	}
	return nil, fmt.Errorf("the SOAP body holds no answer to %s", op)
}

// soapFault reads a fault. Its detail is the text of the element detail, anywhere in
// Detail, or else of the first element.
func soapFault(f *node) error {
	detail := f.child("Detail")
	text := detail.child("detail").value()
	if text == "" && detail.child("detail") == nil {
		if text = detail.value(); text == "" && detail != nil && len(detail.children) > 0 {
			text = detail.children[0].value()
		}
	}
	return makeFault(f.child("Code", "Subcode", "Value").value(), text, f.child("Reason", "Text").value())
}

func soapMessage(op signum.Operation, r *node) (signum.Response, error) {
	ap, mssp, status := r.child("AP_Info"), r.child("MSSP_Info"), r.child("Status")
	p := parts{
		header: signum.Header{
			Version: signum.Version{Major: r.attr("MajorVersion"), Minor: r.attr("MinorVersion")},
			AP: signum.APInfo{
				ID: ap.attr("AP_ID"), Password: ap.attr("AP_PWD"),
				TransID: ap.attr("AP_TransID"), Instant: ap.attr("Instant"),
			},
			MSSP: signum.MSSPInfo{URI: mssp.child("MSSP_ID", "URI").value(), Instant: mssp.attr("Instant")},
		},
		transID:   r.attr("MSSP_TransID"),
		msisdn:    r.child("MobileUser", "MSISDN").value(),
		signature: r.child("MSS_Signature", "Base64Signature").value(),
		status:    status.child("StatusCode").attr("Value"),
	}
	for profile := range r.each("SignatureProfile") {
		for uri := range profile.each("mssURI") {
			p.profiles = append(p.profiles, uri.value())
		}
	}
	detail := status.child("StatusDetail")
	if all := detail.child("ServiceResponses"); all != nil {
		for _, s := range all.children {
			sr, err := soapService(s)
			if err != nil {
				return nil, err
			}
			p.services = append(p.services, sr)
		}
	}
	if e := detail.child("ReceiptResponseExtension"); e != nil && op == signum.OpReceipt {
		p.receipt = soapReceipt(&p.scalars, e)
	}
	if e := detail.child("ProfileQueryExtension"); e != nil && op == signum.OpProfile {
		p.profile = soapProfile(&p.scalars, e)
	}
	return p.message(op)
}

func soapService(s *node) (signum.ServiceResponse, error) {
	r := signum.ServiceResponse{
		URI:     s.child("Description", "mssURI").value(),
		AuthURI: s.child("App2App", "AuthUri").value(),

		VerificationCode: s.child("VerificationCode").value(),
	}
	if g := s.child("GeoFencing"); g != nil {
		accuracy, err := parseAccuracy(g.attr("accuracy"))
		if err != nil {
			return r, err
		}
		r.Geofencing = &signum.Geofencing{
			Country: g.attr("country"), Accuracy: accuracy,
			DeviceConfidence: g.attr("deviceconfidence"), LocationConfidence: g.attr("locationconfidence"),
			Timestamp: g.attr("timestamp"),
			ErrorCode: g.attr("errorcode"), ErrorMessage: g.attr("errormessage"),
		}
	}
	if info := s.child("SubscriberInfo"); info != nil {
		for _, d := range info.children {
			r.Details = append(r.Details, signum.SubscriberDetail{ID: d.attr("id"), Value: d.attr("value")})
		}
	}
	return r, nil
}

func soapReceipt(s *scalars, e *node) *signum.ReceiptResponseExtension {
	return &signum.ReceiptResponseExtension{
		ClientAck:    s.flag("ClientAck", e.attr("ClientAck")),
		NetworkAck:   s.flag("NetworkAck", e.attr("NetworkAck")),
		UserAck:      s.flag("UserAck", e.attr("UserAck")),
		UserResponse: e.attr("UserResponse"), FaultMessage: e.attr("FaultMessage"),
	}
}

func soapProfile(s *scalars, n *node) *signum.ProfileExtension {
	e := &signum.ProfileExtension{
		Certificates:        soapCertificates(s, n),
		AutoActivation:      s.boolean("AutoActivation", n.child("AutoActivation").value()),
		ServerSideSignature: s.boolean("ServerSideSignature", n.child("ServerSideSignature").value()),
		RecoveryCodeCreated: s.boolean("RecoveryCodeCreated", n.child("RecoveryCodeCreated").value()),
	}
	if u := n.child("MobileUser"); u != nil {
		e.User = &signum.ProfileUser{
			AutoActivation:      s.boolean("AutoActivation", u.attr("AutoActivation")),
			RecoveryCodeCreated: s.boolean("RecoveryCodeCreated", u.attr("RecoveryCodeCreated")),
		}
	}
	if all := n.child("Sscds"); all != nil {
		e.SSCDs = &signum.SSCDs{}
		if sim := all.child("Sim"); sim != nil {
			d := soapDevice(s, sim)
			e.SSCDs.SIM = &d
		}
		for app := range all.each("App") {
			e.SSCDs.Apps = append(e.SSCDs.Apps, soapDevice(s, app))
		}
	}
	return e
}

func soapDevice(s *scalars, n *node) signum.SSCD {
	d := signum.SSCD{
		State:        signum.DeviceState(n.child("State").value()),
		PINBlocked:   s.boolean("PinStatus blocked", n.child("PinStatus").attr("blocked")),
		Certificates: soapCertificates(s, n),
	}
	if c := n.child("CardDetails"); c != nil {
		d.Card = &signum.Network{
			MCC: c.child("MCC").value(), MNC: c.child("MNC").value(), Name: c.child("Network").value(),
		}
	}
	return d
}

func soapCertificates(s *scalars, n *node) []signum.SSCDCertificate {
	var out []signum.SSCDCertificate
	for c := range n.each("MobileUserCertificate") {
		out = append(out, signum.SSCDCertificate{
			Algorithm: signum.KeyType(c.attr("Algorithm")), State: signum.DeviceState(c.attr("State")),
			Chain: s.chain(c.values("X509Certificate"), c.values("X509SubjectName")),
		})
	}
	return out
}
