// Package password hashes the passwords of parties (AP_PWD) and checks them.
//
//	Hash ─▶ $argon2id$… ─▶ the row of the party
//	Check: remembered? ─▶ the same verdict
//	       otherwise   ─▶ failed tries left? ─▶ argon2id ─▶ remember
//
// Argon2id is slow on purpose, and a party sends its password with every call.
// A Checker therefore remembers each verdict for some minutes, as an HMAC under a
// key that the process makes when it starts. The HMAC covers the hash, so that a
// changed password is checked again at once.
//
// A wrong password is remembered, too. A client with a wrong configuration repeats
// the same one; it costs no computation and no try, and does not lock out other
// clients of the party. Only different wrong passwords, as in an attempt to guess,
// use up the tries.
//
// The package must not know parties or stores.
package password
