package smpp

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// State is message_state (SMPP 3.4, 5.2.28).
type State byte

// The states of a message.
const (
	StateEnroute       State = 1
	StateDelivered     State = 2
	StateExpired       State = 3
	StateDeleted       State = 4
	StateUndeliverable State = 5
	StateAccepted      State = 6
	StateUnknown       State = 7
	StateRejected      State = 8
)

var stateNames = [...]string{"", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD"}

// String is the word that receipts use (appendix B).
func (s State) String() string {
	if s == 0 || int(s) >= len(stateNames) {
		return "UNKNOWN"
	}
	return stateNames[s]
}

// Receipt is a delivery receipt: what became of a message that the SMSC took
// (appendix B). Its times have a resolution of a minute and are in the SMSC's time
// zone, which the receipt does not state.
type Receipt struct {
	MessageID       string
	State           State
	Submitted, Done time.Time
	Error           int // of the network, 0 to 999
	Text            string
}

// Deliver returns the receipt as a message; from and to are the destination and
// the source of the original. Only the first 20 characters of Text are kept.
func (r *Receipt) Deliver(from, to Address) *DeliverSM {
	delivered := 0
	if r.State == StateDelivered {
		delivered = 1
	}
	const minute = "0601021504"
	text := r.Text
	if len(text) > 20 {
		text = text[:20]
	}
	return &DeliverSM{
		Source: from, Dest: to, ESMClass: TypeReceipt,
		ShortMessage: fmt.Appendf(nil, "id:%s sub:001 dlvrd:%03d submit date:%s done date:%s stat:%v err:%03d text:%s",
			r.MessageID, delivered, r.Submitted.Format(minute), r.Done.Format(minute), r.State, r.Error, text),
		TLVs: []TLV{
			{TagReceiptedMessageID, append([]byte(r.MessageID), 0)},
			{TagMessageState, []byte{byte(r.State)}},
		},
	}
}

var (
	errReceipt  = errors.New("smpp: not a receipt")
	receiptID   = regexp.MustCompile(`(?i)\bid:(\S{1,64})`)
	receiptStat = regexp.MustCompile(`(?i)\bstat:(\w+)`)
	receiptErr  = regexp.MustCompile(`(?i)\berr:(\d{1,3})\b`)
)

// IsReceipt reports whether a message is a receipt.
func (d *DeliverSM) IsReceipt() bool { return d.ESMClass&TypeMask == TypeReceipt }

// ParseReceipt reads id, state and error of a receipt; TLVs take precedence over
// the text. The times stay zero.
func ParseReceipt(d *DeliverSM) (*Receipt, error) {
	if !d.IsReceipt() {
		return nil, errReceipt
	}
	r := &Receipt{}
	if id, ok := FindTLV(d.TLVs, TagReceiptedMessageID); ok && len(id) > 1 && id[len(id)-1] == 0 {
		r.MessageID = string(id[:len(id)-1])
	} else if m := receiptID.FindSubmatch(d.ShortMessage); m != nil {
		r.MessageID = string(m[1])
	}
	if st, ok := FindTLV(d.TLVs, TagMessageState); ok && len(st) == 1 {
		r.State = State(st[0])
	} else if m := receiptStat.FindSubmatch(d.ShortMessage); m != nil {
		r.State = stateOf(string(m[1]))
	}
	if m := receiptErr.FindSubmatch(d.ShortMessage); m != nil {
		r.Error, _ = strconv.Atoi(string(m[1]))
	}
	if r.MessageID == "" || r.State == 0 {
		return nil, errReceipt
	}
	return r, nil
}

func stateOf(word string) State {
	for i, n := range stateNames {
		if i > 0 && n == word {
			return State(i)
		}
	}
	return StateUnknown
}
