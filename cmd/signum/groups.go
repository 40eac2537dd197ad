package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// groupOnly marks commands that do nothing but hold others.
const groupOnly = "group"

// refuseUnknown lets commands that only hold others refuse an unknown word. By itself, cobra
// prints their help and the program exits with 0.
func refuseUnknown(root *cobra.Command) {
	eachCommand(root, func(c *cobra.Command) {
		if c == root || c.Runnable() || !c.HasSubCommands() {
			return
		}
		c.Annotations = map[string]string{groupOnly: "true"}
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		}
	})
}

func unknownCommand(group *cobra.Command, word string) error {
	name := strings.TrimPrefix(group.CommandPath(), "signum ")
	group.SuggestionsMinimumDistance = 2
	hint := "see signum " + name + " --help"
	if near := group.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean signum " + name + " " + near[0] + "?"
	}
	return fmt.Errorf("%s has no command %q; %s", name, word, hint)
}
