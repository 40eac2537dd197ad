package edge

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
)

// FuzzGzipped: a body counts as compressed only if one of the names is that of gzip, and a
// refusal can go to a log and to a client.
func FuzzGzipped(f *testing.F) {
	for _, seed := range [][2]string{{"gzip", ""}, {"x-gzip, identity", "UTF-8"}, {"gzip", "GZIP"}, {"br", "<\x00"}, {",", " ,"}, {"aes128gcm", ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		compressed, err := gzipped(http.Header{"Content-Encoding": {first, second}})
		if compressed && !strings.Contains(strings.ToLower(first+","+second), "gzip") {
			t.Errorf("%q, %q", first, second)
		}
		if err == nil {
			return
		}
		flt := signum.AsFault(err)
		if flt == nil || flt.Code != signum.WrongParam || compressed || len(flt.Detail) > 200 || strings.ContainsFunc(flt.Detail, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`<>&"`, r) }) {
			t.Errorf("%q, %q: %v", first, second, err)
		}
	})
}
