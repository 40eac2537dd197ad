package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store"
)

const (
	format        = "signum-backup"
	formatVersion = 1
	manifestName  = "manifest.json"

	maxManifest = 64 << 20
	maxMember   = 16 << 20 // a member is in memory as a whole
	memberSize  = 2 << 20  // at which the writer begins another one
)

// Manifest describes an archive.
type Manifest struct {
	Format        string `json:"format"`
	FormatVersion int    `json:"format_version"`
	Program       string `json:"program"` // the version that wrote it
	Engine        string `json:"engine"`
	// Schema is the version of the schema.
	Schema   int            `json:"schema"`
	Instance *mssp.Instance `json:"instance"` // null: the database belongs to nobody yet
	Created  time.Time      `json:"created"`  // when the snapshot began
	Tables   []TableRows    `json:"tables"`   // each after those that it refers to
	Members  []Member       `json:"members"`
}

// TableRows is a table of an archive.
type TableRows struct {
	store.Table
	Rows int64 `json:"rows"`
}

// Member is a file of an archive, with rows of one table.
type Member struct {
	Name   string `json:"name"`
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// parseManifest reads a manifest, and refuses what the writer does not write.
func parseManifest(data []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	switch {
	case m.Format != format:
		return nil, errors.New("it is not a backup of Signum")
	case m.FormatVersion != formatVersion:
		return nil, fmt.Errorf("its format is of version %d, this program knows version %d: use a newer program", m.FormatVersion, formatVersion)
	case m.Schema < 1 || m.Created.IsZero():
		return nil, fmt.Errorf("%s: version or time is missing", manifestName)
	}
	rows := make(map[string]int64)
	for _, t := range m.Tables {
		if _, twice := rows[t.Name]; twice || !identifier.MatchString(t.Name) || len(t.Columns) == 0 || t.Rows < 0 {
			return nil, fmt.Errorf("%s: table %q is wrong", manifestName, t.Name)
		}
		rows[t.Name] = t.Rows
		for _, c := range t.Columns {
			if !identifier.MatchString(c.Name) {
				return nil, fmt.Errorf("%s: column %q is wrong", manifestName, c.Name)
			}
		}
	}
	for _, x := range m.Members {
		left, known := rows[x.Table]
		if !known || x.Rows < 0 || left < x.Rows {
			return nil, fmt.Errorf("%s: member %q is wrong", manifestName, x.Name)
		}
		rows[x.Table] = left - x.Rows
	}
	for _, t := range m.Tables {
		if rows[t.Name] != 0 {
			return nil, fmt.Errorf("%s: %d rows of %s are in no member", manifestName, rows[t.Name], t.Name)
		}
	}
	return &m, nil
}

// Rows is how many there are in all.
func (m *Manifest) Rows() (n int64) {
	for _, t := range m.Tables {
		n += t.Rows
	}
	return n
}

func (m *Manifest) table(name string) *TableRows {
	for i := range m.Tables {
		if m.Tables[i].Name == name {
			return &m.Tables[i]
		}
	}
	return nil
}
