package mssp

import "time"

// Instance is a service: what a database and the files beside it must have in common. A
// database that is opened with the CA or the master key of another service would get
// certificates that its users' parties do not trust, and counters for cards whose keys
// cannot be read.
type Instance struct {
	ID      string // random, for people
	Created time.Time
	// RootCA is the SHA-256 of the certificate of the root, lower-case hex.
	RootCA string
	// MasterKey recognises the key that wraps the keys of cards, without telling anything
	// about it; empty: no such key has been used.
	MasterKey string
}

// Ties are what a database knows about the service to which it belongs.
type Ties struct {
	// Instance is nil for a database that is new, or that was last used by a version
	// without instances. Then the other fields tell.
	Instance *Instance
	// Issuer is the key identifier of the CA that issued one of the certificates that are
	// valid, lower-case hex; empty: there is no such certificate.
	Issuer string
	// Cards are some of the cards, with their wrapped keys.
	Cards []Card
}
