//go:build linux

// Crowd lets very many requests for signatures wait at one node at a time, and looks
// whether each of them ends as it must.
//
//	crowd ─┬─▶ crowd node   a node with its phones: SIMs on an emulated network, and Apps that
//	       │                are enrolled and never connect
//	       └─ parties       synchronous requests over a few hundred connections of HTTP/2
//
// The requests go to as many users, half with a SIM and half with an App. Some users of SIMs
// approve after a while, all others never answer. While all requests wait, each party asks
// for more than it may have open, and another party goes on with requests to users who
// approve at once. At the end
//
//   - each request has had one answer: 500 if its user approves, otherwise 208
//   - a request beyond the limit of its party got 900 with Retry-After
//   - the requests of the other party were all answered with 500
//   - the database has each request once, with the code that its party was told, and nothing
//     is outstanding
//
// The test of this package is a small crowd on a machine that may be busy: there a card may
// be reached too late, and 900 is no outcome if the database has one.
//
// It prints how long things took, and what a waiting request costs in memory and files;
// no figure makes it fail.
//
// It knows the service as its parties do, and its table of transactions. Users are
// written into the store of the node, because enrolling so many would take longer than all
// the rest.
package main
