package scenario

// Scenario is the content of a scenario file: everything that makes one sandbox differ
// from a new one.
type Scenario struct {
	Users   []User  `json:"users,omitempty" yaml:"users"`
	Parties []Party `json:"parties,omitempty" yaml:"parties"`
}
