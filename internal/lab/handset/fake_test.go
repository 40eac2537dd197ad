package handset_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/sms"
)

// fakeCard is a card under the control of a test: it has a queue of proactive commands and
// records all APDUs.
type fakeCard struct {
	mu       sync.Mutex
	apdus    [][]byte
	queue    [][]byte
	open     bool // a command was fetched
	envelope func(p *fakeCard) (data []byte, sw uint16)
	response func(p *fakeCard, apdu []byte) // queues the following commands
	asking   card.Asking
	tries    int
	code     signum.Code
	corrupt  bool
}

func (p *fakeCard) Transmit(b []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.apdus = append(p.apdus, append([]byte(nil), b...))
	var data []byte
	sw := uint16(0x9000)
	switch b[1] {
	case 0xc2:
		if p.envelope != nil {
			data, sw = p.envelope(p)
		}
	case 0x12:
		if len(p.queue) == 0 {
			return []byte{0x69, 0x85}
		}
		if p.open {
			panic("FETCH while a command is open")
		}
		data, p.open = p.queue[0], true
		if want := byte(len(data)); b[4] != want {
			panic(fmt.Sprintf("FETCH of %d octets, there are %d", b[4], want))
		}
		p.queue = p.queue[1:]
		return append(data, 0x90, 0)
	case 0x14:
		p.open = false
		if p.response != nil {
			p.response(p, b)
		}
	}
	if sw == 0x9000 && len(p.queue) > 0 {
		sw = 0x9100 | uint16(byte(len(p.queue[0])))
	}
	return append(data, byte(sw>>8), byte(sw))
}

func (p *fakeCard) KnownPIN() string { return "2580" }

func (p *fakeCard) TriesLeft() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tries
}

func (p *fakeCard) Asking() card.Asking {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asking
}

func (p *fakeCard) SimulateFault(code signum.Code, corrupt bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.code, p.corrupt = code, corrupt
}

// sent returns the APDUs of an instruction, in hex.
func (p *fakeCard) sent(ins byte) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, a := range p.apdus {
		if a[1] == ins {
			all = append(all, hex.EncodeToString(a))
		}
	}
	return all
}

// asks returns a card that issues these commands, given in hex, after an ENVELOPE.
func asks(commands ...string) *fakeCard {
	return &fakeCard{tries: 3, asking: card.Asking{Step: card.StepText}, envelope: func(p *fakeCard) ([]byte, uint16) {
		for _, c := range commands {
			p.queue = append(p.queue, unhex(c))
		}
		return nil, 0x9000
	}}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// proactive returns a command with these TLVs, given in hex.
func proactive(kind, qualifier, to byte, objects string) string {
	body := unhex(fmt.Sprintf("8103 01%02x%02x 8202 81%02x %s", kind, qualifier, to, objects))
	if len(body) > 0x7f {
		return fmt.Sprintf("d081%02x%x", len(body), body)
	}
	return fmt.Sprintf("d0%02x%x", len(body), body)
}

func displayText(text string) string {
	return proactive(0x21, 0x81, 0x02, fmt.Sprintf("8d%02x04%x", len(text)+1, text))
}

func getInput(text string) string {
	return proactive(0x23, 0x04, 0x82, fmt.Sprintf("8d%02x04%x 91020408", len(text)+1, text))
}

// radio is a network with one handset that records the messages sent.
type radio struct {
	*handset.Network
	diary diary

	mu    sync.Mutex
	sends []string // TPDUs in hex
	refuse,
	block bool
	unblock chan struct{}
}

func newRadio(t testing.TB, c handset.Config, card handset.SIM) *radio {
	t.Helper()
	r := &radio{unblock: make(chan struct{})}
	c.Observe = r.diary.Note
	r.Network = handset.New(c)
	t.Cleanup(r.Close)
	r.Connect(func(number string, tpdu []byte) error {
		r.mu.Lock()
		r.sends = append(r.sends, fmt.Sprintf("%s %x", number, tpdu))
		refuse, block := r.refuse, r.block
		r.mu.Unlock()
		if block {
			<-r.unblock
		}
		if refuse {
			return errors.New("no service")
		}
		return nil
	})
	if card != nil {
		if err := r.Insert("sim", msisdn, card); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *radio) sent() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.sends...)
}

// forCard returns an SMS-DELIVER for a card.
func forCard(t testing.TB, ud []byte) []byte {
	t.Helper()
	d := sms.Deliver{
		UDHI: true, From: sms.Address{TON: 1, NPI: 1, Digits: "41790000001"}, PID: 0x7f, DCS: 0xf6,
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), UD: append([]byte{2, 0x70, 0}, ud...),
	}
	b, err := d.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// deliver gives the handset an SMS-DELIVER and returns the report in hex.
func (r *radio) deliver(t testing.TB, tpdu []byte) string {
	t.Helper()
	report, err := r.DeliverSM(t.Context(), msisdn, tpdu)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(report)
}

// wake sends the card an arbitrary message.
func (r *radio) wake(t testing.TB) { t.Helper(); r.deliver(t, forCard(t, []byte{1})) }

func (r *radio) screen(t testing.TB) handset.Dialogue {
	t.Helper()
	d, err := r.Dialogue(msisdn)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (r *radio) press(t testing.TB, key handset.Key, input string) {
	t.Helper()
	if err := r.Press(msisdn, r.screen(t).ID, key, input); err != nil {
		t.Fatal(err)
	}
}

func (r *radio) behaves(t testing.TB, b person.Behaviour) {
	t.Helper()
	if err := r.Behave(msisdn, b); err != nil {
		t.Fatal(err)
	}
}

// bubble runs a test with a simulated clock.
func bubble(t *testing.T, f func(*testing.T)) { t.Helper(); synctest.Test(t, f) }

// only returns the only element; it fails if there is another number of them.
func only[T any](t testing.TB, all []T) T {
	t.Helper()
	if len(all) != 1 {
		t.Fatalf("%d: %v; want one", len(all), all)
	}
	return all[0]
}
