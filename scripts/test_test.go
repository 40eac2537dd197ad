package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// fake is a module whose packages end in all the ways that a run can end. What
// is "once" goes wrong in the first run only.
var fake = map[string]string{
	"go.mod":           "module example.org/fake\n\ngo 1.26\n",
	"good/a_test.go":   "package good\nimport \"testing\"\nfunc TestGood(t *testing.T) {}\n",
	"always/a_test.go": "package always\nimport \"testing\"\nfunc TestAlways(t *testing.T) { t.Fatal(\"no\") }\n",
	"skips/a_test.go":  "package skips\nimport \"testing\"\nfunc TestSkips(t *testing.T) { t.Skip(\"today\") }\n",
	"builds/a_test.go": "package builds\nfunc TestBuilds(t *testing.T) {}\n",
	"panics/a_test.go": "package panics\nimport \"testing\"\nfunc TestPanics(t *testing.T) { panic(\"here\") }\n",
	"once/a_test.go": `package once
import ("os"; "testing")
func TestOnce(t *testing.T) {
	t.Run("sub", func(t *testing.T) {
		if first() {
			t.Fatal("the first run")
		}
	})
}
` + first,
	"many/a_test.go": `package many
import "testing"
func TestA(t *testing.T) { t.Fatal() }
func TestB(t *testing.T) { t.Fatal() }
func TestC(t *testing.T) { t.Fatal() }
func TestD(t *testing.T) { t.Fatal() }
`,
	"races/a_test.go": `package races
import ("os"; "testing")
func TestRaces(t *testing.T) {
	if !first() {
		return
	}
	n, done := 0, make(chan bool)
	go func() { n++; close(done) }()
	n++
	<-done
}
` + first,
	"exits/a_test.go": `package exits
import ("os"; "testing")
func TestExits(t *testing.T) {
	if first() {
		os.Exit(1)
	}
}
func TestBehindIt(t *testing.T) { t.Fatal("never runs") }
` + first,
	"leaks/a_test.go": `package leaks
import ("os"; "testing")
func TestMain(m *testing.M) {
	m.Run()
	if first() {
		println("it leaks")
		os.Exit(1)
	}
}
func TestLeaks(t *testing.T) {}
` + first,
}

const first = `
func first() bool {
	f, err := os.OpenFile("seen", os.O_CREATE|os.O_EXCL, 0o600)
	f.Close()
	return err == nil
}
`

// TestEnd: the last line of a run and its exit status tell the truth. A test
// that fails once is named and does not fail the run. One that fails twice
// does, and so do four at once, which are not run again, and what a second run
// of one test cannot redeem.
func TestEnd(t *testing.T) {
	testkit.Needs(t, "bash", "awk", "gcc")
	script, err := filepath.Abs("test.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		packages string
		ci       string
		fails    bool
		end      string // the last lines, without the time
		says     string // something to find the reason by
	}{
		{name: "passed and skipped", packages: "./good ./skips", end: "DONE 2 tests, 1 skipped, 0 flaky, 0 failures"},
		{name: "skipped in CI", packages: "./skips", ci: "true", fails: true,
			end: "failed: skips.TestSkips, which was skipped / DONE 1 tests, 1 skipped, 0 flaky, 1 failures"},
		{name: "one fails once", packages: "./good ./once", says: "the first run",
			end: "flaky: once.TestOnce/sub / DONE 3 tests, 0 skipped, 1 flaky, 0 failures"},
		{name: "one fails always, another once", packages: "./once ./always", fails: true,
			end: "flaky: once.TestOnce/sub / failed: always.TestAlways / DONE 3 tests, 0 skipped, 1 flaky, 1 failures"},
		{name: "too many", packages: "./once ./many", fails: true,
			end: "failed: many.TestA / failed: many.TestB / failed: many.TestC / failed: many.TestD / " +
				"failed: once.TestOnce/sub / DONE 6 tests, 0 skipped, 0 flaky, 5 failures"},
		{name: "a panic", packages: "./panics", fails: true, says: "panic: here",
			end: "failed: panics.TestPanics / DONE 1 tests, 0 skipped, 0 flaky, 1 failures"},
		{name: "does not build", packages: "./builds", fails: true, says: "undefined: testing",
			end: "failed: builds / DONE 0 tests, 0 skipped, 0 flaky, 1 failures"},
		{name: "a race", packages: "./races", says: "DATA RACE",
			end: "flaky: races.TestRaces / DONE 1 tests, 0 skipped, 1 flaky, 0 failures"},
		{name: "a process that ends early, and a leak", packages: "./exits ./leaks", fails: true, says: "it leaks",
			end: "failed: exits / failed: leaks / DONE 2 tests, 0 skipped, 0 flaky, 2 failures"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), script, strings.Fields(tt.packages)...)
			cmd.Dir = fakeModule(t)
			cmd.Env = append(os.Environ(), "CI="+tt.ci, "TESTJSON=")
			b, err := cmd.CombinedOutput()
			out := string(b)
			if (err != nil) != tt.fails {
				t.Errorf("the run ended with %v, want a failure: %v", err, tt.fails)
			}
			if got := end(out); got != tt.end {
				t.Errorf("the end is %q,\nwant %q", got, tt.end)
			}
			if !strings.Contains(out, tt.says) {
				t.Errorf("%q is not in the output", tt.says)
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}

// end is the last line of the output and the lines before it that name tests.
func end(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if regexp.MustCompile(`^(flaky|failed|DONE)\b`).MatchString(line) {
			lines = append(lines, strings.ReplaceAll(line, "example.org/fake/", ""))
		}
	}
	text, _, _ := strings.Cut(strings.Join(lines, " / "), " in ")
	if !strings.HasPrefix(lastLine(out), "DONE ") {
		text += " / " + lastLine(out)
	}
	return text
}

func lastLine(out string) string {
	out = strings.TrimSpace(out)
	return out[strings.LastIndex(out, "\n")+1:]
}

func fakeModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range fake {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
