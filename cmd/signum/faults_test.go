//go:build !nolab

package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/testkit"
)

const faultsPage = "../../docs/faults.md"

// runFaultsPage provokes every fault with the commands of docs/faults.md. Each code that
// ends a request without a signature has a section, whose commands print it.
func runFaultsPage(t *testing.T, dir string) {
	testkit.Needs(t, "bash", "curl")
	box, err := client.LoadSandbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, apiSetup := testkit.Examples(t, "../../docs/api.md")
	examples, setup := testkit.Examples(t, faultsPage)
	setup = strings.ReplaceAll(apiSetup, "https://127.0.0.1:8443", box.BaseURL) + setup
	provoked := map[string]bool{}
	for _, e := range examples {
		t.Run(fmt.Sprintf("line %d", e.Commands.Line), func(t *testing.T) {
			_ = e.Run(t, dir, setup) // a fault is an error
		})
		code, _, _ := strings.Cut(e.Commands.Heading, " ")
		if regexp.MustCompile(`\b_?` + code + `\b`).MatchString(e.Prints.Text) {
			provoked[e.Commands.Heading] = true
		}
	}
	for code := range signum.Code(1000) {
		if code.Detail() == "" {
			continue
		}
		if name := fmt.Sprintf("%d %s", code, code); !provoked[name] {
			t.Errorf("no commands under %q provoke it", name)
		}
	}
}

// TestFaultsPageDetails: a reader who searches the page for a detail finds it.
func TestFaultsPageDetails(t *testing.T) {
	t.Parallel()
	page := strings.Join(strings.Fields(readPage(t, faultsPage)), " ") // a detail may go over two lines
	source, err := os.ReadFile("../../fault.go")
	if err != nil {
		t.Fatal(err)
	}
	details := regexp.MustCompile(`(?m)^\tDetail\w+ += "(.*?)"`).FindAllStringSubmatch(string(source), -1)
	if len(details) < 8 {
		t.Fatalf("%d details only", len(details))
	}
	want := make([]string, 0, len(details))
	for _, m := range details {
		want = append(want, m[1])
	}
	for code := range signum.Code(1000) {
		want = append(want, code.Detail())
	}
	for _, detail := range want {
		if !strings.Contains(page, detail) {
			t.Errorf("the page does not have %q", detail)
		}
	}
}
