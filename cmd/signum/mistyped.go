//go:build !nolab

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const environmentHelp = `Every flag can be a variable of the environment, in capitals: SIGNUM_PKI_ADDR for
--pki-addr. The flag takes precedence, and an empty variable does not count. Several
values of a repeatable flag are separated by semicolons, or stand in lines.`

// mistyped says which variables look like a typing error of one of a command's flags.
func mistyped(flags *pflag.FlagSet, environ []string) (hints []string) {
	known := new(cobra.Command)
	flags.VisitAll(func(f *pflag.Flag) {
		known.AddCommand(&cobra.Command{Use: variable(f.Name)[len(envPrefix):], Run: func(*cobra.Command, []string) {}})
	})
	others := []string{envSandbox, envPassword}
	for _, name := range partyVariables {
		others = append(others, variable(name))
	}
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		typed, ok := strings.CutPrefix(name, envPrefix)
		if !ok || flags.Lookup(strings.ToLower(strings.ReplaceAll(typed, "_", "-"))) != nil || slices.Contains(others, name) {
			continue
		}
		// One wrong letter of a short name, or SIGNUM_PORT, which Kubernetes sets for a
		// service of this name, would look like SIGNUM_HOST.
		known.SuggestionsMinimumDistance = min(2, len(typed)/3)
		if near := known.SuggestionsFor(typed); len(near) > 0 {
			hints = append(hints, fmt.Sprintf("the variable %s sets nothing; did you mean %s%s?", name, envPrefix, near[0]))
		}
	}
	slices.Sort(hints)
	return hints
}
