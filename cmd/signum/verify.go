package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/client"
)

// maxFile bounds what commands read, in bytes.
const maxFile = 1 << 20

func newVerifyCmd() *cobra.Command {
	var f partyFlags
	var text, at, content, certs string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a signature and show what was signed, by whom and when",
		Long: `Verifies the signature in FILE (- is standard input): the text in it was signed, by
the key of the certificate, and the certificate chains to the root and was valid
at the time of signing. This needs no service. It does not check whether the
certificate was revoked after the signature.

FILE is a CMS in DER or BER, by itself or in PEM, Base64 or S/MIME, of Signum or of
another service. RSA (PKCS #1 v1.5 or PSS) and ECDSA are accepted, with SHA-256,
SHA-384 or SHA-512. A signature that states no time, as those of the public
service of Swisscom, is checked at the present time; once its certificate has
expired, say with --at when it came. A signature that does not contain what was
signed needs --content.

The root of the users' certificates comes from --user-ca, or from a sandbox's
directory (--sandbox, or the environment variable ` + envSandbox + `).

` + verifyJSONHelp + `

` + exitCodesHelp,
		Example: `  signum verify --sandbox ./box login.der
  signum verify --user-ca root.pem --text "Example: Login?" login.der
  signum verify --user-ca root.pem --at 2026-03-14T15:09:26Z login.der
  jq -r .cms result.json | signum verify --sandbox ./box -`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := f.loadTrust()
			if err != nil {
				return err
			}
			if args[0] == "-" && content == "-" {
				return errors.New("FILE and --content cannot both be standard input")
			}
			o, err := verifyOptions(cmd, at, content, certs)
			if err != nil {
				return err
			}
			signature, err := readFile(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			var want *string
			if cmd.Flags().Changed("text") {
				want = &text
			}
			var r result
			failed := r.verify(signature, o, t, want)
			if asJSON || failed == nil {
				if err := r.print(cmd.OutOrStdout(), asJSON); err != nil {
					return err
				}
			}
			return failed
		},
	}
	f.registerTrust(cmd)
	fl := cmd.Flags()
	fl.StringVar(&text, "text", "", "the text that must have been signed")
	fl.StringVar(&at, "at", "", "time at which the certificates must be valid, such as 2026-03-14T15:09:26Z; default the signing time, else now")
	fl.StringVar(&content, "content", "", "file with what was signed, for a signature that does not contain it")
	fl.StringVar(&certs, "certs", "", "more certificates (PEM): intermediates, or the signer's, if the signature does not contain them")
	fl.BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

// verifyOptions makes options of flags; those that are empty have no effect.
func verifyOptions(cmd *cobra.Command, at, content, certs string) (o client.VerifyOptions, err error) {
	if at != "" {
		if o.At, err = time.Parse(time.RFC3339, at); err != nil {
			return o, fmt.Errorf("--at %q is not a time such as 2026-03-14T15:09:26Z", at)
		}
	}
	if content != "" {
		if o.Content, err = readFile(cmd.InOrStdin(), content); err != nil {
			return o, fmt.Errorf("--content: %w", err)
		}
	}
	if certs != "" {
		if o.Certificates, err = readCertificates(certs); err != nil {
			return o, fmt.Errorf("--certs: %w", err)
		}
	}
	return o, nil
}

// readCertificates reads a PEM file.
func readCertificates(name string) (all []*x509.Certificate, err error) {
	data, err := readFile(nil, name)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, c)
	}
	if all == nil {
		return nil, fmt.Errorf("%s holds no certificate in PEM", name)
	}
	return all, nil
}

// readFile reads a file that is named on the command line; - is standard input.
func readFile(stdin io.Reader, name string) ([]byte, error) {
	in := stdin
	if name != "-" || stdin == nil {
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
