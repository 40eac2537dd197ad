package signum

import "unicode/utf16"

// Limits of the text a phone shows, in characters (septets for GSM 03.38,
// where an extension character counts two; UTF-16 code units otherwise).
const (
	MaxGSMText  = 239
	MaxUCS2Text = 119
)

// gsmBasic and gsmExtension are the alphabets of 3GPP TS 23.038, clause 6.2.1;
// an extension character is sent as an escape and a septet.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

var gsmSeptets = func() map[rune]int {
	m := make(map[rune]int, 140)
	for _, r := range gsmBasic {
		m[r] = 1
	}
	for _, r := range gsmExtension {
		m[r] = 2
	}
	return m
}()

// GSMLength is the length of the text in septets; ok is false if a character
// is not in the GSM 03.38 default alphabet or its extension.
func GSMLength(text string) (septets int, ok bool) {
	for _, r := range text {
		n := gsmSeptets[r]
		if n == 0 {
			return 0, false
		}
		septets += n
	}
	return septets, true
}

// TextFits reports whether a phone can show the text, and otherwise its
// length and the limit that applies.
func TextFits(text string) (ok bool, length, limit int) {
	if n, gsm := GSMLength(text); gsm {
		return n <= MaxGSMText, n, MaxGSMText
	}
	n := len(utf16.Encode([]rune(text)))
	return n <= MaxUCS2Text, n, MaxUCS2Text
}
