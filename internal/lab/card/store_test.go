package card_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
)

func TestStores(t *testing.T) {
	dir := openDir(t, filepath.Join(t.TempDir(), "a", "b"))
	for name, s := range map[string]card.Store{"memory": card.NewMemory(), "directory": dir} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.LoadCard(iccid); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			for n := range 3 {
				want := &card.State{
					Counter: 1<<40 - 1, Replies: uint64(n), PIN: "1234", TriesLeft: n, Key: []byte{1, 2},
					Answers: []card.Answer{{Op: applet.Sign, ID: id(n), Reply: []byte{byte(n)}}},
				}
				if err := s.SaveCard(iccid, want); err != nil {
					t.Fatal(err)
				}
				got, err := s.LoadCard(iccid)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("%#v, %v", *got, err)
				}
			}
		})
	}
}

// No log line can contain a secret.
func TestSecretsDoNotPrint(t *testing.T) {
	p := newPhone(t)
	s, err := p.cfg.Store.LoadCard(iccid)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{p.cfg, p.card, s} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, "4711") || strings.Contains(out, "0405060708") || len(out) > 40 {
				t.Errorf("%s: %s", verb, out)
			}
		}
	}
}

// 113 octets of a reply fit one message, 241 two, 369 three.
func TestReplyRoom(t *testing.T) {
	reply, err := (&applet.Reply{Op: applet.Status, ID: id(1), KeyID: 1}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for size, parts := range map[int]int{113: 1, 114: 2, 241: 2, 242: 3, 369: 3, 370: 4} {
		p := newPhone(t, func(c *card.Config) {
			padded := append(reply, padding(size-len(reply))...)
			if len(padded) != size {
				t.Fatalf("%d octets, want %d", len(padded), size)
			}
			_ = c.Store.SaveCard(iccid, &card.State{
				PIN: "4711", TriesLeft: 3, Answers: []card.Answer{{Op: applet.Status, ID: id(1), Reply: padded}},
			})
		})
		p.params.SPI[1] = 0x18
		p.send(simple(applet.Status, 1))
		if p.only(); len(p.submits) != parts {
			t.Errorf("%d octets in %d messages, want %d", size, len(p.submits), parts)
		}
	}
}

// padding is an object that the applet's language does not define.
func padding(n int) []byte {
	switch {
	case n-2 < 0x80:
		return append([]byte{0xcf, byte(n - 2)}, make([]byte, n-2)...)
	case n-3 <= 0xff:
		return append([]byte{0xcf, 0x81, byte(n - 3)}, make([]byte, n-3)...)
	}
	return append([]byte{0xcf, 0x82, byte((n - 4) >> 8), byte(n - 4)}, make([]byte, n-4)...)
}
