package signum_test

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fixed are the versions of modules in which published weaknesses were fixed. This is a
// floor that needs no network; `make vulncheck` asks the database of Go.
var fixed = []struct{ module, version, advisory string }{
	{"github.com/golang-jwt/jwt/v5", "v5.2.2", "CVE-2025-30204"},
	{"github.com/go-jose/go-jose/v4", "v4.0.5", "CVE-2025-27144"},
	{"github.com/getkin/kin-openapi", "v0.131.0", "CVE-2025-30153"},
	{"github.com/jackc/pgx/v5", "v5.5.4", "CVE-2024-27304"},
	{"golang.org/x/crypto", "v0.45.0", "CVE-2025-47914, CVE-2025-58181"},
	{"golang.org/x/text", "v0.3.8", "CVE-2022-32149"},
	{"google.golang.org/protobuf", "v1.33.0", "CVE-2024-24786"},
}

// A scanner stops at a module with a published weakness, whether it can be reached or
// not. All modules that are linked in are in go.mod.
func TestAttackKnownAdvisory(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) (v\S+)`).FindAllStringSubmatch(string(text), -1) {
		required[m[1]] = m[2]
	}
	for _, f := range fixed {
		switch v, ok := required[f.module]; {
		case !ok:
			t.Errorf("%s is no longer required: remove its row", f.module)
		case older(v, f.version):
			t.Errorf("%s %s has %s: fixed in %s", f.module, v, f.advisory, f.version)
		}
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{{"v5.2.1", "v5.2.2", true}, {"v5.2.2", "v5.2.2", false}, {"v5.10.0", "v5.9.9", false}, {"v0.9.0", "v0.45.0", true}, {"v2.0.0", "v1.9.9", false}} {
		if older(c.a, c.b) != c.want {
			t.Errorf("%s older than %s: %t", c.a, c.b, !c.want)
		}
	}
}

// older compares release versions. A pre-release counts as its release.
func older(a, b string) bool {
	numbers := func(v string) (list []int) {
		v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "-")
		for part := range strings.SplitSeq(v, ".") {
			n, _ := strconv.Atoi(part)
			list = append(list, n)
		}
		return list
	}
	return slices.CompareFunc(numbers(a), numbers(b), cmp.Compare) < 0
}
