package main

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// maxFile bounds what commands read, in bytes.
const maxFile = 1 << 20

func newVerifyCmd() *cobra.Command {
	var f partyFlags
	var text string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a signature and show what was signed, by whom and when",
		Long: `Verifies the CMS in FILE (DER, PEM or Base64; - is standard input): the text in it
was signed, by the key of the certificate, and the certificate chains to the root
and was valid at the time of signing. This needs no service. It does not check
whether the certificate was revoked after the signature.

The root of the users' certificates comes from --user-ca, or from a sandbox's
directory (--sandbox, or the environment variable ` + envSandbox + `).

` + jsonHelp + `

` + exitCodesHelp,
		Example: `  signum verify --sandbox ./box login.der
  signum verify --user-ca root.pem --text "Example: Login?" login.der
  jq -r .cms result.json | signum verify --sandbox ./box -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := f.loadTrust()
			if err != nil {
				return err
			}
			der, err := readDER(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			var want *string
			if cmd.Flags().Changed("text") {
				want = &text
			}
			r := result{CMS: der}
			failed := r.verify(t, want)
			if asJSON || failed == nil {
				if err := r.print(cmd.OutOrStdout(), asJSON); err != nil {
					return err
				}
			}
			return failed
		},
	}
	f.registerTrust(cmd)
	cmd.Flags().StringVar(&text, "text", "", "the text that must have been signed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

// readDER reads a file and removes PEM or Base64. DER starts with a SEQUENCE
// (0x30), which is the digit 0 as text. Data that decodes as Base64 is taken for Base64.
func readDER(stdin io.Reader, name string) ([]byte, error) {
	data, err := readFile(stdin, name)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil {
		return block.Bytes, nil
	}
	if der, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data))); err == nil && len(der) > 0 {
		return der, nil
	}
	return data, nil
}

// readFile reads a file that is named on the command line; - is standard input.
func readFile(stdin io.Reader, name string) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return data, err
}
