package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/node"
)

func newCACmd() *cobra.Command {
	cmd := &cobra.Command{Use: "ca", Short: "Make the CA of the users' certificates, and the CRL of its root"}
	cmd.AddCommand(newCACreateCmd(), newCACRLCmd())
	return cmd
}

func newCACreateCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a root and an issuing CA, once, before the first start",
		Long: `Makes the CA that signs the certificates of the users, as the section ca of the
configuration describes it, in its directory: a root, which application providers
trust, and below it the issuing CA, which a node uses. Run it as the user of the
service. It never replaces a CA.

The key of the root is needed again only for "signum ca crl", once a year. Move it to a safe place, away from this
machine; a node works without it.`,
		Example: `  signum ca create --config signum.yaml`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Open(configFile(file), os.Environ())
			if err != nil {
				return err
			}
			root, key, err := node.CreateCA(loaded.Config, time.Now())
			if err != nil {
				return loaded.Locate(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n  SHA-256 %x\n  until   %s\nMove %s to a safe place, away from this machine.\n",
				root.Subject, sha256.Sum256(root.Raw), root.NotAfter.Format(time.DateOnly), key)
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func newCACRLCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "crl",
		Short: "Sign the CRL of the root for another year",
		Long: `Signs a new CRL of the root, which is valid for a year, and writes it to the
directory of the CA. The key of the root must be there: put it back for this
command, and take it away again. A node serves the new CRL from its next start on.

The CRL of the issuing CA is not concerned: a node signs that itself.`,
		Example: `  signum ca crl --config signum.yaml`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Open(configFile(file), os.Environ())
			if err != nil {
				return err
			}
			until, err := node.RenewRootCRL(loaded.Config, time.Now())
			if err != nil {
				return loaded.Locate(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The CRL of the root is valid until %s. Restart the nodes, and take the key away.\n", until.Format(time.DateOnly))
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}
