package rest

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"testing"
)

func TestWholeNumber(t *testing.T) {
	for number, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "0e999999": "0", "-0.000E-99999999999999999999": "0",
		"1": "1", "1.0": "1", "1e0": "1", "1E+0": "1", "10e-1": "1", "0.1e1": "1", "0.00001e5": "1",
		"80": "80", "80.000": "80", "8e1": "80", "8E+01": "80", "0.8e2": "80", "8000e-2": "80",
		"1e2": "100", "1.2e2": "120", "99999": "99999", "9.9999e4": "99999", "99999" + strings.Repeat("0", 1000) + "e-1000": "99999",
		"1.5": "", "0.5": "", "15e-1": "", "1e-1": "", "12e-99999999": "", "-1": "", "-80.0": "", "100000": "", "1e5": "", "99999.1": "",
		"1e99": "", "1e999999": "", "1e99999999999999999999": "", "1e-99999999999999999999": "", "1e9223372036854775807": "", "1e-9223372036854775808": "",
		"0.1e9223372036854775807": "", "99999.00000000000000000000000000000000001": "",
		"": "", " 80": "", "80 ": "", "80\n": "", "080": "", "+80": "", "80.": "", ".8e2": "", "0x50": "", "8_0": "", "８０": "", "NaN": "", "true": "", "1e": "", "--1": "",
	} {
		if got, ok := wholeNumber(number); got != want || ok != (want != "") {
			t.Errorf("%.60q: %q %v, want %q", number, got, ok, want)
		}
	}
}

// FuzzWholeNumber: the result is what exact arithmetic says.
func FuzzWholeNumber(f *testing.F) {
	for _, seed := range []string{"80", "8e1", "80.0", "0.08e3", "-0", "1e400", "99999.5", "100000", "08"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, number string) {
		got, ok := wholeNumber(number)
		if ok {
			if n, err := strconv.Atoi(got); err != nil || n < 0 || n > 99_999 || strconv.Itoa(n) != got {
				t.Fatalf("%q: %q", number, got)
			}
		}
		var token json.Number
		if json.Unmarshal([]byte(number), &token) != nil || string(token) != number {
			if ok {
				t.Fatalf("%q is no number", number)
			}
			return
		}
		_, power, _ := strings.Cut(strings.ToLower(number), "e")
		if n, err := strconv.Atoi(power); power != "" && (err != nil || n > 1000 || n < -1000) {
			return // exact arithmetic would take too much memory
		}
		exact, _ := new(big.Rat).SetString(number)
		if want := exact.IsInt() && exact.Sign() >= 0 && exact.Cmp(big.NewRat(99_999, 1)) <= 0; ok != want || ok && exact.RatString() != got {
			t.Fatalf("%q: %q %v, want %v", number, got, ok, exact)
		}
	})
}
