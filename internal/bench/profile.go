package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

const module = "github.com/signum-mssp/signum"

// libraries are listed separately from the packages that call them.
var libraries = []struct{ prefix, name string }{
	{"crypto/internal/fips140/nistec", "P-256"}, {"crypto/internal/fips140/ecdsa", "P-256"}, {"crypto/internal/fips140/edwards25519", "P-256"},
	{"crypto/internal/fips140/aes", "AES"}, {"crypto/tls", "TLS"}, {"modernc.org/", "SQLite"}, {"database/sql", "SQLite"},
	{"runtime.gcBgMarkWorker", "garbage collection"}, {"runtime.bgsweep", "garbage collection"}, {"runtime.gcAssist", "garbage collection"},
	{"internal/runtime/syscall", "system calls"}, {"syscall.", "system calls"},
}

// breakdown prints the CPU time of a profile by package of this module, including the calls
// that the package makes, and by library.
func breakdown(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	packages, libs := make(map[string]int64), make(map[string]int64)
	var all int64
	for _, s := range p.Sample {
		v := s.Value[len(s.Value)-1]
		all += v
		packages[packageOf(s)] += v
		if l := libraryOf(s); l != "" {
			libs[l] += v
		}
	}
	if all == 0 {
		return fmt.Errorf("%s: no samples", path)
	}
	shares("by package", packages, all)
	shares("of it", libs, all)
	return nil
}

func shares(title string, by map[string]int64, all int64) {
	names := make([]string, 0, len(by))
	for n := range by {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return int(by[b] - by[a]) })
	fmt.Printf("CPU %s:", title)
	for _, n := range names {
		if share := 100 * float64(by[n]) / float64(all); share >= 0.5 {
			fmt.Printf("  %s %.1f %%", n, share)
		}
	}
	fmt.Println()
}

// frames calls f with the functions of a sample, innermost first, until f returns true.
func frames(s *profile.Sample, f func(name string) bool) {
	for _, loc := range s.Location {
		for _, line := range loc.Line {
			if line.Function != nil && f(line.Function.Name) {
				return
			}
		}
	}
}

// packageOf returns the innermost package of this module in a sample.
func packageOf(s *profile.Sample) string {
	pkg := "none (runtime, net/http, database/sql)"
	frames(s, func(name string) bool {
		rest, in := strings.CutPrefix(name, module)
		if !in {
			return false
		}
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "/internal"), "/")
		pkg, _, _ = strings.Cut(rest, ".")
		if pkg == "" {
			pkg = "signum"
		}
		return true
	})
	return pkg
}

// libraryOf returns the innermost known library, if there is one.
func libraryOf(s *profile.Sample) (lib string) {
	frames(s, func(name string) bool {
		for _, l := range libraries {
			if strings.HasPrefix(name, l.prefix) {
				lib = l.name
				return true
			}
		}
		return false
	})
	return lib
}
