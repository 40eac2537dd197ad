package cms

import (
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// TestReadTime compares readTime with package time.
func TestReadTime(t *testing.T) {
	for _, tt := range []struct{ layout, text string }{
		{utcTime, "260301120000Z"}, {utcTime, "000229235959Z"}, {utcTime, "010229000000Z"}, {utcTime, "261301000000Z"},
		{utcTime, "260001000000Z"}, {utcTime, "260100000000Z"}, {utcTime, "260131240000Z"}, {utcTime, "260131236000Z"},
		{utcTime, "260131235960Z"}, {utcTime, "26013123595xZ"}, {utcTime, "2601312359590"},
		{utcTime, "26+131235959Z"}, {utcTime, "260431000000Z"}, {generalizedTime, "20500101000000Z"},
		{generalizedTime, "x0500101000000Z"}, {generalizedTime, "99991231235959Z"}, {generalizedTime, "00010101000000Z"},
	} {
		tag := asn1.UTCTime
		if tt.layout == generalizedTime {
			tag = asn1.GeneralizedTime
		}
		var b cryptobyte.Builder
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(tt.text)) })
		in := cryptobyte.String(b.BytesOrPanic())
		var got time.Time
		ok := readTime(&in, &got)
		want, err := time.Parse(tt.layout, tt.text)
		if ok != (err == nil) || ok && !got.Equal(want) {
			t.Errorf("%s: got %s, %v, want %s, %v", tt.text, got, ok, want, err)
		}
	}
	// Package time accepts a sign as a digit of the year.
	in := cryptobyte.String(append([]byte{byte(asn1.UTCTime), 13}, "-60131235959Z"...))
	if readTime(&in, new(time.Time)) {
		t.Error("a year with a sign was read")
	}
	for year, want := range map[string]int{"49": 2049, "50": 1950, "69": 1969, "99": 1999} {
		in := cryptobyte.String(append([]byte{byte(asn1.UTCTime), 13}, year+"0101000000Z"...))
		var got time.Time
		if !readTime(&in, &got) || got.Year() != want {
			t.Errorf("%s: got %s", year, got)
		}
	}
}
