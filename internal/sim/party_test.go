package sim

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

// signing returns a request to sign a text.
func signing(t interface{ Fatal(...any) }, text string) *applet.Request {
	encoded, err := applet.EncodeText(text)
	if err != nil {
		t.Fatal(err)
	}
	return &applet.Request{Op: applet.Sign, KeyID: keyID, Algorithm: applet.EC, Text: encoded, SigningTime: time.Unix(1, 0), Timeout: time.Minute, Lang: "en"}
}

// command returns the packet of a card with AES, or with triple DES, whose blocks are
// shorter.
func command(algorithm string) (*scp80.Command, scp80.Keys) {
	n := byte(0x12)
	if algorithm == mssp.Card3DES {
		n = 0x15
	}
	k := scp80.Keys{KIc: bytes.Repeat([]byte{1, 2}, 8), KID: bytes.Repeat([]byte{3, 4}, 8)}
	return &scp80.Command{Params: scp80.Params{SPI: spi, KIc: n, KID: n, TAR: applet.TAR}}, k
}

// sent returns in how many short messages a payload travels.
func sent(t interface{ Fatal(...any) }, cmd *scp80.Command, k scp80.Keys, data []byte) int {
	c := *cmd
	c.Data = data
	packet, err := c.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := sms.SplitPacket(packet, sms.IEICommand, 1)
	if err != nil {
		t.Fatal(err)
	}
	return len(parts)
}

// The name fills what a short message has left, up to its last octet. The room is that of
// docs/sim-applet.md: 98, 242 and 370 octets, of which the text gets all but 64, 65 or 66.
func TestNameIsFree(t *testing.T) {
	for _, tc := range []struct {
		text, name string
		parts      int
		named      bool
	}{
		{"Bank: Login? (4711)", "Bank", 1, true}, // 60 + 4 + 17, and 4 + 4
		{"", "Bank", 1, true},
		{strings.Repeat("x", 29), "Bank", 1, true}, // 60 + 4 + 26, and 4 + 4: 98
		{strings.Repeat("x", 30), "Bank", 1, false},
		{strings.Repeat("x", 38), "B", 1, false}, // 60 + 4 + 34: 98
		{strings.Repeat("x", 33), "B", 1, true},  // 60 + 4 + 29, and 4 + 1: 98
		{strings.Repeat("x", 34), "B", 1, false},
		{strings.Repeat("x", 39), "B", 2, true},
		{strings.Repeat("x", 39), strings.Repeat("N", 60), 2, true},
		{strings.Repeat("x", 193), "Bank", 2, true}, // 60 + 5 + 169, and 4 + 4: 242
		{strings.Repeat("x", 194), "Bank", 2, false},
		{strings.Repeat("x", 202), "N", 2, false},
		{strings.Repeat("x", 203), "Bank", 3, true},
		{strings.Repeat("x", 239), strings.Repeat("N", 60), 3, true},
		{strings.Repeat("x", 24), strings.Repeat("N", 10), 1, true}, // the table of docs/sim.md
		{strings.Repeat("x", 25), strings.Repeat("N", 10), 1, false},
		{strings.Repeat("x", 187), strings.Repeat("N", 10), 2, true},
		{strings.Repeat("x", 188), strings.Repeat("N", 10), 2, false},
		{strings.Repeat("x", 3), strings.Repeat("N", 30), 1, true},
		{strings.Repeat("x", 4), strings.Repeat("N", 30), 1, false},
		{strings.Repeat("x", 166), strings.Repeat("N", 30), 2, true},
		{strings.Repeat("x", 167), strings.Repeat("N", 30), 2, false},
		{strings.Repeat("я", 17), "B", 1, false},
		{strings.Repeat("я", 14), "B", 1, true},
		{strings.Repeat("я", 119), strings.Repeat("я", 30), 3, true}, // 60 + 6 + 238, and 4 + 60: 368
		{strings.Repeat("я", 119), strings.Repeat("я", 31), 3, true},
		{strings.Repeat("я", 119), strings.Repeat("я", 32), 3, false},
		{"Login?", "", 1, false},
		{"Login?", strings.Repeat("N", 61), 1, false},
		{"Login?", "A\nB", 1, false},
		{"Login?", "A\u200bB", 1, false}, // a card would refuse it
		{"Login?", "\xff", 1, false},
	} {
		if tc.text == "" {
			tc.text = "x"
		}
		cmd, k := command(mssp.CardAES)
		r := signing(t, tc.text)
		data, err := payload(r, tc.name, cmd, k)
		if err != nil {
			t.Fatal(err)
		}
		got, err := applet.ParseRequest(data)
		if err != nil {
			t.Fatal(err)
		}
		name, err := got.Party.Decode()
		want := ""
		if tc.named {
			want = tc.name
		}
		if n := sent(t, cmd, k, data); err != nil || name != want || n != tc.parts {
			t.Errorf("%d characters of %.1q with %q: %q in %d messages, %v", len([]rune(tc.text)), tc.text, tc.name, name, n, err)
		}
		if shown, _ := r.Party.Decode(); shown != name {
			t.Errorf("the trace says %q, the card is told %q", shown, name)
		}
	}
}

// With any text and name, a request takes as many short messages as without the name, and
// has the name whenever that is so.
func TestNameNeverCosts(t *testing.T) {
	text := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("Bank €{é")), 1, 120, -1), rapid.StringOfN(rapid.RuneFrom([]rune("aя😀")), 1, 59, -1))
	name := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("Bank€ü")), 1, 30, -1), rapid.StringOfN(rapid.RuneFrom([]rune("aя")), 1, 60, -1))
	rapid.Check(t, func(t *rapid.T) {
		cmd, k := command(rapid.SampledFrom([]string{mssp.CardAES, mssp.Card3DES}).Draw(t, "algorithm"))
		r := signing(t, text.Draw(t, "text"))
		if rapid.Bool().Draw(t, "receipt") {
			r.Op = applet.Display
			if rapid.Bool().Draw(t, "encrypted") {
				r.Text, r.Sealed = applet.Text{}, bytes.Repeat([]byte{0xee}, 256)
			}
		}
		bare := *r
		without, err := bare.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		full := *r
		var ok bool
		if full.Party, ok = applet.EncodeParty(name.Draw(t, "name")); !ok {
			t.Skip("not a name")
		}
		with, err := full.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		s, _ := full.Party.Decode()
		data, err := payload(r, s, cmd, k)
		if err != nil {
			t.Fatal(err)
		}
		want := without
		if sent(t, cmd, k, with) == sent(t, cmd, k, without) {
			want = with
		}
		if !bytes.Equal(data, want) {
			t.Fatalf("%x\nwant %x", data, want)
		}
	})
}

// An encrypted receipt says nothing about its sender that the service could vouch for, and
// leaves room for nearly every name.
func TestNameOfEncryptedReceipt(t *testing.T) {
	for name, want := range map[string]bool{
		strings.Repeat("ü", 60): true, strings.Repeat("я", 42): true, strings.Repeat("я", 43): false,
	} {
		cmd, k := command(mssp.CardAES)
		r := &applet.Request{Op: applet.Display, KeyID: keyID, Lang: "en", Timeout: time.Minute, Sealed: make([]byte, 256)}
		data, err := payload(r, name, cmd, k)
		if err != nil || len(r.Party.Data) > 0 != want || sent(t, cmd, k, data) != 3 {
			t.Errorf("%q: %+v in %d messages, %v", name, r.Party, sent(t, cmd, k, data), err)
		}
	}
}

// A payload never gets longer than a card must accept.
func TestNameFitsPayload(t *testing.T) {
	for n := applet.MaxPayload - 100; n <= applet.MaxPayload; n++ {
		cmd, k := command(mssp.CardAES)
		r := &applet.Request{Op: applet.Display, KeyID: keyID, Lang: "en", Sealed: make([]byte, n)}
		bare, err := r.MarshalBinary()
		if err != nil {
			continue // too long even without a name
		}
		data, err := payload(r, "Bank", cmd, k)
		if err != nil || len(data) > applet.MaxPayload || len(data) < len(bare) {
			t.Fatalf("%d octets: %d, %v", len(bare), len(data), err)
		}
	}
}

// The name of the party reaches the card with signatures and receipts, also when a request
// is repeated, and not with an activation.
func TestNameReachesCard(t *testing.T) {
	for op, want := range map[mssp.DeviceOp]string{mssp.OpSign: "Bank", mssp.OpDisplay: "Bank", mssp.OpActivate: ""} {
		run(t, func(w *world) {
			f := w.card(ecKey)
			f.proofs = []scp80.Status{scp80.CounterLow} // the card does not open the first packet
			r := w.request(f, op, "_1", text)
			w.ask(r)
			pass(time.Minute)
			packets := 0
			for _, e := range w.ch.Trace(f.msisdn) {
				if e.Packet == nil || e.Packet.Kind != "command" {
					continue
				}
				if packets++; e.Applet.Party != want {
					t.Errorf("operation %d, packet %d: the trace says %q", op, packets, e.Applet.Party)
				}
			}
			if packets < 2 {
				t.Errorf("operation %d: %d packets", op, packets)
			}
			for _, q := range f.requests() {
				if name, err := q.Party.Decode(); name != want || err != nil {
					t.Errorf("operation %d: the card got %q, %v", op, name, err)
				}
			}
		})
	}
}

// The trace says when a name was left out.
func TestNameLeftOut(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		r := w.request(f, mssp.OpSign, "_1", strings.Repeat("x", 38))
		w.ask(r)
		pass(time.Minute)
		all := w.ch.Trace(f.msisdn)
		if len(all) == 0 || all[0].Applet.Party != "" || !slices.Contains(all[0].Notes, noteNameless) {
			t.Errorf("%+v", all)
		}
	})
}
