package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envPrefix begins the variables that set flags.
const envPrefix = "SIGNUM_"

// withEnvironment lets variables set the flags of a command, or those with the names if
// there are any, unless --sandbox is given. Errors name the variable whose value is wrong.
func withEnvironment(cmd *cobra.Command, names ...string) {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		set, err := setFromEnvironment(cmd.Flags(), names)
		if err != nil {
			return err
		}
		return inTermsOf(set, run(cmd, args))
	}
}

// setFromEnvironment sets the flags that were not given, and returns their names.
func setFromEnvironment(flags *pflag.FlagSet, names []string) (set []string, err error) {
	if len(names) > 0 && flags.Changed("sandbox") {
		return nil, nil
	}
	flags.VisitAll(func(f *pflag.Flag) {
		text := os.Getenv(variable(f.Name))
		if err != nil || f.Changed || text == "" || f.Name == "help" || len(names) > 0 && !slices.Contains(names, f.Name) {
			return
		}
		for _, value := range valuesOf(f, text) {
			if e := flags.Set(f.Name, value); e != nil {
				if cause := errors.Unwrap(e); cause != nil {
					e = cause // without the name of the flag
				}
				err = fmt.Errorf("$%s: %w", variable(f.Name), e)
			}
		}
		set = append(set, f.Name)
	})
	return set, err
}

// variable names the variable of a flag.
func variable(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// valuesOf splits the variable of a repeatable flag: at line ends if it has any, otherwise
// at semicolons. A comma can be part of a value.
func valuesOf(f *pflag.Flag, text string) (values []string) {
	if _, list := f.Value.(pflag.SliceValue); !list && f.Value.Type() != "stringToString" {
		return []string{text}
	}
	separator := ";"
	if strings.Contains(text, "\n") {
		separator = "\n"
	}
	for part := range strings.SplitSeq(text, separator) {
		if part = strings.TrimLeft(part, " \t\r"); part != "" {
			values = append(values, strings.TrimRight(part, "\r"))
		}
	}
	return values
}

// inTermsOf lets an error name the variables in place of the flags that they set.
func inTermsOf(set []string, err error) error {
	if err == nil || len(set) == 0 {
		return err
	}
	text := err.Error()
	for _, name := range set {
		text = regexp.MustCompile(`--`+name+`\b([^-]|$)`).ReplaceAllString(text, "$$"+variable(name)+"$1")
	}
	return &toldError{text: text, err: err}
}
