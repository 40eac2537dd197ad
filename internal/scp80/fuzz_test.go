package scp80

import (
	"bytes"
	"slices"
	"testing"
)

func seedCommands(f *testing.F) {
	for _, v := range readVectors(f).Commands {
		f.Add([]byte(v.Packet))
	}
	// This one is not secured, so that all of it can be varied.
	open, err := (&Command{Data: []byte("data")}).Seal(Keys{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(open)
}

func FuzzParseParams(f *testing.F) {
	seedCommands(f)
	f.Fuzz(func(t *testing.T, packet []byte) {
		p, err := ParseParams(packet)
		if err != nil {
			return
		}
		if !bytes.Equal(packet[3:10], append([]byte{p.SPI[0], p.SPI[1], p.KIc, p.KID}, p.TAR[:]...)) {
			t.Errorf("%+v", p)
		}
	})
}

// An authenticated packet that opens is one of the vectors. Sealing an opened packet
// again gives the same octets, except for padding that is longer than needed.
func FuzzOpenCommand(f *testing.F) {
	seedCommands(f)
	vectors := readVectors(f).Commands
	known := func(packet []byte) bool {
		return slices.ContainsFunc(vectors, func(v *vector) bool { return bytes.Equal(v.Packet, packet) })
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		before := bytes.Clone(packet)
		for _, v := range vectors {
			c, err := OpenCommand(packet, v.keys())
			if !bytes.Equal(packet, before) {
				t.Fatal("the input was changed")
			}
			if (c == nil) != (err != nil) {
				t.Fatalf("%+v, %v", c, err)
			}
			if err != nil {
				continue
			}
			if c.Integrity() == IntegrityCC && !known(packet) {
				t.Errorf("forged: %x with the keys of %s", packet, v.Name)
			}
			again, err := c.Seal(v.keys())
			if err != nil {
				t.Fatal(err)
			}
			got, err := OpenCommand(again, v.keys())
			if err != nil || got.Params != c.Params || got.Counter != c.Counter || !bytes.Equal(got.Data, c.Data) {
				t.Errorf("%+v, sealed and opened: %+v, %v", c, got, err)
			}
		}
	})
}

func FuzzOpenResponse(f *testing.F) {
	vectors := readVectors(f).Responses
	for _, v := range vectors {
		f.Add([]byte(v.Packet))
	}
	known := func(packet []byte, kind Kind) bool {
		return slices.ContainsFunc(vectors, func(v *vector) bool {
			is, _ := v.kinds()
			return is == kind && bytes.Equal(v.Packet, packet)
		})
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, v := range vectors {
			for _, kind := range []Kind{KindResponse, KindCommand} {
				r, err := OpenResponse(packet, v.params(), v.keys(), kind)
				if (r == nil) != (err != nil) {
					t.Fatalf("%+v, %v", r, err)
				}
				if err == nil && v.params().PoRIntegrity() == IntegrityCC && !known(packet, kind) {
					t.Errorf("forged: %x with the keys of %s", packet, v.Name)
				}
			}
		}
	})
}

func FuzzOpenUnsecured(f *testing.F) {
	packet, err := (&Response{Status: TARUnknown, Data: []byte("data")}).Unsecured()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packet)
	f.Fuzz(func(t *testing.T, packet []byte) {
		r, err := OpenUnsecured(packet)
		if err != nil {
			return
		}
		if r.Status == OK {
			t.Error("an unsecured OK")
		}
		again, err := r.Unsecured()
		if err != nil {
			t.Fatal(err)
		}
		if packet[11] == 0 && !bytes.Equal(again, packet) {
			t.Errorf("made again: %x", again)
		}
	})
}
