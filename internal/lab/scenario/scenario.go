package scenario

import "github.com/signum-mssp/signum/internal/partydoc"

// Scenario is the content of a scenario file: everything that makes one sandbox differ
// from a new one.
type Scenario struct {
	Users   []User           `json:"users,omitempty" yaml:"users"`
	Parties []partydoc.Party `json:"parties,omitempty" yaml:"parties"`
}
