package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// TestOperations walks through docs/operations.md as a new operator, on both engines.
func TestOperations(t *testing.T) {
	t.Parallel()
	for engine, url := range map[string]string{"sqlite": "sqlite:signum.db", "postgres": pgtest.URL(t)} {
		t.Run(engine, func(t *testing.T) {
			scripts(t, "testdata/operations", engine, url)
		})
	}
}

// TestOperationsCommands: operations.txtar runs every command of docs/operations.md, in its order.
func TestOperationsCommands(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(filepath.Join("testdata", "operations", "operations.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	rest := string(script)
	commands := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(readPage(t, "../../docs/operations.md"), -1) {
		for line := range strings.Lines(block[1]) {
			if !strings.HasPrefix(line, "signum ") {
				continue
			}
			commands++
			want := "\nexec " + strings.NewReplacer(`"`, "", "mss.example.com", "$MSS").Replace(line)
			at := strings.Index(rest, want)
			if at < 0 {
				t.Errorf("operations.txtar does not run, after the commands before it:\n%s", line)
				continue
			}
			rest = rest[at+len(want)-1:]
		}
	}
	if commands < 12 {
		t.Errorf("%d commands only", commands)
	}
}
