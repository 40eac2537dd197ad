package soap

import (
	"encoding/xml"
	"strconv"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// receipt reads MSS_ReceiptReq. It ignores TimeOut: a phone shows every receipt
// for the same time.
func (p *parser) receipt(e xml.StartElement, r *signum.ReceiptRequest) error {
	err := attributes(e, func(name, value, _ string) error {
		if name == "MSSP_TransID" {
			r.TransID = value
		}
		version(&r.Version, name, value)
		return nil
	})
	if err != nil {
		return err
	}
	var seen once
	return p.children("MSS_ReceiptReq", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "MobileUser":
			if err := seen.see(2, "MobileUser"); err != nil {
				return err
			}
			return p.readOnlyChild("MobileUser", "MSISDN", &r.MSISDN)
		case "Status":
			if err := seen.see(3, "Status"); err != nil {
				return err
			}
			return p.receiptStatus(r)
		case "Message":
			if err := seen.see(4, "Message"); err != nil {
				return err
			}
			return p.data(e, "Message", &r.Message)
		}
		return p.header(e, &r.Header, &seen)
	})
}

// receiptStatus reads the extension in Status and ignores the rest.
func (p *parser) receiptStatus(r *signum.ReceiptRequest) error {
	var seen once
	return p.children("Status", func(e xml.StartElement) error {
		if e.Name.Local != "StatusDetail" {
			return p.skip()
		}
		if err := seen.see(0, "StatusDetail"); err != nil {
			return err
		}
		return p.children("StatusDetail", func(e xml.StartElement) error {
			if e.Name.Local != "ReceiptRequestExtension" {
				return p.skip()
			}
			if err := seen.see(1, "ReceiptRequestExtension"); err != nil {
				return err
			}
			r.Extension = new(signum.ReceiptRequestExtension)
			return p.receiptExtension(e, r.Extension)
		})
	})
}

func (p *parser) receiptExtension(e xml.StartElement, x *signum.ReceiptRequestExtension) error {
	err := attributes(e, func(name, value, _ string) error {
		switch name {
		case "ReceiptMessagingMode":
			x.MessagingMode = value
		case "UserAck":
			x.UserAck = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	var seen once
	return p.children("ReceiptRequestExtension", func(e xml.StartElement) error {
		if e.Name.Local != "ReceiptProfile" {
			return p.skip()
		}
		if err := seen.see(0, "ReceiptProfile"); err != nil {
			return err
		}
		err := attributes(e, func(name, value, _ string) error {
			if name == "Language" {
				x.Language = value
			}
			return nil
		})
		if err != nil {
			return err
		}
		return p.readOnlyChild("ReceiptProfile", "ReceiptProfileURI", &x.ProfileURI)
	})
}

// appendReceipt writes MSS_ReceiptResp, which does not name the user.
func appendReceipt(dst []byte, f edge.Form, r *signum.ReceiptResponse) []byte {
	dst = openPart(dst, f, signum.OpReceipt, "MSS_ReceiptResp", one)
	dst = append(dst, ` xmlns:mss="`+nsMSS+`">`...)
	dst = appendHead(dst, &r.Header)
	dst = appendStatus(dst, r.Status)
	if x := r.Extension; x != nil {
		dst = append(dst, `<mss:StatusDetail><ns1:ReceiptResponseExtension xmlns:ns1="`+nsSCO+`" ReceiptMessagingMode="`+signum.Synch+`" UserAck="`...)
		dst = strconv.AppendBool(dst, x.UserAck)
		dst = append(dst, '"')
		if x.UserResponse != "" {
			dst = attribute(dst, "UserResponse", x.UserResponse)
		}
		if x.FaultMessage != "" {
			dst = attribute(dst, "FaultMessage", x.FaultMessage)
		}
		dst = append(dst, `/></mss:StatusDetail>`...)
	}
	dst = append(dst, `</mss:Status>`...)
	return closePart(dst, f, signum.OpReceipt, "MSS_ReceiptResp")
}
