package scenario

// Scenario is the content of a scenario file: everything that makes one sandbox differ
// from a new one.
type Scenario struct {
	Users   []User  `json:"users" yaml:"users,omitempty"`
	Parties []Party `json:"parties" yaml:"parties,omitempty"`
}
