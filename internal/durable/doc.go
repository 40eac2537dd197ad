// Package durable writes files that survive a crash and a power cut, and keeps a second
// process out of a directory.
//
// A file is replaced as a whole: a reader, and the next start after a crash, finds the old
// content or the new one. The content is on disk before the file gets its name, and the name is on
// disk before Write returns. A process that is killed in between leaves a file whose name
// begins with Prefix, which Clean removes.
//
// The package must not know what is in the files.
package durable
