package smpp

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:embed testdata/pdus.txt
var pduFile string

func pduVectors(t testing.TB) map[string][]byte {
	v := make(map[string][]byte)
	for line := range strings.Lines(pduFile) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		b, err := hex.DecodeString(strings.Join(f[1:], ""))
		if err != nil {
			t.Fatalf("%s: %v", f[0], err)
		}
		v[f[0]] = b
	}
	return v
}

var pduMeanings = map[string]PDU{
	"bind_transmitter": {Sequence: 1, Body: &Bind{
		Mode: CmdBindTransmitter, SystemID: "SMPP3TEST", Password: "secret08", SystemType: "SUBMIT1", TON: 1, NPI: 1,
	}},
	"bind_transmitter_resp": {Sequence: 1, Body: &BindResp{Mode: CmdBindTransmitter, SystemID: "SMSCMNG"}},
	"submit_sm_udhi": {Sequence: maxSeq, Body: &SubmitSM{
		Source: Address{1, 1, "555"}, Dest: Address{1, 1, "41791234567"}, ESMClass: UDHI | ModeTransaction, ProtocolID: 0x7f,
		RegisteredDelivery: 1, DataCoding: 0xf6, ShortMessage: []byte{2, 0x70, 0, 0, 3, 1, 2, 3},
		TLVs: []TLV{{TagMoreMessages, []byte{1}}},
	}},
	"deliver_sm_payload": {Sequence: 2, Body: &DeliverSM{
		Source: Address{1, 1, "41791234567"}, Dest: Address{Addr: "555"}, ESMClass: UDHI, DataCoding: 4,
		ShortMessage: []byte{5, 0, 3, 1, 2, 1, 'a'},
	}},
	"submit_sm_resp":       {Sequence: 3, Body: &SubmitSMResp{MessageID: "abc"}},
	"submit_sm_resp_error": {Sequence: 3, Status: StatusInvalidDst, Body: &SubmitSMResp{}},
	"deliver_sm_resp":      {Sequence: 4, Status: StatusRxTempError, Body: &DeliverSMResp{}},
	"enquire_link":         {Sequence: 5, Body: EnquireLink{}},
	"unbind_resp":          {Sequence: 6, Body: UnbindResp{}},
	"data_sm": {Sequence: 8, Body: &DataSM{
		Source: Address{1, 1, "41791234567"}, Dest: Address{1, 1, "41790000500"}, ESMClass: UDHI, DataCoding: 4,
		TLVs: []TLV{{TagMessagePayload, []byte{2, 0x71, 0, 9}}},
	}},
	"generic_nack": {Status: StatusInvCmdID, Body: GenericNack{}},
}

func TestVectors(t *testing.T) {
	vectors := pduVectors(t)
	if len(vectors) != len(pduMeanings) {
		t.Errorf("%d vectors, %d meanings", len(vectors), len(pduMeanings))
	}
	for name, want := range pduMeanings {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(vectors[name])
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("parsed (-want +got):\n%s", d)
			}
			if name == "deliver_sm_payload" || name == "submit_sm_resp_error" {
				return // another encoding of the same content
			}
			b, err := want.Marshal()
			if err != nil || !bytes.Equal(b, vectors[name]) {
				t.Errorf("error %v; written\n%X, want\n%X", err, b, vectors[name])
			}
		})
	}
}

// A text that is too long for short_message is sent as message_payload.
func TestLongMessage(t *testing.T) {
	for _, n := range []int{0, 1, maxShort, maxShort + 1, 10000} {
		m := &SubmitSM{ShortMessage: bytes.Repeat([]byte{0xa5}, n), TLVs: []TLV{{0x1400, []byte("x")}}}
		b, err := PDU{Sequence: 1, Body: m}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, payload := FindTLV(rawTLVs(b, n), TagMessagePayload); payload != (n > maxShort) {
			t.Errorf("%d octets: message_payload %v", n, payload)
		}
		p, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Body.(*SubmitSM)
		if !bytes.Equal(got.ShortMessage, m.ShortMessage) || len(got.TLVs) != 1 {
			t.Errorf("%d octets: came back as %d, %d TLVs", n, len(got.ShortMessage), len(got.TLVs))
		}
	}
}

func rawTLVs(frame []byte, n int) []TLV {
	if n > maxShort {
		n = 0
	}
	return (&reader{b: frame[headerLen+17+n:]}).tlvs() // all strings are empty
}

func body(parts ...string) []byte { return []byte(strings.Join(parts, "")) }

// bodyOf returns a submit_sm with one part replaced.
func bodyOf(replace map[int]string) []byte {
	parts := []string{"\x00", "\x01\x01", "1\x00", "\x01\x01", "2\x00", "\x00\x00\x00", "\x00", "\x00", "\x00\x00\x00\x00", "\x01a", ""}
	for i, s := range replace {
		parts[i] = s
	}
	return body(parts...)
}

func frameOf(cmd CommandID, body []byte) []byte {
	b, _ := PDU{Sequence: 7, Body: EnquireLink{}}.Marshal()
	b = append(b, body...)
	b[2], b[3] = byte(len(b)>>8), byte(len(b))
	b[4], b[6], b[7] = byte(cmd>>24), byte(cmd>>8), byte(cmd)
	return b
}

func TestMalformed(t *testing.T) {
	long := func(n int) string { return strings.Repeat("9", n) }
	tests := []struct {
		name  string
		frame []byte
		want  Status
	}{
		{"empty", nil, StatusInvCmdLen},
		{"half a header", make([]byte, 15), StatusInvCmdLen},
		{"the length of another", append(frameOf(CmdEnquireLink, nil), 0), StatusInvCmdLen},
		{"unknown command", frameOf(0x104, nil), StatusInvCmdID},
		{"unknown response", frameOf(0x80000104, nil), StatusInvCmdID},
		{"no body", frameOf(CmdSubmitSM, nil), StatusInvServiceType},
		{"service_type", frameOf(CmdSubmitSM, bodyOf(map[int]string{0: long(6) + "\x00"})), StatusInvServiceType},
		{"source_addr of 21", frameOf(CmdSubmitSM, bodyOf(map[int]string{2: long(21) + "\x00"})), StatusInvSrc},
		{"destination_addr of 21", frameOf(CmdSubmitSM, bodyOf(map[int]string{4: long(21) + "\x00"})), StatusInvalidDst},
		{"destination_addr without end", frameOf(CmdSubmitSM, []byte("\x00\x01\x011\x00\x01\x012")), StatusInvalidDst},
		{"schedule of 15", frameOf(CmdSubmitSM, bodyOf(map[int]string{6: long(15) + "\x00"})), StatusInvSchedule},
		{"validity of 17", frameOf(CmdSubmitSM, bodyOf(map[int]string{7: long(17) + "\x00"})), StatusInvExpiry},
		{"short_message of 255", frameOf(CmdSubmitSM, bodyOf(map[int]string{9: "\xff" + long(255)})), StatusInvMsgLen},
		{"short_message beyond the end", frameOf(CmdSubmitSM, bodyOf(map[int]string{9: "\x05abc"})), StatusInvMsgLen},
		{"no short_message", frameOf(CmdSubmitSM, bodyOf(map[int]string{9: ""})), StatusInvCmdLen},
		{"TLV without length", frameOf(CmdSubmitSM, bodyOf(map[int]string{10: "\x04\x24\x00"})), StatusInvTLVStream},
		{"TLV beyond the end", frameOf(CmdSubmitSM, bodyOf(map[int]string{10: "\x04\x24\x00\x02a"})), StatusInvTLVStream},
		{"two messages", frameOf(CmdSubmitSM, bodyOf(map[int]string{10: "\x04\x24\x00\x01a"})), StatusTLVNotAllowed},
		{"deliver_sm, source_addr without end", frameOf(CmdDeliverSM, []byte("\x00\x01\x011")), StatusInvSrc},
		{"deliver_sm, short_message beyond the end", frameOf(CmdDeliverSM, bodyOf(map[int]string{9: "\x05abc"})), StatusInvMsgLen},
		{"deliver_sm, message_payload beyond the end", frameOf(CmdDeliverSM, bodyOf(map[int]string{9: "\x00", 10: "\x04\x24\x00\x02a"})), StatusInvTLVStream},
		{"data_sm, message_payload beyond the end", frameOf(CmdDataSM, body("\x00\x01\x011\x00\x01\x012\x00\x00\x00\x00\x04\x24\x00\x02a")), StatusInvTLVStream},
		{"system_id of 16", frameOf(CmdBindTransceiver, body(long(16), "\x00")), StatusInvSysID},
		{"password of 9", frameOf(CmdBindTransceiver, body("a\x00", long(9), "\x00")), StatusInvPaswd},
		{"system_type of 13", frameOf(CmdBindTransceiver, body("a\x00b\x00", long(13), "\x00")), StatusInvSystemType},
		{"address_range of 41", frameOf(CmdBindTransceiver, body("a\x00b\x00c\x00\x34\x00\x00", long(41), "\x00")), StatusBindFailed},
		{"bind cut", frameOf(CmdBindTransceiver, body("a\x00b\x00c\x00\x34")), StatusInvCmdLen},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(tt.frame)
			var e *ProtocolError
			if !errors.As(err, &e) || e.Status != tt.want || !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if len(tt.frame) >= headerLen && (e.Sequence != p.Sequence || e.Command == 0) {
				t.Errorf("the error does not name the PDU: %+v", e)
			}
		})
	}
}

func TestMarshalRefuses(t *testing.T) {
	tests := []struct {
		name string
		body Body
		want Status
	}{
		{"password of 9", &Bind{Mode: CmdBindTransceiver, Password: "123456789"}, StatusInvPaswd},
		{"NUL in a string", &Bind{Mode: CmdBindTransceiver, SystemID: "a\x00b"}, StatusInvSysID},
		{"no bind", &Bind{Mode: CmdUnbind}, StatusInvCmdID},
		{"no bind_resp", &BindResp{}, StatusInvCmdID},
		{"destination of 21", &SubmitSM{Dest: Address{Addr: strings.Repeat("1", 21)}}, StatusInvalidDst},
		{"validity", &SubmitSM{Validity: "1"}, StatusInvExpiry},
		{"payload as a TLV", &DeliverSM{TLVs: []TLV{{TagMessagePayload, nil}}}, StatusTLVNotAllowed},
		{"TLV of 64 KiB", &SubmitSM{TLVs: []TLV{{1, make([]byte, 1<<16)}}}, StatusInvTLVLen},
		{"PDU of 64 KiB", &SubmitSM{ShortMessage: make([]byte, 1<<16-10)}, StatusInvCmdLen},
		{"message_id of 65", &SubmitSMResp{MessageID: strings.Repeat("1", 65)}, StatusInvCmdLen},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := PDU{Sequence: 1, Body: tt.body}.Marshal()
			if !errors.Is(err, tt.want) || b != nil {
				t.Errorf("%d octets, error %v, want %v", len(b), err, tt.want)
			}
		})
	}
	if _, err := (PDU{}).Marshal(); err == nil {
		t.Error("a PDU without a body was written")
	}
}

func TestPasswordIsNotShown(t *testing.T) {
	b := &Bind{Mode: CmdBindTransceiver, SystemID: "signum", Password: "hushhush"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{b, PDU{Sequence: 1, Body: b}} {
			if s := fmt.Sprintf(format, v); strings.Contains(s, "hush") {
				t.Errorf("%s: %s", format, s)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		got  fmt.Stringer
		want string
	}{
		{CmdSubmitSM, "submit_sm"}, {CmdSubmitSM | respBit, "submit_sm_resp"}, {CmdGenericNack, "generic_nack"},
		{CmdDataSM, "data_sm"}, {CommandID(0x104), "command 0x00000104"}, {StatusThrottled, "ESME_RTHROTTLED"}, {Status(0x401), "status 0x00000401"},
	} {
		if tt.got.String() != tt.want {
			t.Errorf("%s, want %s", tt.got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range pduVectors(f) {
		f.Add(b)
	}
	for _, c := range crookedRows(f) {
		f.Add(c.pdu)
	}
	f.Add(frameOf(CmdSubmitSM, bodyOf(map[int]string{9: "\x00", 10: "\x04\x24\x00\x01a"})))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			var e *ProtocolError
			if !errors.As(err, &e) || e.Status == StatusOK {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := p.Marshal()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		q, err := Parse(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		third, err := q.Marshal()
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("written differently the second time: %v\n%X\n%X", err, again, third)
		}
	})
}
