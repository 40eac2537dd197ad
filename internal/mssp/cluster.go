package mssp

import (
	"context"
	"errors"
	"time"
)

// ClusterNode is one of the nodes that share a database, from its start to its end.
// Times are those of the database.
type ClusterNode struct {
	ID      string    `json:"id"`      // random, another one for each start
	Name    string    `json:"name"`    // of its place: the same after a restart
	Address string    `json:"address"` // of its listener for application providers
	Version string    `json:"version"` // of its program
	Slot    int       `json:"slot"`    // from 0, unique among the living nodes
	Started time.Time `json:"started"`
	Beat    time.Time `json:"beat"` // when it was last known to live
}

// Beat is what a node learns when it says that it lives.
type Beat struct {
	Now    time.Time     // of the database
	Others []ClusterNode // that are not fenced, in the order of their ids
}

// Errors of a ClusterStore.
var (
	// ErrFenced means that other nodes took this node for dead. It owns nothing any more.
	ErrFenced = errors.New("other nodes have taken this one for dead")
	// ErrSlots means that there are as many living nodes as there may be.
	ErrSlots = errors.New("there are too many nodes")
)

// MaxNodes is how many nodes may share a database.
const MaxNodes = 16

// ClusterStore is what the nodes need of the database that they share. They agree by its
// clock. It is there on PostgreSQL only.
type ClusterStore interface {
	// Join adds a node, and returns its slot. If it takes its place over, earlier nodes of
	// the same name have ended, and are fenced. ErrSlots.
	Join(ctx context.Context, n ClusterNode, takeOver bool) (slot int, err error)
	// Beat records that a node lives. ErrFenced.
	Beat(ctx context.Context, id string) (Beat, error)
	// Fence fences the other nodes whose last beat is older than that, and returns how many
	// it fenced. It forgets those that were fenced an hour ago.
	Fence(ctx context.Context, id string, older time.Duration) (int, error)
	// Leave fences the node itself, so that others can claim at once what it owned.
	Leave(ctx context.Context, id string) error
	// Notify sends notices to all nodes that listen, this one included; each has less than
	// 8,000 bytes.
	Notify(ctx context.Context, notices []string) error
	// Listen calls ready once it listens, then heard for each notice, until the connection
	// fails or ctx ends. It always returns an error.
	Listen(ctx context.Context, ready func(), heard func(notice string)) error
	// TakeLease makes owner the one that does the work of this name, for that time. The
	// epoch grows with each change of the owner; it is 0 if another one has the lease.
	TakeLease(ctx context.Context, name, owner string, d time.Duration) (epoch int64, err error)
	// NextNumber returns a number of this name that is higher than all before, whichever node
	// got them, and at least that.
	NextNumber(ctx context.Context, name string, least int64) (int64, error)
}

// OwnedTransactions is what nodes need to go on with the transactions of others.
type OwnedTransactions interface {
	// ClaimTransactions makes a node the owner of at most limit outstanding transactions
	// whose owners are fenced or unknown, and returns those that can be read. n is how
	// many it claimed. Those without an owner, which a program of the version before
	// inserted, are left alone until they are older than orphan, one-time passwords for
	// good. A node that is fenced gets nothing.
	ClaimTransactions(ctx context.Context, node string, orphan time.Duration, limit int) (list []*Transaction, n int, err error)
}
