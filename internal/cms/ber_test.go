package cms

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"
)

func TestToDER(t *testing.T) {
	deep := func(n int, inner string) string {
		return strings.Repeat("3080", n) + inner + strings.Repeat("0000", n)
	}
	for name, tc := range map[string]struct{ ber, der, rest string }{
		"DER":                            {"3003020101", "3003020101", ""},
		"something follows":              {"3003020101" + "00ff", "3003020101", "00ff"},
		"indefinite length":              {"3080020101" + "0000", "3003020101", ""},
		"indefinite in indefinite":       {"30803180020101" + "0000" + "0000", "30053103020101", ""},
		"indefinite in definite":         {"30073180020101" + "0000", "30053103020101", ""},
		"empty":                          {"30800000", "3000", ""},
		"long form of a short length":    {"3081030201" + "01", "3003020101", ""},
		"leading zeros of a length":      {"308400000003020101", "3003020101", ""},
		"OCTET STRING in parts":          {"2480" + "0401aa" + "0402bbcc" + "0000", "0403aabbcc", ""},
		"OCTET STRING in definite parts": {"2407" + "0401aa" + "0402bbcc", "0403aabbcc", ""},
		"parts in parts":                 {"2480" + "24800401aa0000" + "2403" + "0401bb" + "0000", "0402aabb", ""},
		"no part":                        {"24800000", "0400", ""},
		"parts of a length over 127":     {"2480" + "0440" + strings.Repeat("00", 64) + "0440" + strings.Repeat("11", 64) + "0000", "048180" + strings.Repeat("00", 64) + strings.Repeat("11", 64), ""},
		"context tag":                    {"a080020101" + "0000", "a003020101", ""},
		"zeros in a primitive":           {"3080" + "04020000" + "0000", "300404020000", ""},
		"tag number of two octets":       {"bf8101" + "80" + "020101" + "0000", "bf810103020101", ""},
		"unreadable in definite":         {"3081053003020401", "30053003020401", ""},
		"end of contents in definite":    {"30020000", "30020000", ""},
		"parts of another type":          {"2403020101", "2403020101", ""},
		"deep, but definite":             {"3080" + strings.Repeat("30023000", 1) + "0000", "300430023000", ""},
		"as deep as may be":              {deep(maxDepth, "020101"), "", ""},

		"nothing":                    {"", "!", ""},
		"half a header":              {"30", "!", ""},
		"no end":                     {"3080020101", "!", ""},
		"half an end":                {"308002010100", "!", ""},
		"cut":                        {"3004020101", "!", ""},
		"primitive, indefinite":      {"0480aa0000", "!", ""},
		"end of contents on its own": {"0000", "!", ""},
		"length of 127 octets":       {"30ff" + strings.Repeat("00", 10), "!", ""},
		"huge length":                {"3088ffffffffffffffff", "!", ""},
		"huge length, overflowing":   {"3089010000000000000003020101", "!", ""},
		"tag number without end":     {"bfffffffffff7f00", "!", ""},
		"BIT STRING in parts":        {"2380030200ff0000", "!", ""},
		"UTF8String in parts":        {"2c800c01610000", "!", ""},
		"part of another type":       {"24800201010000", "!", ""},
		"part of parts, other type":  {"248024800c010100000000", "!", ""},
		"too deep":                   {deep(maxDepth+1, ""), "!", ""},
		"too deep in parts":          {strings.Repeat("2480", maxDepth+2), "!", ""},
	} {
		t.Run(name, func(t *testing.T) {
			ber, err := hex.DecodeString(tc.ber)
			if err != nil {
				t.Fatal(err)
			}
			der, rest, err := toDER(ber)
			if tc.der == "!" {
				if err == nil || der != nil {
					t.Errorf("%x, %v", der, err)
				}
				return
			}
			if err != nil || hex.EncodeToString(rest) != tc.rest || tc.der != "" && hex.EncodeToString(der) != tc.der {
				t.Errorf("%x and %x, %v; want %s and %s", der, rest, err, tc.der, tc.rest)
			}
			if again, _, err := toDER(der); err != nil || !bytes.Equal(again, der) {
				t.Errorf("not the same the second time: %x, %v", again, err)
			}
		})
	}
}

// What encoding/asn1 reads completely is DER and is not changed. The result has that
// form, and is not larger than its input by more than the headers of large elements.
func FuzzToDER(f *testing.F) {
	id := identityOf(f, "EC-EC")
	f.Add(id.answer(f, []byte("text"), epoch))
	f.Add(id.leaf.Raw)
	for _, s := range []string{"30803180020101" + "0000" + "0000", "2480248004010100002403040102" + "0000", "bf810180" + "0000", "3084000000030201010000"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, ber []byte) {
		if len(ber) > MaxSize {
			return
		}
		before := bytes.Clone(ber)
		der, rest, err := toDER(ber)
		if !bytes.Equal(ber, before) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		if len(der) > len(ber)-len(rest)+3*maxDepth {
			t.Errorf("%d bytes became %d", len(ber), len(der))
		}
		if again, rest, err := toDER(der); err != nil || len(rest) > 0 || !bytes.Equal(again, der) {
			t.Errorf("%x became %x the second time, %v", der, again, err)
		}
		if isDER(ber[:len(ber)-len(rest)], 0) && !bytes.Equal(der, ber[:len(ber)-len(rest)]) {
			t.Errorf("DER %x was changed to %x", ber, der)
		}
		if !isDER(der, 0) && isDER(ber, 0) {
			t.Errorf("%x is not DER", der)
		}
	})
}

// isDER reports whether encoding/asn1 reads one element with all that it contains.
func isDER(b []byte, depth int) bool {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(b, &v)
	if err != nil || len(rest) > 0 || depth > maxDepth {
		return false
	}
	if !v.IsCompound {
		return true
	}
	if v.Class == asn1.ClassUniversal && !constructedTypes[byte(v.Tag)] {
		return false
	}
	for in := v.Bytes; len(in) > 0; {
		var part asn1.RawValue
		if rest, err = asn1.Unmarshal(in, &part); err != nil || !isDER(part.FullBytes, depth+1) {
			return false
		}
		in = rest
	}
	return true
}
