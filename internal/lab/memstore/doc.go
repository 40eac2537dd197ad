// Package memstore keeps everything that the service must remember in memory: an mssp.Store for
// the worlds of a sandbox, of which a process has many. An empty one takes a few hundred
// bytes and is made within a microsecond; nothing of it survives the process.
//
// Whatever goes in or comes out is a copy. One lock guards all, because a world has few users and
// each call takes microseconds. The rules about what can be kept are those of package storable,
// which the databases follow, too, and the same conformance suite tests all of them.
//
// The package must not know what its rows mean to the service.
package memstore
