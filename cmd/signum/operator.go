package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/mssp"
)

// The exit codes of the commands that operators run on a database.
const (
	exitExpand   = 3 // of migrate --plan
	exitContract = 4
)

// loadConfig reads the configuration that --config names, and prints its warnings.
func loadConfig(cmd *cobra.Command, flag string) (*config.Config, error) {
	c, warnings, err := config.Load(configFile(flag), os.Environ())
	for _, w := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "signum: warning:", w)
	}
	return c, err
}

// refuseForeign returns an error if a database with these ties belongs to another service
// than the configuration. One that belongs to nobody yet needs no CA.
func refuseForeign(c *config.Config, known mssp.Ties) error {
	files, err := instance.FilesOf(c)
	if err != nil {
		return err
	}
	_, _, err = files.Match(known, time.Now())
	if instance.IsMissing(err) {
		return files.MayCreate(known)
	}
	return err
}
