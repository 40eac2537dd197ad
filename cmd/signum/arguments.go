package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// argumentsOfUse checks the arguments of a command against its usage line: words in
// capitals, in brackets those that may be absent, and with dots the last one, of which there may
// be any number.
func argumentsOfUse(cmd *cobra.Command, args []string) error {
	var needed, optional []string
	for _, word := range strings.Fields(cmd.Use)[1:] {
		if name, ok := strings.CutPrefix(word, "["); ok {
			optional = append(optional, strings.TrimSuffix(name, "]"))
		} else {
			needed = append(needed, word)
		}
	}
	if n := len(optional); n > 0 && strings.HasSuffix(optional[n-1], "...") && len(args) > len(needed)+n {
		args = args[:len(needed)+n]
	}
	return checkArguments(cmd, args, needed, optional)
}

func checkArguments(cmd *cobra.Command, args, needed, optional []string) error {
	name := strings.TrimPrefix(cmd.CommandPath(), "signum ")
	most := len(needed) + len(optional)
	switch {
	case len(args) < len(needed):
		return fmt.Errorf("%s needs %s; for example: %s", name, list(needed), exampleOf(cmd, name))
	case len(args) > most && most == 0:
		return fmt.Errorf("%s takes no arguments, but got %q; see signum %s --help", name, args[0], name)
	case len(args) > most:
		return fmt.Errorf("%s takes %s, and no %q; put a text with spaces in quotes, for example: %s", name, list(append(needed, optional...)), args[most], exampleOf(cmd, name))
	}
	for i, word := range needed {
		if args[i] == "" {
			return errors.New(name + " needs " + list(needed) + ": the " + word + " is empty")
		}
	}
	return nil
}

// list joins names with their article: a NUMBER and a TEXT.
func list(names []string) string {
	var b strings.Builder
	for i, n := range names {
		switch {
		case i > 0 && i == len(names)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		article := "a "
		if strings.ContainsRune("AEIOM", rune(n[0])) && !strings.HasPrefix(n, "ME") { // an MSISDN, an ICCID
			article = "an "
		}
		b.WriteString(article + n)
	}
	return b.String()
}

// exampleOf returns the first line of the examples that runs the command, without its
// comment.
func exampleOf(cmd *cobra.Command, name string) string {
	for line := range strings.Lines(cmd.Example) {
		if i := strings.Index(line, "signum "+name+" "); i >= 0 && !strings.HasSuffix(line, "\\\n") {
			line, _, _ = strings.Cut(line[i:], "  #")
			return strings.TrimSpace(line)
		}
	}
	return "signum " + name + strings.TrimPrefix(cmd.Use, cmd.Name())
}
