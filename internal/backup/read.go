package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Verify reads an archive to its end and checks that everything is there as it was
// written. Its error names the member that is not.
func Verify(ctx context.Context, r io.Reader, progress Progress) (*Manifest, error) {
	type seen struct{ name, sum string }
	var all []seen
	var manifest *Manifest
	rows := int64(0)
	err := members(ctx, r, func(name string, data []byte) (err error) {
		if manifest != nil {
			return fmt.Errorf("%s comes after the manifest", name)
		}
		if name == manifestName {
			manifest, err = parseManifest(data)
			return err
		}
		sum := sha256.Sum256(data)
		all = append(all, seen{name, hex.EncodeToString(sum[:])})
		if rows += int64(bytes.Count(data, []byte("\n"))); progress != nil {
			progress(name, rows)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if manifest == nil {
		return nil, errors.New("it is not complete: manifest.json, its last member, is missing")
	}
	for i, m := range manifest.Members {
		if i >= len(all) || all[i].name != m.Name {
			return nil, fmt.Errorf("the member %s is missing", m.Name)
		}
		if all[i].sum != m.SHA256 {
			return nil, fmt.Errorf("the member %s was changed or is damaged", m.Name)
		}
	}
	if len(all) > len(manifest.Members) {
		return nil, fmt.Errorf("the member %s is not in the manifest", all[len(manifest.Members)].name)
	}
	return manifest, nil
}

// members calls each for the members of an archive, in their order.
func members(ctx context.Context, r io.Reader, each func(name string, data []byte) error) error {
	packed, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("it is not an archive of signum backup: %w", err)
	}
	defer packed.Close()
	t := tar.NewReader(packed)
	last := "the beginning"
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, packed) // reads the checksum of gzip
		} else if err == nil {
			err = member(t, h, each)
		}
		if err != nil {
			return fmt.Errorf("after %s: %w", last, err)
		}
		if h == nil {
			return nil
		}
		last = h.Name
	}
}

func member(t *tar.Reader, h *tar.Header, each func(string, []byte) error) error {
	limit := int64(maxMember)
	if h.Name == manifestName {
		limit = maxManifest
	}
	if h.Typeflag != tar.TypeReg || h.Size > limit {
		return fmt.Errorf("the member %q is not one that signum backup writes", h.Name)
	}
	data, err := io.ReadAll(t)
	if err != nil {
		return fmt.Errorf("the member %s is damaged: %w", h.Name, err)
	}
	return each(h.Name, data)
}

// lines calls each for the rows of a member, already checked against its sum.
func (m *Manifest) lines(member Member, data []byte, each func(row []any) error) error {
	columns := m.table(member.Table).Columns
	n := int64(0)
	for line := range bytes.Lines(data) {
		row, err := parseRow(line, columns)
		if err == nil {
			n++
			err = each(row)
		}
		if err != nil {
			return fmt.Errorf("the member %s, row %d: %w", member.Name, n+1, err)
		}
	}
	if n != member.Rows {
		return fmt.Errorf("the member %s has %d rows instead of %d", member.Name, n, member.Rows)
	}
	return nil
}
