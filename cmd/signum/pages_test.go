//go:build !nolab

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/testkit"
)

const sandboxPage = "../../docs/sandbox.md"

// listed returns what matches in the first cells of the table under a heading.
func listed(t *testing.T, page, heading, pattern string) (names []string) {
	t.Helper()
	_, text, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("no section %s", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.HasPrefix(line, "|") {
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(first, -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}

// same compares two lists without regard to their order.
func same(t *testing.T, what string, documented, real []string) {
	t.Helper()
	slices.Sort(documented)
	slices.Sort(real)
	if !slices.Equal(documented, real) {
		t.Errorf("%s: the page has\n%s\nthe sandbox has\n%s", what, strings.Join(documented, " "), strings.Join(real, " "))
	}
}

// TestPages runs what documents show against one sandbox, one page after the other.
func TestPages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "box")
	said := startSandbox(t, "--dir", dir, "--phone-delay", "10ms", "--min-timeout", "1s")
	t.Run("picture", func(t *testing.T) { checkPicture(t, asInstalled(strings.ReplaceAll(said, dir, recordedDir))) })
	t.Run("sandbox.md", func(t *testing.T) { checkSandboxPage(t, dir) })
	for _, page := range []string{"ci.md", "sandbox.md", "control.md", "real-service.md"} {
		t.Run(page+" examples", func(t *testing.T) { runPage(t, page, dir) })
	}
	t.Run("examples", func(t *testing.T) { runExamples(t, dir) })
	t.Run("faults.md", func(t *testing.T) { runFaultsPage(t, dir) })
}

// recordedDir is the directory in which "make picture" records.
const recordedDir = "/tmp/demo/box"

// asInstalled returns the output of this test as that of a program in the path.
func asInstalled(said string) string {
	return regexp.MustCompile(`(?m)^  .* (sign --sandbox \S+)(?: \\\n   )? \+`).ReplaceAllString(said, "  signum $1 +")
}

// README's picture shows what a sandbox says when it starts, apart from the example, whose
// lines depend on how long each step takes, and from numbers.
func checkPicture(t *testing.T, said string) {
	shape := func(text string) (lines []string) {
		for line := range strings.Lines(text) {
			line = regexp.MustCompile(`\d+|MIDCHE\w+`).ReplaceAllString(strings.TrimRight(line, "\n"), "0")
			if lines = append(lines, line); strings.HasPrefix(line, "ready ") {
				break
			}
		}
		return slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, " ms  ") })
	}
	recording := regexp.MustCompile(`(?m)^[\d.]+\t`).ReplaceAllString(readPage(t, "../../docs/img/first-minute.txt"), "")
	_, recording, _ = strings.Cut(recording, "\n") // the command
	if diff := cmp.Diff(shape(recording), shape(said)); diff != "" {
		t.Errorf("run make picture; recorded (-), printed (+):\n%s", diff)
	}
}

// runPage runs the examples of a page, from top to bottom.
func runPage(t *testing.T, page, box string) {
	testkit.Needs(t, "bash", "curl")
	examples, setup := testkit.Examples(t, filepath.Join("../../docs", page))
	dir := t.TempDir()
	for _, e := range examples {
		t.Run(fmt.Sprintf("line %d", e.Commands.Line), func(t *testing.T) {
			_ = e.Run(t, dir, "export SIGNUM_SANDBOX="+box+"\n"+setup) // an example may end with a fault
		})
	}
	if len(examples) == 0 {
		t.Error("no examples")
	}
}

// The tables of docs/sandbox.md list every flag, behaviour, file, party and user.
func checkSandboxPage(t *testing.T, dir string) {
	page := readPage(t, sandboxPage)
	var flags, behaviours []string
	newSandboxCmd().Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	same(t, "flags", listed(t, page, "Flags", "^`--([a-z-]+)"), flags)
	for _, a := range person.Actions() {
		behaviours = append(behaviours, a.String())
	}
	same(t, "behaviours", listed(t, page, "What users do", "^`([a-z-]+)`"), behaviours)

	var states []string
	for _, state := range scenario.States() {
		states = append(states, state.Flag())
	}
	same(t, "states", listed(t, page, "Users of your own", "^`([a-z-]+)`"), states)

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files, parties, users []string
	for _, e := range entries {
		files = append(files, e.Name())
	}
	same(t, "files", listed(t, page, "Files", "`([\\w.-]+)/?`"), files)
	box, err := sandbox.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range box.Parties {
		parties = append(parties, p.APID)
	}
	same(t, "parties", listed(t, page, "Parties", "^`(mid://[^`]+)`"), parties)
	for _, u := range box.Users {
		users = append(users, u.MSISDN)
	}
	documented := listed(t, page, "Users", `(\+\d+)`)
	same(t, "users", slices.DeleteFunc(documented, func(n string) bool { return strings.HasPrefix(n, "+41000092") }), users)
}

// Every command line of the documents names a command and flags that exist.
func TestDocumentedCommands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("../../examples/*/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range append(append(pages, scripts...), "../../README.md", "../../examples/README.md") {
		text := strings.ReplaceAll(readPage(t, file), "\\\n", " ")
		for _, m := range regexp.MustCompile(`(?m)^(?:    |\t|)(?:\w+=\$\()?(?:bin/)?signum ([a-z].*)$`).FindAllStringSubmatch(text, -1) {
			ran++
			if err := parses(words(m[1])); err != nil {
				t.Errorf("%s: signum %s: %v", file, m[1], err)
			}
		}
	}
	if ran < 40 {
		t.Errorf("only %d commands", ran)
	}
}

// parses reports whether the program knows the command and its flags.
func parses(args []string) error {
	cmd, rest, err := newRootCmd().Find(args)
	if err != nil {
		return err
	}
	if !cmd.Runnable() {
		return fmt.Errorf("%s is no command", cmd.CommandPath())
	}
	cmd.SetOut(io.Discard)
	return cmd.ParseFlags(rest)
}

// words splits a command as a shell does, as far as its first operator or comment.
func words(command string) (list []string) {
	for _, m := range regexp.MustCompile(`((?:'[^']*'|"[^"]*"|[^\s'"|&;<>#)]|\$\([^)]*\))+)|([|&;<>#)])`).FindAllStringSubmatch(command, -1) {
		if m[2] != "" {
			break
		}
		list = append(list, strings.NewReplacer(`'`, "", `"`, "").Replace(m[1]))
	}
	return list
}
