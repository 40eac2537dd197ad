package rest

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum"
)

// receipt reads MSS_ReceiptReq. It ignores everything in Status except the
// extension.
func (d *decoder) receipt(r *signum.ReceiptRequest) error {
	return d.object("MSS_ReceiptReq", func(name []byte) error {
		switch string(name) {
		case "MSSP_TransID":
			return d.text(&r.TransID, "MSSP_TransID")
		case "MobileUser":
			return d.user(&r.MSISDN)
		case "Message":
			return d.data(&r.Message, "Message")
		case "Status":
			return d.readOnly("Status", "StatusDetail", func() error {
				return d.readOnly("StatusDetail", "ReceiptRequestExtension", func() error {
					return d.receiptExtension(r)
				})
			})
		}
		return d.header(&r.Header, name)
	})
}

// readOnly reads one member of an object and ignores the others.
func (d *decoder) readOnly(what, name string, member func() error) error {
	return d.object(what, func(n []byte) error {
		if string(n) == name {
			return member()
		}
		return d.skip()
	})
}

func (d *decoder) receiptExtension(r *signum.ReceiptRequest) error {
	var x signum.ReceiptRequestExtension
	present := d.json.PeekKind() == jsontext.KindBeginObject
	err := d.object("ReceiptRequestExtension", func(name []byte) error {
		switch string(name) {
		case "ReceiptMessagingMode":
			return d.text(&x.MessagingMode, "ReceiptMessagingMode")
		case "UserAck":
			return d.text(&x.UserAck, "UserAck")
		case "ReceiptProfile":
			return d.object("ReceiptProfile", func(name []byte) error {
				switch string(name) {
				case "Language":
					return d.text(&x.Language, "Language")
				case "ReceiptProfileURI":
					return d.text(&x.ProfileURI, "ReceiptProfileURI")
				}
				return d.skip()
			})
		}
		return d.skip()
	})
	if present {
		r.Extension = &x
	}
	return err
}

// appendReceipt writes MSS_ReceiptResp.
func appendReceipt(dst []byte, r *signum.ReceiptResponse) []byte {
	dst = append(dst, `{"MSS_ReceiptResp":{`...)
	dst = appendHead(dst, &r.Header)
	dst = appendVersion(dst, one)
	dst = appendStatusCode(dst, r.Status)
	if x := r.Extension; x != nil {
		// Here the acknowledgements are strings; in a profile answer they are booleans.
		dst = append(dst, `,"StatusDetail":{"ReceiptResponseExtension":{"ClientAck":"`...)
		dst = strconv.AppendBool(dst, x.ClientAck)
		dst = append(dst, '"')
		if x.FaultMessage != "" {
			dst = append(dst, `,"FaultMessage":`...)
			dst = quote(dst, x.FaultMessage)
		}
		dst = append(dst, `,"NetworkAck":"`...)
		dst = strconv.AppendBool(dst, x.NetworkAck)
		dst = append(dst, `","ReceiptMessagingMode":"`+signum.Synch+`","UserAck":"`...)
		dst = strconv.AppendBool(dst, x.UserAck)
		dst = append(dst, '"')
		if x.UserResponse != "" {
			dst = append(dst, `,"UserResponse":`...)
			dst = quote(dst, x.UserResponse)
		}
		dst = append(dst, `}}`...)
	}
	return appendStatusMessage(dst, r.Status)
}
