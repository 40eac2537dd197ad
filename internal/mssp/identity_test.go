package mssp_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
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
// TestAttackLogo: what is kept as a logo reaches every phone. Neither another file, nor
// what hides in or behind an image, nor an image that fills the memory gets there.
func TestAttackLogo(t *testing.T) {
	good := picture(t, 16, false)
	script := []byte("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/><script>alert(1)</script>")
	comment := chunk("tEXt", append([]byte("Comment\x00"), script...))
	for name, file := range map[string][]byte{
		"behind the image": append(slices.Clone(good), script...),
		"in the image":     slices.Concat(good[:33], comment, good[33:]), // behind the header
	} {
		l, err := mssp.NewLogo(file)
		if err == nil && (bytes.Contains(l.PNG, []byte("script")) || !bytes.HasPrefix(l.PNG, []byte("\x89PNG"))) {
			t.Errorf("a script %s reaches phones", name)
		}
		if err != nil {
			t.Logf("%s: %v", name, err)
		}
	}
	bomb := slices.Clone(good) // a header that promises 2 billion pixels
	copy(bomb[16:], []byte{0, 0, 0xb5, 0x04, 0, 0, 0xb5, 0x04})
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	for name, file := range map[string][]byte{"SVG": script, "nothing": nil, "half an image": good[:len(good)/2], "a bomb": bomb, "too many octets": picture(t, 256, true)} {
		if l, err := mssp.NewLogo(file); err == nil {
			t.Errorf("%s: taken as %d octets", name, len(l.PNG))
		}
	}
	if err := (&mssp.Logo{ID: strings.Repeat("0", 64), PNG: script}).Check(); err == nil {
		t.Error("a file whose digest is not its ID")
	}
}

// chunk is a part of a PNG file.
func chunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

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
