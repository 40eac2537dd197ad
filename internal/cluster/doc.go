// Package cluster makes the nodes that share a database know of each other: who lives,
// who owns what, and what happened at another node a moment ago.
//
//	             ┌── beat every 2 s ──────────────▶ row of this node ──▶ who lives, what time it is
//	Cluster.Run ─┼── fence, when others are silent ▶ rows of dead nodes ─▶ Lost: others may claim
//	             ├── notices, coalesced ──────────▶ NOTIFY
//	             └── one connection that listens ◀─ NOTIFY ─▶ subscribers; Gap, if notices were lost
//
// The database decides everything: whether a node lives is said by its clock, and what a
// node owns by its rows. A notice is a hint. It may be lost, and code that waits for one
// also looks for itself from time to time.
//
// A node is dead once it was silent for DeadAfter. Another one then fences it: its row
// says so, and what it owned can be claimed. A node that was only paused finds that out
// with its next beat, and joins again under another id. Until then Holds is false: by the
// monotonic clock its lease has ended before others could fence it.
//
// A node whose database nobody else can use (SQLite, a sandbox) has no Cluster: all
// methods of a nil *Cluster work, and say that it is alone.
//
// The package knows nothing of transactions and phones. It imports domain types and event
// logging only.
package cluster
