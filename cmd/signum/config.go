package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/node"
)

func newConfigCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Print or check the configuration of a node"}
	cmd.AddCommand(newConfigExampleCmd(), newConfigCheckCmd())
	return cmd
}

func newConfigExampleCmd() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "example",
		Short: "Print a configuration with every key, its default and what it is for",
		Long: `Prints a configuration for "signum serve" with every key, its default and what it
is for. Keys without a default are commented out; those marked "required" must be
set. A file is made with mode 0600, and never replaced.`,
		Example: `  signum config example --output signum.yaml`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == "" {
				_, err := cmd.OutOrStdout().Write(config.Example())
				return err
			}
			f, err := os.OpenFile(output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return fmt.Errorf("--output: %w", err)
			}
			_, err = f.Write(config.Example())
			return errors.Join(err, f.Close())
		},
	}
	cmd.Flags().StringVar(&output, "output", "", "file to write; default standard output")
	return cmd
}

func newConfigCheckCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration, and what it names",
		Long: `Checks a configuration and what it names, and prints each fault on a line: the
file, the line or the variable ($SIGNUM_…), the key, and what to do. It checks the
keys and their values, the files of secrets, certificates and keys, the directory of
the CA, and the form of the database's URL. It opens no address and no database; run
it as the user of the service, who must be able to read the files. Warnings are about
what works and may surprise, such as a certificate that ends within 30 days.

FILE is by default $` + envConfig + `, or ` + defaultConfig + `.

Exit codes:
  0  no fault; there may be warnings
  1  a fault, or wrong usage`,
		Example: `  signum config check signum.yaml
  signum config check --json /etc/signum/signum.yaml`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := configFile("")
			if len(args) > 0 {
				file = args[0]
			}
			found := checkConfig(file, os.Environ(), time.Now())
			if asJSON {
				return found.json(cmd.OutOrStdout())
			}
			return found.text(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one object: file, ok, faults, warnings")
	return cmd
}

// finding is one line of a check.
type finding struct {
	Source string `json:"source,omitempty"` // the file, or "environment"
	Line   int    `json:"line,omitempty"`
	Key    string `json:"key,omitempty"`
	Text   string `json:"text"`
	whole  string
}

// findings are what a check found.
type findings struct {
	File     string    `json:"file"`
	OK       bool      `json:"ok"`
	Faults   []finding `json:"faults"`
	Warnings []finding `json:"warnings"`
}

// checkConfig checks what can be checked without starting.
func checkConfig(file string, environ []string, now time.Time) *findings {
	f := &findings{File: file, Faults: []finding{}, Warnings: []finding{}}
	loaded, err := config.Open(file, environ)
	for _, cause := range config.Faults(err) {
		f.Faults = append(f.Faults, findingOf(cause))
	}
	for _, w := range loaded.Warnings {
		f.Warnings = append(f.Warnings, findingOf(w))
	}
	if err == nil {
		faults, warnings := node.Check(loaded.Config, now)
		for _, p := range faults {
			f.Faults = append(f.Faults, findingOf(config.Advise(loaded.Locate(p))))
		}
		for _, p := range warnings {
			f.Warnings = append(f.Warnings, findingOf(loaded.Locate(p)))
		}
	}
	f.OK = len(f.Faults) == 0
	return f
}

func findingOf(err error) finding {
	p, ok := errors.AsType[*config.Problem](err)
	if !ok {
		return finding{Text: err.Error(), whole: err.Error()}
	}
	return finding{Source: p.Source, Line: p.Line, Key: p.Path, Text: p.Text, whole: err.Error()}
}

// err ends a check that has said what is wrong.
func (f *findings) err() error {
	if f.OK {
		return nil
	}
	if len(f.Faults) == 1 {
		return fmt.Errorf("%s has a fault", f.File)
	}
	return fmt.Errorf("%s has %d faults", f.File, len(f.Faults))
}

func (f *findings) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil {
		return err
	}
	return f.err()
}

func (f *findings) text(w io.Writer) error {
	for _, x := range f.Faults {
		fmt.Fprintln(w, printable(x.whole))
	}
	for _, x := range f.Warnings {
		fmt.Fprintln(w, "warning:", printable(x.whole))
	}
	if f.OK {
		fmt.Fprintf(w, "%s: ok\n", f.File)
	}
	return f.err()
}
