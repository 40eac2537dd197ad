package storetest

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// A name stands above every text on a phone: it cannot hide anything, or look like
// more than a name.
func testPartyName(t *testing.T, d *database) {
	s := d.Store()
	for name, ok := range map[string]bool{
		"": true, "Bank": true, "Zürcher Käse & Söhne": true, "مصرف": true, strings.Repeat("ü", mssp.MaxPartyName): true,
		strings.Repeat("ü", mssp.MaxPartyName+1): false, " Bank": false, "Bank ": false, "Bank\nConfirmed": false, "Bank\tA": false,
		"Bank\u200b": false, "\u202eknaB": false, "Bank\u2028A": false, "a\u0301\u0301": false, "\ue000": false,
	} {
		p := &mssp.Party{ID: "p", Name: name}
		if err := s.PutParty(t.Context(), p); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
		err := s.UpdateParty(t.Context(), "p", func(p *mssp.Party) error { p.Name = name; return nil })
		if (err == nil) != ok {
			t.Errorf("update to %q: %v", name, err)
		}
	}
}

func testLogo(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	l := &mssp.Logo{ID: "7b4ed3c5e79b1d3d7c1d5ba5bd4ae71aa7e6d1d2d9ce9a2a8aa6f5d0a5b9b5ba", PNG: []byte("not its hash")}
	if err := s.PutLogo(ctx, l); err == nil {
		t.Error("a logo was kept under an ID that is not its own")
	}
	_, err := s.Logo(ctx, l.ID)
	wantNotFound(t, "no logo", err)
	_, err = s.Logo(ctx, "\xff")
	wantNotFound(t, "no key", err)
	var file bytes.Buffer
	must(t, png.Encode(&file, image.NewGray(image.Rect(0, 0, 8, 8))))
	l, err = mssp.NewLogo(file.Bytes())
	must(t, err)
	for range 2 {
		must(t, s.PutLogo(ctx, l))
		got, err := s.Logo(ctx, l.ID)
		must(t, err)
		if !bytes.Equal(got, l.PNG) {
			t.Errorf("logo: %x, want %x", got, l.PNG)
		}
	}
}
