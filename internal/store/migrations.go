package store

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration makes one version of the schema from the version before. It does one of
// three things: it runs NAME.sql and then NAME.ENGINE.sql, if there is one, in one
// transaction; or it fills a column in slices; or it builds an index. A crash leaves
// either the version before, or a fill or an index that the next run completes.
//
// A migration that was released never changes.
type migration struct {
	name string
	says string // what it changes, for the operator: one sentence
	// compatible is the oldest version whose programs can use the schema afterwards. A
	// migration whose own version is higher only expands: it adds what programs of the
	// version before do not notice. Otherwise it contracts, and they must have been
	// stopped or replaced.
	compatible int
	table      string // whose rows it reads or writes, to tell how many there are; may be empty
	fill       *fill
	index      *index
}

// fill changes all rows of a table that need it, some at a time, so that nobody waits
// long for their locks.
type fill struct {
	// slice changes at most $1 rows that need it. In the end it must find none: rows that
	// programs of the version before add meanwhile must not need it, or be few.
	slice string
}

// index is built without keeping writers away, on PostgreSQL outside of a transaction. It
// cannot be one of a partitioned table.
type index struct {
	name, on string // ON table (columns) WHERE …, without the word ON
	unique   bool
}

// create is the statement that builds the index. Only PostgreSQL knows concurrently.
func (x *index) create(concurrently bool) string {
	unique, how := "", ""
	if x.unique {
		unique = "UNIQUE "
	}
	if concurrently {
		how = "CONCURRENTLY "
	}
	return fmt.Sprintf("CREATE %sINDEX %s%s ON %s", unique, how, x.name, x.on)
}

// kind is how a migration goes together with programs of the version before.
type kind string

const (
	expand   kind = "expand"
	contract kind = "contract"
)

// schema is what a program knows: the versions, the first of which is version 1, and
// where their files are.
type schema struct {
	files fs.FS
	list  []migration
}

// newest is the version that this program needs.
func (s schema) newest() int { return len(s.list) }

// kind of the migration that makes a version.
func (s schema) kind(version int) kind {
	if s.list[version-1].compatible < version {
		return expand
	}
	return contract
}

// text is what the migration runs on an engine.
func (s schema) text(m migration, e engine) (string, error) {
	if m.fill != nil || m.index != nil {
		return "", nil
	}
	common, err := fs.ReadFile(s.files, "migrations/"+m.name+".sql")
	if err != nil {
		return "", err
	}
	own, err := fs.ReadFile(s.files, "migrations/"+m.name+"."+string(e)+".sql")
	if errors.Is(err, fs.ErrNotExist) {
		return string(common), nil
	}
	return string(common) + "\n" + string(own), err
}

// latest is the schema of this program. Programs older than version 18 refuse every
// newer schema, so nothing before it is compatible with them.
var latest = schema{migrationFiles, []migration{
	{name: "0001_initial", compatible: 1, says: "Creates the tables of parties, certificates, subscribers, devices and transactions."},
	{name: "0002_services", compatible: 2, table: "transactions", says: "Adds receipts and additional services, and copies all transactions into a new table."},
	{name: "0003_apps", compatible: 3, says: "Adds Apps and invites."},
	{name: "0004_cards", compatible: 4, says: "Adds SIM cards."},
	{name: "0005_issuers", compatible: 5, says: "Adds the issuer to certificates."},
	{name: "0006_consents", compatible: 6, says: "Adds the consents of users."},
	{name: "0007_passwords", compatible: 7, says: "Adds a better hash of the passwords of parties."},
	{name: "0008_verifications", compatible: 8, says: "Adds the evidence of user verification."},
	{name: "0009_ended", compatible: 9, table: "devices", says: "Adds the end of a device."},
	{name: "0010_notices", compatible: 10, says: "Adds the notices to owners of accounts."},
	{name: "0011_limits", compatible: 11, says: "Adds limits to parties."},
	{name: "0012_replaced", compatible: 12, says: "Adds to transactions whether a newer one replaced them."},
	{name: "0013_identities", compatible: 13, says: "Adds names and logos of parties."},
	{name: "0014_party_settings", compatible: 14, says: "Adds settings to parties: receipts without prefix, subject names in Base64."},
	{name: "0015_card_profiles", compatible: 15, says: "Adds profiles to SIM cards."},
	{name: "0016_push_end", compatible: 16, says: "Adds to Apps why their push subscription ended."},
	{name: "0017_instance", compatible: 17, says: "Adds the service to which the database belongs."},
	{name: "0018_compatible", compatible: 18, says: "Adds which programs can use the schema."},
	{name: "0019_outstanding", compatible: 19, table: "transactions", says: "Divides transactions, receipts and evidence by time on PostgreSQL, and copies all of them; adds indexes for retention."},
	{name: "0020_cluster", compatible: 19, says: "Adds what several nodes on one PostgreSQL share: nodes, leases, owners of transactions, open requests to SIM cards."},
}}
