package signum

import "unicode/utf16"

// The longest text that a phone shows.
const (
	MaxGSMText  = 239 // septets, if all characters are in the GSM alphabet: see GSMLength
	MaxUCS2Text = 119 // UTF-16 code units, for any other text
)

// gsmBasic and gsmExtension are the alphabets of 3GPP TS 23.038, clause 6.2.1. An
// extension character is sent as an escape and a septet.
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

// GSMLength returns the length of the text in septets, where a character of the
// extension table counts two (3GPP TS 23.038, clause 6.2.1). It returns false if a
// character is neither in the default alphabet nor in the extension table.
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

// TextFits reports whether a phone can show the text. It also returns the text's
// length and the limit that applies, both in the unit of the limit: see
// [MaxGSMText] and [MaxUCS2Text].
func TextFits(text string) (ok bool, length, limit int) {
	if n, gsm := GSMLength(text); gsm {
		return n <= MaxGSMText, n, MaxGSMText
	}
	n := len(utf16.Encode([]rune(text)))
	return n <= MaxUCS2Text, n, MaxUCS2Text
}
