package mssp

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/png"
)

// MaxPartyName is how many characters the name of a party has at most.
const MaxPartyName = 60

// PartyIdentity is how users recognise a party. It comes from the service: a party
// cannot choose it, and it is not part of what is signed.
type PartyIdentity struct {
	Name string // never empty
	Logo string // Logo.ID; empty: none
}

// Identity returns how users recognise the party.
func (p *Party) Identity() PartyIdentity {
	return PartyIdentity{Name: cmp.Or(p.Name, p.ID), Logo: p.Logo}
}

// The limits of a logo.
const (
	MaxLogo     = 16 << 10 // octets, as it is sent to phones
	MaxLogoSide = 256      // pixels
)

// Logo is the logo of a party.
type Logo struct {
	ID  string // SHA-256 of PNG in lower-case hex
	PNG []byte
}

// NewLogo checks a PNG image and encodes it again, so that nothing but pixels reaches
// a phone. An error says what is wrong with it.
func NewLogo(file []byte) (*Logo, error) {
	// A small file can describe a huge image: its size is checked before it is decoded.
	size, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("the logo is not a PNG image: %w", err)
	}
	if max(size.Width, size.Height) > MaxLogoSide {
		return nil, fmt.Errorf("the logo has %d x %d pixels: at most %d x %d are allowed", size.Width, size.Height, MaxLogoSide, MaxLogoSide)
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("the logo is not a PNG image: %w", err)
	}
	return logoOf(img)
}

func logoOf(img image.Image) (*Logo, error) {
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, img); err != nil {
		return nil, fmt.Errorf("encoding the logo: %w", err)
	}
	if b.Len() > MaxLogo {
		return nil, fmt.Errorf("the logo has %d octets: at most %d are allowed", b.Len(), MaxLogo)
	}
	sum := sha256.Sum256(b.Bytes())
	return &Logo{ID: hex.EncodeToString(sum[:]), PNG: b.Bytes()}, nil
}

// Check returns an error if the ID is not that of the image.
func (l *Logo) Check() error {
	if sum := sha256.Sum256(l.PNG); l.ID != hex.EncodeToString(sum[:]) {
		return errors.New("the ID of the logo is not that of its image")
	}
	if len(l.PNG) > MaxLogo {
		return fmt.Errorf("the logo has %d octets: at most %d are allowed", len(l.PNG), MaxLogo)
	}
	return nil
}
