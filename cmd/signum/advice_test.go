package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
)

// TestAdvice: the command line says what to do about every code and every detail that the interface
// documents.
func TestAdvice(t *testing.T) {
	for c := signum.Code(100); c < 1000; c++ {
		said := explain(signum.NewFault(c)).Error()
		if _, advice, ok := strings.Cut(said, "; "); !ok || advice == "" {
			t.Errorf("no advice: %s", said)
		}
		refusal := c.Detail() != "" && c != signum.RequestOK
		if refusal && strings.Contains(said, otherCodes) {
			t.Errorf("nothing about %d %s", int(c), c)
		}
	}
	for name, detail := range details(t) {
		if !slices.ContainsFunc(byDetail, func(d struct {
			code           signum.Code
			detail, advice string
		}) bool {
			return d.detail == detail
		}) {
			t.Errorf("nothing about %s: %q", name, detail)
		}
	}
	for _, tt := range []struct {
		fault signum.Fault
		want  string
	}{
		{signum.Fault{Code: 101, Detail: "Illegal msisdn"}, "101 WRONG_PARAM: Illegal msisdn; give the number with its country code, such as +41791234567, not 079… or 0041…"},
		{signum.Fault{Code: 101, Detail: "Instant differs from the time of the service by more than 5m0s"}, "set the clock"},
		{signum.Fault{Code: 104, Detail: "Wrong SSL credentials"}, "--ap-id and --cert belong together"},
		{signum.Fault{Code: 107}, "must start with the party's prefix"},
		{signum.Fault{Code: 900, Detail: "Too many requests", RetryAfter: 3 * time.Second}, "the next one may succeed in 3s"},
		{signum.Fault{Code: 425}, otherCodes},
	} {
		if said := explain(&tt.fault).Error(); !strings.Contains(said, tt.want) {
			t.Errorf("%q, want %q", said, tt.want)
		}
	}
}

// details returns the texts of the constants Detail… of the root package.
func details(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Detail") {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all[spec.Names[0].Name] = text
		}
		return true
	})
	if len(all) < 8 {
		t.Fatalf("only %d details", len(all))
	}
	return all
}

// commands calls do for each command that does something.
func commands(cmd *cobra.Command, do func(path []string, cmd *cobra.Command)) {
	for _, c := range cmd.Commands() {
		commands(c, do)
		if c.Runnable() && c.Annotations[groupOnly] == "" {
			do(strings.Fields(c.CommandPath())[1:], c)
		}
	}
}

// TestArguments: each command says which arguments it needs, and which are too many, in terms of its
// usage line.
func TestArguments(t *testing.T) {
	word := regexp.MustCompile(`[A-Z]{2,}(_ID)?`)
	commands(newRootCmd(), func(path []string, c *cobra.Command) {
		words := word.FindAllString(strings.Split(c.Use, " | ")[0], -1)
		required := word.FindAllString(strings.Split(strings.Split(c.Use, " | ")[0], "[")[0], -1)
		if len(required) > 0 {
			_, stderr, code := execute(t.Context(), newRootCmd(), "", path...)
			if code != exitLocal || !strings.Contains(stderr, strings.Join(path, " ")+" needs a") || !strings.Contains(stderr, required[0]) || !strings.Contains(stderr, "for example: signum "+strings.Join(path, " ")) {
				t.Errorf("%v: exit %d: %s", path, code, stderr)
			}
		}
		if strings.Contains(c.Use, "...") {
			return // there are never too many
		}
		many := append(slices.Clone(path), slices.Repeat([]string{"x"}, len(words)+1)...)
		if _, stderr, code := execute(t.Context(), newRootCmd(), "", many...); code != exitLocal || !strings.Contains(stderr, strings.Join(path, " ")+" takes ") {
			t.Errorf("%v: exit %d: %s", many, code, stderr)
		}
	})
}

// TestVerifyFields: the help of verify lists the fields that verify prints, and no others.
func TestVerifyFields(t *testing.T) {
	f := newFakeService(t)
	file := filepath.Join(t.TempDir(), "cms.der")
	if err := os.WriteFile(file, f.sign("Test: Hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := make(map[string]bool)
	for _, more := range [][]string{nil, {"--text", "another"}} {
		stdout, stderr, _ := execute(t.Context(), newRootCmd(), "", append([]string{"verify", "--json", "--sandbox", f.dir, file}, more...)...)
		var fields map[string]any
		if err := json.Unmarshal([]byte(stdout), &fields); err != nil {
			t.Fatalf("%v: %s%s", err, stdout, stderr)
		}
		for name := range fields {
			printed[name] = true
		}
	}
	if got, want := helpFields(newVerifyCmd()), slices.Sorted(maps.Keys(printed)); !slices.Equal(got, want) {
		t.Errorf("help lists %q, verify prints %q", got, want)
	}
}

// helpFields returns the fields that the help of a command lists.
func helpFields(cmd *cobra.Command) (all []string) {
	_, help, _ := strings.Cut(cmd.Long, "With --json")
	for _, line := range regexp.MustCompile(`(?m)^  ([a-z_]+(?:, [a-z_]+)*)  `).FindAllStringSubmatch(help, -1) {
		all = append(all, strings.Split(line[1], ", ")...)
	}
	slices.Sort(all)
	return all
}

// TestUnknownCommand: a command that only holds others refuses an unknown word, and prints its help if
// no word follows.
func TestUnknownCommand(t *testing.T) {
	for _, tt := range []struct{ args, code, out, err string }{
		{"user lst", "1", "", `user has no command "lst"; did you mean signum user list?`},
		{"phone ring +41791000001", "1", "", `phone has no command "ring"; see signum phone --help`},
		{"usr", "1", "", `unknown command "usr" for "signum"`},
		{"sandbox exprt", "1", "", "sandbox takes no arguments"},
		{"party", "0", "Usage:\n  signum party [command]\n", ""},
	} {
		stdout, stderr, code := execute(t.Context(), newRootCmd(), "", strings.Fields(tt.args)...)
		if strconv.Itoa(code) != tt.code || !strings.Contains(stdout, tt.out) || !strings.Contains(stderr, tt.err) || tt.out == "" && stdout != "" {
			t.Errorf("%s: exit %d\n%s%s", tt.args, code, stdout, stderr)
		}
	}
}
