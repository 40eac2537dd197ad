// Package admin is the administration of a service: its parties, the accounts of its users,
// and their SIM cards.
//
//	command line ─▶ Unix socket of a node ─▶ Handler ─▶ parties, users ─▶ store
//	                                                └─▶ cards          ─▶ provisioning
//
// Who can open the socket may do everything, so the rights of the file decide. The calls are
// for the command line of the same version, and are no contract.
//
// Changes are made in a running node, not in its database, because more depends on them: a
// request that waits for a phone that is gone ends, and the user is told what changed.
//
// The package must not know how the store, the channels or the CA work; it uses them by the
// interfaces in Config.
package admin
