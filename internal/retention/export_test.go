package retention

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/durable"
)

// set is what a store exports: transactions with these ids, and then perhaps an error.
func set(err error, ids ...string) func(func(string, []byte) error) error {
	return func(add func(string, []byte) error) error {
		for _, id := range ids {
			if err := add(id, fmt.Appendf(nil, `{"id":%q,"dtbd":"Pay?"}`, id)); err != nil {
				return err
			}
		}
		return err
	}
}

// exportedFiles are the lines of all files in a directory, by name.
func exportedFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range found {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for line := range strings.Lines(string(text)) {
			ids = append(ids, strings.Split(line, `"`)[3])
		}
		all[e.Name()] = strings.Join(ids, " ")
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	return all
}

// Whenever a set comes again, each of its transactions is in one file, once.
func TestExport(t *testing.T) {
	full := errors.New("disk full")
	for _, tt := range []struct {
		name  string
		sets  []func(func(string, []byte) error) error
		wrote []int // transactions; -1: an error
		want  map[string]string
	}{
		{"once", []func(func(string, []byte) error) error{set(nil, "a", "b")}, []int{2}, map[string]string{"s.jsonl.gz": "a b"}},
		{"again after a crash", []func(func(string, []byte) error) error{set(nil, "a", "b"), set(nil, "a", "b")}, []int{2, 0},
			map[string]string{"s.jsonl.gz": "a b"}},
		{"a part of it again", []func(func(string, []byte) error) error{set(nil, "a", "b"), set(nil, "b"), set(nil)}, []int{2, 0, 0},
			map[string]string{"s.jsonl.gz": "a b"}},
		{"with another row", []func(func(string, []byte) error) error{set(nil, "a", "b"), set(nil, "b", "c"), set(nil, "c", "b", "d")}, []int{2, 1, 1},
			map[string]string{"s.jsonl.gz": "a b", "s.2.jsonl.gz": "c", "s.3.jsonl.gz": "d"}},
		{"a failure leaves nothing", []func(func(string, []byte) error) error{set(full, "a", "b"), set(nil, "a", "b")}, []int{-1, 2},
			map[string]string{"s.jsonl.gz": "a b"}},
		{"nothing to export", []func(func(string, []byte) error) error{set(nil)}, []int{0}, map[string]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "made")
			for i, rows := range tt.sets {
				e, err := newExporter(dir) // as after a restart
				if err != nil {
					t.Fatal(err)
				}
				n, err := e.write("s", rows)
				if (err != nil) != (tt.wrote[i] < 0) || err == nil && n != tt.wrote[i] {
					t.Errorf("step %d: wrote %d, %v", i, n, err)
				}
			}
			if got := exportedFiles(t, dir); !maps.Equal(got, tt.want) {
				t.Errorf("files: %v", got)
			}
		})
	}
}

// What a crash left is removed; a file that is damaged is no reason to delete anything.
func TestExportDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, durable.Prefix+"1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := newExporter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if err := os.WriteFile(filepath.Join(dir, "s.jsonl.gz"), []byte("no gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.write("s", set(nil, "a")); err == nil || !strings.Contains(err.Error(), "s.jsonl.gz") {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := newExporter(filepath.Join(dir, "s.jsonl.gz")); err == nil {
		t.Error("a file was taken for a directory")
	}
}

// Partitions go only if they were exported; other rows go up to the time to which they were.
func TestExportComesFirst(t *testing.T) {
	b := &backlog{rows: 3 * slice, set: set(nil, "a")}
	dir := t.TempDir()
	j, err := New(Config{Store: b, Evidence: 1, Export: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.order, []string{"partitions", "drop exported", "rest", "purge", "purge", "purge", "purge", "rest"}) {
		t.Errorf("order: %v", b.order)
	}
	if s := j.Stats(); s.Exported != 2 || s.ExportFailures != 0 || !b.before.Equal(spanEnd) {
		t.Errorf("%+v, purged before %v", s, b.before)
	}
	b.rows, b.order, b.set = slice, nil, set(errors.New("disk full"), "b")
	if err := j.round(t.Context()); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a failure: %v", err)
	}
	if s := j.Stats(); s.ExportFailures != 2 || b.rows != slice || slices.Contains(b.order, "purge") {
		t.Errorf("%+v; %d rows left; %v", s, b.rows, b.order)
	}
}
