//go:build !nolab

package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/scenario"
)

const scenarioPath = "scenario"

// readScenario reads a scenario file. Certificates that it names are beside it.
func readScenario(file string) (*scenario.Scenario, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return scenario.Parse(file, data, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		return os.ReadFile(name)
	})
}

func newSandboxExportCmd() *cobra.Command {
	var f controlFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print users and parties of a running sandbox as a scenario file",
		Long: `Prints what the users and parties of a running sandbox have that those of a new
one do not, as a scenario file (YAML). "signum sandbox --scenario FILE" starts a
sandbox with the same. Certificates of parties are in the file, and of their
passwords the hashes. What "signum phone set" changed is not; "signum user set"
changes what is kept.

` + controlExitCodes,
		Example: `  signum sandbox export --sandbox ./box > demo.yaml
  signum sandbox --dir ./other --scenario demo.yaml`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var text []byte
			err := f.send(cmd.Context(), controlCall{
				method: http.MethodGet, path: scenarioPath, timeout: client.DefaultRequestTimeout, limit: 2 * scenario.MaxSize,
			}, &text)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	f.register(cmd)
	return cmd
}

func newSandboxApplyCmd() *cobra.Command {
	var f controlFlags
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Give a running sandbox the users and parties of a scenario file",
		Long: `Adds the users and parties of a scenario file to a running sandbox, or puts them
in the place of those with the same number or AP_ID. Others stay. A file with a
fault changes nothing, and all its faults are printed with their lines.

` + controlExitCodes,
		Example: `  signum sandbox apply --sandbox ./box demo.yaml`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := readScenario(args[0])
			if err != nil {
				return err
			}
			text, err := s.Format()
			if err != nil {
				return err
			}
			return f.send(cmd.Context(), controlCall{
				method: http.MethodPut, path: scenarioPath, contentType: "application/yaml", body: bytes.NewReader(text), size: int64(len(text)),
				limit: maxControlAnswer,
			}, nil)
		},
	}
	f.register(cmd)
	return cmd
}
