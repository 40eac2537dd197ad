package testkit

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Block is a fenced code block of a page.
type Block struct {
	Line       int
	Info, Text string // what follows the fence, and the lines between the fences
	Heading    string // the last one above the block, without its number signs
}

// Blocks returns the code blocks of a page in Markdown.
func Blocks(t testing.TB, file string) []Block {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []Block
	var open *Block
	heading := ""
	for i, line := range strings.Split(string(data), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &Block{Line: i + 1, Info: info, Heading: heading}
		case fence:
			list, open = append(list, *open), nil
		case open != nil:
			open.Text += line + "\n"
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimLeft(line, "# ")
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block does not end", file, open.Line)
	}
	return list
}

// Example is a block of commands and the block with what they print.
type Example struct{ Commands, Prints Block }

// Examples returns the blocks ```sh of a page, each with the block ```text that must
// follow it, and the text of all blocks ```sh setup.
func Examples(t testing.TB, file string) (examples []Example, setup string) {
	t.Helper()
	list := Blocks(t, file)
	for i, b := range list {
		switch b.Info {
		case "sh setup":
			setup += b.Text
		case "sh":
			if i+1 == len(list) || list[i+1].Info != "text" {
				t.Fatalf("%s:%d: nothing says what the example prints", file, b.Line)
			}
			examples = append(examples, Example{b, list[i+1]})
		}
	}
	return examples, setup
}

// Run runs the commands in bash, as a reader would. Each line that they should print must
// match one that they do print; "…" matches anything. The error is that of the last command.
func (e Example) Run(t testing.TB, dir, setup string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "set -u\n"+setup+e.Commands.Text)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(e.Prints.Text) {
		line = strings.TrimSuffix(line, "\n")
		var parts []string
		for part := range strings.SplitSeq(line, "…") {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		if !regexp.MustCompile(strings.Join(parts, ".*?")).Match(out) {
			t.Errorf("line %d does not print: %s\nbut: %s\n%v", e.Commands.Line, line, out, err)
		}
	}
	return err
}
