// Package storable says what a Store keeps and what it refuses: which texts, states and
// combinations of members. All implementations of the port share these rules, so that what
// one of them takes, the others take, too.
//
// The package must not know how anything is stored. Its errors begin with "store: ".
package storable
