package sms

import (
	"bytes"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// seed adds the TPDUs of one kind from TShark's vectors.
func seed(f *testing.F, kind string) {
	b, err := os.ReadFile("testdata/tshark.json")
	if err != nil {
		f.Fatal(err)
	}
	var vectors struct {
		Messages []struct{ Name, TPDU string }
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		f.Fatal(err)
	}
	for _, v := range vectors.Messages {
		if octets, err := hex.DecodeString(v.TPDU); err == nil && strings.HasPrefix(v.Name, kind) {
			f.Add(octets)
		}
	}
}

// fuzzTPDU checks that a decoded TPDU is the same after encoding and decoding.
func fuzzTPDU[T encoding.BinaryMarshaler](f *testing.F, kind string, parse func([]byte) (T, error)) {
	seed(f, kind)
	f.Fuzz(func(t *testing.T, tpdu []byte) {
		m, err := parse(bytes.Clone(tpdu))
		if err != nil {
			return
		}
		b, err := m.MarshalBinary()
		if err != nil {
			t.Fatalf("%+v cannot be made: %v", m, err)
		}
		again, err := parse(b)
		if err != nil {
			t.Fatalf("%x cannot be read: %v", b, err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Error(diff)
		}
		if x, ok := any(m).(interface{ Unpacked() ([]byte, error) }); ok {
			if ud, err := x.Unpacked(); err == nil && len(ud) > maxPart {
				t.Errorf("%d octets unpacked", len(ud))
			}
		}
	})
}

func FuzzParseDeliver(f *testing.F) { fuzzTPDU(f, "deliver", ParseDeliver) }

func FuzzParseReport(f *testing.F) { fuzzTPDU(f, "report", ParseReport) }

func FuzzParseSubmit(f *testing.F) {
	fuzzTPDU(f, "submit", func(tpdu []byte) (*Submit, error) {
		s, err := ParseSubmit(tpdu)
		if err == nil && s.Validity > 0 {
			// Enhanced periods are finer than the encoded ones.
			v, err := relativeValidity(s.Validity)
			if err != nil {
				return nil, err
			}
			s.Validity = relativeDuration(v)
		}
		return s, err
	})
}

func FuzzParseUserData(f *testing.F) {
	for _, n := range []int{1, 137, 300} {
		parts, err := SplitPacket(packetOf(n), IEICommand, 7)
		if err != nil {
			f.Fatal(err)
		}
		for _, ud := range parts {
			f.Add(ud)
		}
	}
	f.Fuzz(func(t *testing.T, ud []byte) {
		h, rest, err := ParseUserData(ud)
		if err != nil {
			return
		}
		if again := append(h.Append(nil), rest...); !bytes.Equal(again, ud) {
			t.Errorf("made again: %x", again)
		}
		if c, ok, err := h.Concat(); ok != (c.Seq > 0) || ok && (err != nil || c.Seq > c.Total) {
			t.Errorf("%+v, %t, %v", c, ok, err)
		}
	})
}

func FuzzDecodeText(f *testing.F) {
	f.Add(byte(0), []byte("text\x1b\x65"))
	f.Add(byte(8), []byte("\xd8\x3d\xde\x00"))
	f.Fuzz(func(t *testing.T, dcs byte, b []byte) {
		text, err := DecodeText(dcs, b)
		if err != nil {
			return
		}
		encode := EncodeGSM7
		if AlphabetOf(dcs) == UCS2 {
			encode = EncodeUCS2
		}
		if again, ok := encode(text); !ok || !bytes.Equal(again, b) {
			t.Errorf("%q is encoded as %x", text, again)
		}
	})
}

// The octets are a sequence of calls: source, time since the last, length, user data.
func FuzzReassembler(f *testing.F) {
	parts, err := SplitPacket(packetOf(300), IEICommand, 7)
	if err != nil {
		f.Fatal(err)
	}
	var run []byte
	for _, ud := range parts {
		run = append(append(run, 1, 1, byte(len(ud))), ud...)
	}
	f.Add(run)
	f.Add([]byte("\x01\x01\x07\x05\x00\x03\x09\x02\x01a\x01\x01\x07\x05\x00\x03\x09\x02\x02b"))
	f.Fuzz(func(t *testing.T, run []byte) {
		r := NewReassembler(time.Minute, 5)
		r.max = 12
		now := start
		for len(run) >= 3 {
			source, later, n := string(run[:1]), run[1], min(int(run[2]), len(run)-3)
			now = now.Add(time.Duration(later) * time.Second)
			m, ok, err := r.Add(now, source, run[3:3+n])
			if ok && err != nil || !ok && m.Packet != nil {
				t.Fatalf("%+v, %t, %v", m, ok, err)
			}
			run = run[3+n:]
			if r.held > 12 || r.waiting > r.held || r.waiting < 0 || len(r.byKey) != r.ages.Len() {
				t.Fatalf("%d held, %d waiting, %d messages, %d ages", r.held, r.waiting, len(r.byKey), r.ages.Len())
			}
			held := 0
			for source, s := range r.sources {
				if s.parts > 5 || len(s.messages) == 0 {
					t.Fatalf("source %q: %d parts, %d messages", source, s.parts, len(s.messages))
				}
				held += s.parts
			}
			if held != r.held {
				t.Fatalf("%d held, %d of the sources", r.held, held)
			}
		}
		r.Sweep(now.Add(time.Minute))
		checkEmpty(t, r)
	})
}
