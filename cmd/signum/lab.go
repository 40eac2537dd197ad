//go:build !nolab

package main

import (
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/spf13/cobra"
)

// labCommands run a sandbox and operate its simulated phones and cards. An
// operator's build (-tags nolab) has none of them.
func labCommands() []*cobra.Command {
	return []*cobra.Command{newSandboxCmd(), newSmscCmd(), newPhoneCmd(), newWorldCmd()}
}

// withLab: the commands of the administration work with a sandbox, too.
const withLab = true

const labHelp = `

Start with the sandbox, then sign in another terminal:

  signum sandbox --dir ./box
  signum sign --sandbox ./box +41791000001 "Login to example.com?"

phone controls the simulated phones of a running sandbox, user its users, party
its parties. user also invites a person with a browser and imports SIM cards.
sim moves, blocks and shows SIM cards. world makes isolated worlds for tests.`

// parseState accepts the states of a sandbox's users.
func parseState(text string) (string, error) {
	state, err := scenario.ParseState(text)
	return string(state), err
}
