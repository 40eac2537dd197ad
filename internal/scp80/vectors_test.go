package scp80

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// octets are hexadecimal in the vectors.
type octets []byte

func (o *octets) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*o = b
	return err
}

// vector is one packet of testdata/vectors.json.
type vector struct {
	Name               string
	KIc, KID           octets
	SPI                octets
	KIcOctet, KIDOctet octets
	TAR                octets
	ShortCC            bool
	Counter            uint64
	Status             Status // of a response
	Kind               Kind   // the same
	Data, Packet       octets
}

func (v *vector) keys() Keys { return Keys{KIc: v.KIc, KID: v.KID} }

func (v *vector) params() Params {
	return Params{SPI: [2]byte(v.SPI), KIc: v.KIcOctet[0], KID: v.KIDOctet[0], TAR: TAR(v.TAR), ShortCC: v.ShortCC}
}

// kinds returns the kind of a response, and the other one.
func (v *vector) kinds() (is, isNot Kind) {
	if v.Kind == KindCommand {
		return KindCommand, KindResponse
	}
	return KindResponse, KindCommand
}

type vectors struct{ Commands, Responses []*vector }

func readVectors(t testing.TB) *vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	all := new(vectors)
	if err := json.Unmarshal(b, all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCommandVectors(t *testing.T) {
	for _, v := range readVectors(t).Commands {
		t.Run(v.Name, func(t *testing.T) {
			c := &Command{Params: v.params(), Counter: v.Counter, Data: v.Data}
			packet, err := c.Seal(v.keys())
			if err != nil || !bytes.Equal(packet, v.Packet) {
				t.Errorf("Seal:\n got %x, %v\nwant %x", packet, err, v.Packet)
			}
			if p, err := ParseParams(v.Packet); err != nil || p != c.Params {
				t.Errorf("ParseParams = %+v, %v", p, err)
			}
			got, err := OpenCommand(v.Packet, v.keys())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResponseVectors(t *testing.T) {
	for _, v := range readVectors(t).Responses {
		t.Run(v.Name, func(t *testing.T) {
			r := &Response{TAR: TAR(v.TAR), Counter: v.Counter, Status: v.Status, Data: v.Data}
			kind, other := v.kinds()
			packet, err := r.Seal(v.params(), v.keys(), kind)
			if err != nil || !bytes.Equal(packet, v.Packet) {
				t.Errorf("Seal:\n got %x, %v\nwant %x", packet, err, v.Packet)
			}
			got, err := OpenResponse(v.Packet, v.params(), v.keys(), kind)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r, got); diff != "" {
				t.Error(diff)
			}
			if _, err := OpenResponse(v.Packet, v.params(), v.keys(), other); v.params().PoRIntegrity() != IntegrityNone && err != IntegrityFailed {
				t.Errorf("as another kind: %v", err)
			}
		})
	}
}

// An authenticated packet with a single flipped bit is refused, as is a truncated one.
func TestFlippedBits(t *testing.T) {
	all := readVectors(t)
	for _, v := range all.Commands {
		if v.params().Integrity() != IntegrityCC {
			continue
		}
		for i := range 8 * len(v.Packet) {
			packet := bytes.Clone(v.Packet)
			packet[i/8] ^= 1 << (i % 8)
			if c, err := OpenCommand(packet, v.keys()); err == nil || c != nil {
				t.Errorf("%s: bit %d of octet %d: taken", v.Name, i%8, i/8)
			}
		}
		for n := range v.Packet {
			if _, err := OpenCommand(v.Packet[:n], v.keys()); err == nil {
				t.Errorf("%s: taken after %d octets", v.Name, n)
			}
		}
	}
	for _, v := range all.Responses {
		if v.params().PoRIntegrity() != IntegrityCC {
			continue
		}
		kind, _ := v.kinds()
		for i := range 8 * len(v.Packet) {
			packet := bytes.Clone(v.Packet)
			packet[i/8] ^= 1 << (i % 8)
			if r, err := OpenResponse(packet, v.params(), v.keys(), kind); err == nil || r != nil {
				t.Errorf("%s: bit %d of octet %d: taken", v.Name, i%8, i/8)
			}
		}
	}
}
