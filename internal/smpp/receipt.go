package smpp

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
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

	// Those of SMPP 5.0.
	stateScheduled State = 0
	stateSkipped   State = 9
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
	OtherID         string // of the text, if the TLV has another one
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

// Intermediate reports whether the message is still on its way.
func (s State) Intermediate() bool { return s == StateEnroute }

// Failed reports whether the message will not reach its phone.
func (s State) Failed() bool {
	switch s {
	case StateExpired, StateDeleted, StateUndeliverable, StateRejected:
		return true
	}
	return false
}

var (
	errReceipt  = errors.New("smpp: not a receipt")
	receiptID   = regexp.MustCompile(`(?i)\b(?:message)?id\s?[:=]\s*"?([^\s",;]{1,64})`)
	receiptStat = regexp.MustCompile(`(?i)\bstat(?:us)?\s?[:=]\s*"?(\w+)`)
	receiptErr  = regexp.MustCompile(`(?i)\berr\s?[:=]\s*(\d{1,4})\b`)
)

// Types of message besides TypeReceipt.
const typeIntermediate byte = 0x20

// IsReceipt reports whether a message says that it is a receipt.
func (d *DeliverSM) IsReceipt() bool {
	t := d.ESMClass & TypeMask
	return t == TypeReceipt || t == typeIntermediate
}

// MayBeReceipt reports whether a message may be a receipt that does not say so: it has
// no user data header, and id and state where a receipt has them. A phone can make such
// a message, too.
func (d *DeliverSM) MayBeReceipt() bool {
	if d.ESMClass&(TypeMask|UDHI) != 0 {
		return false
	}
	_, err := parseReceipt(d)
	return err == nil
}

// ParseReceipt reads id, state and error of a receipt; TLVs take precedence over
// the text. The times stay zero.
func ParseReceipt(d *DeliverSM) (*Receipt, error) {
	if !d.IsReceipt() && !d.MayBeReceipt() {
		return nil, errReceipt
	}
	return parseReceipt(d)
}

func parseReceipt(d *DeliverSM) (*Receipt, error) {
	text := receiptText(d.ShortMessage)
	r := &Receipt{}
	if m := receiptID.FindSubmatch(text); m != nil {
		r.MessageID = string(m[1])
	}
	if id, ok := FindTLV(d.TLVs, TagReceiptedMessageID); ok {
		if id := string(bytes.Trim(id, " \x00")); id != "" {
			r.MessageID, r.OtherID = id, r.MessageID
		}
	}
	known := false
	if st, ok := FindTLV(d.TLVs, TagMessageState); ok && len(st) > 0 && State(st[len(st)-1]) <= stateSkipped {
		r.State, known = stateOfTLV(State(st[len(st)-1])), true
	} else if m := receiptStat.FindSubmatch(text); m != nil {
		r.State, known = stateOf(string(m[1])), true
	}
	if m := receiptErr.FindSubmatch(text); m != nil {
		r.Error, _ = strconv.Atoi(string(m[1]))
	}
	if r.MessageID == "" || !known {
		return nil, errReceipt
	}
	if r.OtherID == r.MessageID {
		r.OtherID = ""
	}
	return r, nil
}

// receiptText is the text of a receipt without the octets that UCS-2 and terminators
// add. Receipts consist of ASCII.
func receiptText(b []byte) []byte { return bytes.ReplaceAll(b, []byte{0}, nil) }

func stateOfTLV(s State) State {
	switch s {
	case stateScheduled:
		return StateEnroute
	case stateSkipped:
		return StateUndeliverable
	}
	return s
}

// stateOf understands the words of appendix B, the same written out, and numbers.
func stateOf(word string) State {
	if n, err := strconv.ParseUint(word, 10, 8); err == nil && State(n) <= stateSkipped {
		return stateOfTLV(State(n))
	}
	word = strings.ToUpper(word)
	for _, w := range stateWords {
		if strings.HasPrefix(word, w.begins) {
			return w.state
		}
	}
	return StateUnknown
}

// stateWords are the beginnings of the words for a state.
var stateWords = []struct {
	begins string
	state  State
}{
	{"ENROUTE", StateEnroute}, {"EN_ROUTE", StateEnroute}, {"SCHEDUL", StateEnroute}, {"BUFFER", StateEnroute}, {"PENDING", StateEnroute},
	{"DELIVR", StateDelivered}, {"DELIVERED", StateDelivered},
	{"EXPIR", StateExpired},
	{"DELET", StateDeleted},
	{"UNDEL", StateUndeliverable}, {"FAIL", StateUndeliverable}, {"SKIP", StateUndeliverable},
	{"ACCEPT", StateAccepted},
	{"REJEC", StateRejected},
}
