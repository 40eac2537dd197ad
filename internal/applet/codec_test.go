package applet_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum/internal/applet"
)

var (
	id   = applet.TransactionID("h0123456789abcdef")
	at   = time.Date(2026, 11, 24, 16, 0, 1, 0, time.UTC)
	hash = [32]byte{0: 0xc0, 31: 0x0c}
	hi   = applet.Text{DCS: applet.GSM7, Count: 2, Data: []byte{0xe8, 0x34}}
)

// payloads are the vectors of testdata/payloads.txt by name.
var payloads = map[string]any{
	"sign": &applet.Request{Op: applet.Sign, ID: id, KeyID: 1, Algorithm: applet.EC, Text: hi, SigningTime: at, CertHash: hash,
		Timeout: 80 * time.Second, Lang: "en"},
	"genkey":  &applet.Request{Op: applet.GenKey, ID: id, KeyID: 1, Algorithm: applet.RSA, Timeout: 30 * time.Second, Lang: "de", Challenge: "h0123456789abcdef"},
	"setpin":  &applet.Request{Op: applet.SetPIN, ID: id, KeyID: 1, Timeout: 300 * time.Second, Lang: "fr"},
	"status":  &applet.Request{Op: applet.Status, ID: id, KeyID: 1, Lang: "it"},
	"display": &applet.Request{Op: applet.Display, ID: id, KeyID: 1, Text: applet.Text{DCS: applet.UCS2, Count: 1, Data: []byte{0x20, 0xac}}, Timeout: time.Minute, Lang: "en"},
	"named": &applet.Request{Op: applet.Sign, ID: id, KeyID: 1, Algorithm: applet.EC, Text: hi, SigningTime: at, CertHash: hash,
		Timeout: 80 * time.Second, Lang: "en", Party: applet.Text{DCS: applet.UCS2, Count: 2, Data: []byte{0x20, 0xac, 0x00, 0x41}}},
	"sealed": &applet.Request{Op: applet.Display, ID: id, KeyID: 1, Sealed: bytes.Repeat([]byte{0xee}, 256), Timeout: time.Minute, Lang: "en", Party: hi},

	"signed":    &applet.Reply{Op: applet.Sign, ID: id, KeyID: 1, Algorithm: applet.EC, TriesLeft: 3, Signature: []byte{0x30, 0x06, 2, 1, 1, 2, 1, 2}},
	"cancelled": &applet.Reply{Op: applet.Sign, ID: id, KeyID: 1, Algorithm: applet.EC, Result: applet.UserCancel, TriesLeft: 2},
	"key":       &applet.Reply{Op: applet.GenKey, ID: id, KeyID: 1, Algorithm: applet.EC, TriesLeft: 3, PublicKey: bytes.Repeat([]byte{0x59}, 91), Proof: []byte{0x30, 0x00}},
	"state":     &applet.Reply{Op: applet.Status, ID: id, KeyID: 1, TriesLeft: 3, State: applet.HasKey | applet.HasPIN},
}

func marshal(t testing.TB, p any) []byte {
	t.Helper()
	b, err := p.(interface{ MarshalBinary() ([]byte, error) }).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(p any, b []byte) (any, error) {
	if _, ok := p.(*applet.Request); ok {
		return applet.ParseRequest(b)
	}
	return applet.ParseReply(b)
}

// The octets of the document, both ways.
func TestPayloads(t *testing.T) {
	text, err := os.ReadFile("testdata/payloads.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		name, octets, _ := strings.Cut(strings.TrimSpace(line), " ")
		want, err := hex.DecodeString(strings.ReplaceAll(octets, " ", ""))
		if err != nil {
			t.Fatal(name, err)
		}
		p := payloads[name]
		if p == nil {
			t.Fatalf("%s: no such payload", name)
		}
		seen++
		if got := marshal(t, p); !bytes.Equal(got, want) {
			t.Errorf("%s: %x\nwant %x", name, got, want)
		}
		got, err := parse(p, append(want, 0, 0, 0)) // padding
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(p, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if seen != len(payloads) {
		t.Errorf("%d of %d payloads", seen, len(payloads))
	}
}

// A truncated or changed payload is ErrMalformed or another payload, and never a
// panic.
func TestPayloadsCut(t *testing.T) {
	for name, p := range payloads {
		whole := marshal(t, p)
		for n := range whole {
			if _, err := parse(p, whole[:n]); err != nil && !errors.Is(err, applet.ErrMalformed) {
				t.Errorf("%s: %d octets: %v", name, n, err)
			}
		}
		if _, err := parse(p, whole[:len(whole)-1]); err == nil && name != "state" {
			t.Errorf("%s: without its last octet it is read", name)
		}
	}
}

func TestMalformed(t *testing.T) {
	head := "c00401010101c1080102030405060708"
	limits := "c4040050656e"
	for name, octets := range map[string]string{
		"nothing": "", "no id": "c00401010101" + limits, "version 2": "c00402010101c1080102030405060708" + limits,
		"short id":        "c00401010101c10701020304050607" + limits,
		"id twice":        head + "c1080102030405060708" + limits,
		"no limits":       "c00401040101c1080102030405060708",
		"no text":         head + limits + "c324000000000000000000000000000000000000000000000000000000000000000000000000",
		"no attributes":   head + limits + "c20400026869",
		"long form of 1":  head + "c4810400506500",
		"0x80":            head + "c480",
		"0x82 of 4":       head + "c482000400506500",
		"0x83":            head + "c483000004",
		"after padding":   "c00401040101c1080102030405060708" + limits + "000001",
		"unknown op":      "c00401090101c1080102030405060708" + limits,
		"no challenge":    "c00401020101c1080102030405060708" + limits,
		"empty name":      "c00401050101c1080102030405060708" + limits + "c203000141cc020000",
		"two names":       "c00401050101c1080102030405060708" + limits + "c203000141cc03000141cc03000141",
		"two texts":       "c00401050101c1080102030405060708" + limits + "c203000141c601ff",
		"value cut":       head + limits + "c27f00",
		"challenge of 65": "c00401020101c1080102030405060708" + limits + "c541" + strings.Repeat("41", 65),
	} {
		b, err := hex.DecodeString(octets)
		if err != nil {
			t.Fatal(name, err)
		}
		if r, err := applet.ParseRequest(b); !errors.Is(err, applet.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if _, err := applet.ParseRequest(make([]byte, applet.MaxPayload+1)); !errors.Is(err, applet.ErrMalformed) {
		t.Error(err)
	}
	for name, r := range map[string]*applet.Request{
		"language": {Op: applet.Status, Lang: "eng"}, "timeout": {Op: applet.Status, Lang: "en", Timeout: 65536 * time.Second},
		"negative": {Op: applet.Status, Lang: "en", Timeout: -time.Second}, "time": {Op: applet.Sign, Lang: "en", SigningTime: time.Unix(1<<32, 0)},
		"challenge": {Op: applet.GenKey, Lang: "en", Challenge: strings.Repeat("a", 65)},
		"size":      {Op: applet.Display, Lang: "en", Sealed: make([]byte, applet.MaxPayload)},
	} {
		if b, err := r.MarshalBinary(); !errors.Is(err, applet.ErrMalformed) {
			t.Errorf("%s: %x, %v", name, b, err)
		}
	}
}

// Unknown tags are skipped, so that either side may be newer.
func TestUnknownTags(t *testing.T) {
	b := append([]byte{0x5f, 2, 1, 2, 0xfe, 0x81, 0x80}, append(make([]byte, 0x80), marshal(t, payloads["sign"])...)...)
	r, err := applet.ParseRequest(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(payloads["sign"], any(r)); d != "" {
		t.Error(d)
	}
}

// Only a text comes with the name of its sender.
func TestNameWithoutText(t *testing.T) {
	r := *payloads["setpin"].(*applet.Request)
	bare := marshal(t, &r)
	r.Party = hi
	if got := marshal(t, &r); !bytes.Equal(got, bare) {
		t.Errorf("%x", got)
	}
	got, err := applet.ParseRequest(append(bare, 0xcc, 4, 0, 2, 0xe8, 0x34))
	if err != nil || len(got.Party.Data) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRoundTrip(t *testing.T) {
	octets := func(max int) *rapid.Generator[[]byte] {
		return rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, max), func(b []byte) []byte { return b })
	}
	rapid.Check(t, func(t *rapid.T) {
		r := &applet.Request{
			Op: applet.Sign, ID: applet.ID(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "id")), KeyID: rapid.Byte().Draw(t, "key"),
			Algorithm:   applet.Algorithm(rapid.Byte().Draw(t, "algorithm")),
			Text:        applet.Text{DCS: rapid.Byte().Draw(t, "dcs"), Count: rapid.Byte().Draw(t, "count"), Data: octets(240).Draw(t, "text")},
			SigningTime: time.Unix(int64(rapid.Uint32().Draw(t, "time")), 0).UTC(),
			CertHash:    [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash")),
			Timeout:     time.Duration(rapid.Uint16().Draw(t, "timeout")) * time.Second, Lang: rapid.StringMatching("[a-z]{2}").Draw(t, "lang"),
			Challenge: rapid.StringMatching("[a-zA-Z0-9]{0,64}").Draw(t, "challenge"),
		}
		if rapid.Bool().Draw(t, "named") {
			r.Party = applet.Text{DCS: rapid.Byte().Draw(t, "name's dcs"), Count: rapid.Byte().Draw(t, "name's count"), Data: octets(120).Draw(t, "name")}
		}
		b, err := r.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		got, err := applet.ParseRequest(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzPayload(f *testing.F) {
	for _, p := range payloads {
		f.Add(marshal(f, p))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := applet.ParseRequest(b); err == nil {
			again, err := applet.ParseRequest(marshal(t, r))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(r, again); d != "" {
				t.Fatal(d)
			}
		}
		if r, err := applet.ParseReply(b); err == nil {
			again, err := applet.ParseReply(marshal(t, r))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(r, again); d != "" {
				t.Fatal(d)
			}
		}
	})
}
