package mssp_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// picture returns a PNG with this many pixels on each side. One of noise cannot be
// compressed.
func picture(t testing.TB, side int, noise bool) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	r := rand.New(rand.NewPCG(1, 2))
	for y := range side {
		for x := range side {
			c := color.NRGBA{R: 200, A: 255}
			if noise {
				c = color.NRGBA{R: uint8(r.Uint32()), G: uint8(r.Uint32()), B: uint8(r.Uint32()), A: uint8(r.Uint32())}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestNewLogo(t *testing.T) {
	small := picture(t, 32, false)
	for name, c := range map[string]struct {
		file []byte
		ok   bool
	}{
		"small":                    {small, true},
		"largest side":             {picture(t, mssp.MaxLogoSide, false), true},
		"side":                     {picture(t, mssp.MaxLogoSide+1, false), false},
		"octets":                   {picture(t, 128, true), false},
		"nothing":                  {nil, false},
		"cut":                      {small[:len(small)-20], false},
		"SVG":                      {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), false},
		"something else behind it": {append(slices.Clone(small), "<script>alert(1)</script>"...), true},
	} {
		l, err := mssp.NewLogo(c.file)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if err := l.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if bytes.Contains(l.PNG, []byte("<script>")) {
			t.Errorf("%s: more than pixels were kept", name)
		}
	}
}

// Whatever a file contains, a logo is small, has its ID, and is a logo again.
func FuzzNewLogo(f *testing.F) {
	f.Add(picture(f, 4, false))
	f.Add(picture(f, 4, true))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		l, err := mssp.NewLogo(file)
		if err != nil {
			return
		}
		if err := l.Check(); err != nil {
			t.Fatal(err)
		}
		again, err := mssp.NewLogo(l.PNG)
		if err != nil || again.ID != l.ID {
			t.Errorf("%s became %+v, %v", l.ID, again, err)
		}
	})
}

func TestIdentity(t *testing.T) {
	for _, c := range []struct {
		party mssp.Party
		want  mssp.PartyIdentity
	}{
		{mssp.Party{ID: "mid://bank", Name: "Bank", Logo: "ab"}, mssp.PartyIdentity{Name: "Bank", Logo: "ab"}},
		{mssp.Party{ID: "mid://bank"}, mssp.PartyIdentity{Name: "mid://bank"}},
	} {
		if got := c.party.Identity(); got != c.want {
			t.Errorf("%+v: %+v", c.party, got)
		}
	}
}
