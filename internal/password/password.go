package password

import (
	"fmt"

	"github.com/alexedwards/argon2id"
)

// params follow the recommendation of OWASP for argon2id: 19 MiB, two passes, one
// lane.
var params = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// The largest parameters of a hash that Valid accepts. They bound what one check can
// cost.
const (
	maxMemory     = 256 << 10 // KiB
	maxIterations = 16
)

// Hash returns the argon2id hash of a password in the PHC string format, with a
// new salt.
func Hash(password string) string {
	h, err := argon2id.CreateHash(password, &params)
	if err != nil { // no randomness: crypto/rand never returns an error
		panic(err)
	}
	return h
}

// Valid reports whether h is an argon2id hash that a Checker can use.
func Valid(h string) error {
	p, salt, key, err := argon2id.DecodeHash(h)
	if err != nil {
		return fmt.Errorf("password hash: %w", err)
	}
	if p.Parallelism < 1 || p.Iterations < 1 || p.Iterations > maxIterations || p.Memory > maxMemory || len(salt) < 8 || len(key) < 16 {
		return fmt.Errorf("password hash: m=%d, t=%d, p=%d with a salt of %d and a key of %d bytes are out of range",
			p.Memory, p.Iterations, p.Parallelism, len(salt), len(key))
	}
	return nil
}
