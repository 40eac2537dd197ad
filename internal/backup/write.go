package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/signum-mssp/signum/internal/store"
)

// Progress hears how many rows are done.
type Progress func(table string, rows int64)

// Write writes an archive of a database. It takes its own time: a slow reader of w keeps
// the snapshot open, but makes nobody wait. program is the version of this program.
func Write(ctx context.Context, w io.Writer, url, program string, progress Progress) (*Manifest, error) {
	began := time.Now().UTC().Truncate(time.Second)
	s, err := store.OpenSnapshot(ctx, url)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	packed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	a := &writer{tar: tar.NewWriter(packed), progress: progress, manifest: Manifest{
		Format: format, FormatVersion: formatVersion, Program: program, Engine: s.Engine, Schema: s.Version, Instance: s.Instance, Created: began,
	}}
	for _, t := range s.Tables {
		if err := a.table(ctx, s, t); err != nil {
			return nil, err
		}
	}
	text, err := json.MarshalIndent(&a.manifest, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := a.member(manifestName, text); err != nil {
		return nil, err
	}
	if err := a.tar.Close(); err != nil {
		return nil, err
	}
	return &a.manifest, packed.Close()
}

// writer is an archive that is being written.
type writer struct {
	tar      *tar.Writer
	progress Progress
	manifest Manifest

	lines []byte // of the next member
	rows  int64
	done  int64 // rows of the whole archive
}

func (a *writer) table(ctx context.Context, s *store.Snapshot, t store.Table) error {
	a.manifest.Tables = append(a.manifest.Tables, TableRows{Table: t})
	rows := &a.manifest.Tables[len(a.manifest.Tables)-1].Rows
	err := s.Rows(ctx, t, func(values []any) (err error) {
		if a.lines, err = appendRow(a.lines, values); err != nil {
			return err
		}
		a.rows++
		*rows++
		if len(a.lines) > maxMember {
			return fmt.Errorf("a row of %d bytes", len(a.lines))
		}
		if len(a.lines) < memberSize {
			return nil
		}
		return a.flush(t.Name)
	})
	if err != nil {
		return err
	}
	return a.flush(t.Name)
}

// flush writes the lines that are due as a member.
func (a *writer) flush(table string) error {
	if a.rows == 0 {
		return nil
	}
	sum := sha256.Sum256(a.lines)
	name := fmt.Sprintf("%s/%06d.jsonl", table, len(a.manifest.Members)+1)
	if err := a.member(name, a.lines); err != nil {
		return err
	}
	a.manifest.Members = append(a.manifest.Members, Member{Name: name, Table: table, Rows: a.rows, SHA256: hex.EncodeToString(sum[:])})
	a.done += a.rows
	if a.progress != nil {
		a.progress(table, a.done)
	}
	a.lines, a.rows = a.lines[:0], 0
	return nil
}

func (a *writer) member(name string, data []byte) error {
	h := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: a.manifest.Created, Format: tar.FormatPAX}
	if err := a.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err := a.tar.Write(data)
	return err
}
