package main

import (
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// columns is the width of a terminal that has not been made larger.
const columns = 80

// addFit guards the functions of templates, which all commands of the process share.
var addFit sync.Once

// fitHelp makes the help of a command and of all below it fit a terminal. Examples stay as
// they are, because they are for copying.
func fitHelp(cmd *cobra.Command) {
	addFit.Do(func() { cobra.AddTemplateFunc("fit", fit) })
	cmd.SetHelpTemplate(`{{with (or .Long .Short)}}{{fit . | trimTrailingWhitespaces}}

{{end}}{{if or .Runnable .HasSubCommands}}{{.UsageString}}{{end}}`)
	eachCommand(cmd, func(c *cobra.Command) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "\n", " ") })
	})
	cmd.SetUsageTemplate(strings.NewReplacer(
		".FlagUsages ", ".FlagUsagesWrapped 80 ", "{{if .Runnable}}", "{{if and .Runnable (not .Annotations."+groupOnly+")}}",
	).Replace(cmd.UsageTemplate()))
}

func eachCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		eachCommand(c, do)
	}
}

// fit breaks the lines of a text that are too long. Paragraphs flow; in a table, which is
// indented, the rest of a line goes below its last column.
func fit(text string) string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		out = append(out, strings.Join(fitParagraph(strings.Split(paragraph, "\n")), "\n"))
	}
	return strings.Join(out, "\n\n")
}

func fitParagraph(lines []string) (out []string) {
	flowing := -1 // where the lines begin that still flow into each other
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, " "):
			flowing = -1
			out = append(out, wrap(line, hanging(line))...)
		case flowing >= 0:
			flow := strings.Join(append(out[flowing:], line), " ")
			out = append(out[:flowing], wrap(flow, 0)...)
		default:
			flowing = len(out)
			out = append(out, wrap(line, 0)...)
		}
	}
	return out
}

var lastColumn = regexp.MustCompile(`^ +(?:\S+(?: \S+)*  +)?`)

// hanging is the column at which the text of a table's line begins.
func hanging(line string) int { return utf8.RuneCountInString(lastColumn.FindString(line)) }

// wrap breaks a line between words. The lines after the first are indented.
func wrap(line string, indent int) (out []string) {
	for utf8.RuneCountInString(line) > columns {
		runes := []rune(line)
		at := columns
		for at > indent && runes[at] != ' ' {
			at--
		}
		if at <= indent {
			break // one long word
		}
		out = append(out, strings.TrimRight(string(runes[:at]), " "))
		line = strings.Repeat(" ", indent) + strings.TrimLeft(string(runes[at:]), " ")
	}
	return append(out, line)
}
