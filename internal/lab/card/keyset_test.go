package card_test

import (
	"testing"

	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

// With another key set, service and card restart the counters. The rest of the card stays.
func TestKeySetChanged(t *testing.T) {
	store := card.NewMemory()
	k := scp80.Keys{KIc: make([]byte, 16), KID: make([]byte, 16)}
	ask := func(set byte, counter uint64) scp80.Status {
		t.Helper()
		c, err := card.New(card.Config{ICCID: iccid, Keys: k, KeySet: set, Store: store})
		if err != nil {
			t.Fatal(err)
		}
		params := scp80.Params{SPI: [2]byte{0x16, 0x19}, KIc: set<<4 | 2, KID: set<<4 | 2, TAR: scp80.TAR{0x53, 0x47, 0x4d}}
		packet, err := (&scp80.Command{Params: params, Counter: counter, Data: status(t, int(counter))}).Seal(k)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := sms.SplitPacket(packet, sms.IEICommand, 1)
		if err != nil {
			t.Fatal(err)
		}
		answer := c.Transmit(envelope(t, service, parts[0]))
		if r, err := scp80.OpenResponse(answer[3:len(answer)-2], params, k, scp80.KindResponse); err == nil {
			return r.Status
		}
		r, err := scp80.OpenUnsecured(answer[3 : len(answer)-2])
		if err != nil {
			t.Fatalf("%x: %v", answer, err)
		}
		return r.Status
	}
	for i, tt := range []struct {
		set     byte
		counter uint64
		want    scp80.Status
	}{{1, 5, scp80.OK}, {1, 5, scp80.CounterLow}, {2, 1, scp80.OK}, {2, 1, scp80.CounterLow}, {2, 2, scp80.OK}} {
		if got := ask(tt.set, tt.counter); got != tt.want {
			t.Errorf("%d: key set %d, counter %d: %s, want %s", i, tt.set, tt.counter, got, tt.want)
		}
	}
}
