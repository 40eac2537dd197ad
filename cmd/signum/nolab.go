//go:build nolab

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func labCommands() []*cobra.Command { return nil }

const (
	withLab = false
	labHelp = ""
)

// parseState accepts the states of accounts.
func parseState(text string) (string, error) {
	state := strings.ToUpper(text)
	if state != "ACTIVE" && state != "SUSPENDED" {
		return "", fmt.Errorf("state %q: not one of active, suspended", text)
	}
	return state, nil
}

func labTarget(string) *target { return nil }
