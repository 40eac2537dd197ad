package store

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every file of migrations belongs to one, and every migration has what it needs.
func TestMigrationFiles(t *testing.T) {
	files, err := fs.Glob(latest.files, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, m := range latest.list {
		names = append(names, m.name)
		if !strings.HasPrefix(m.name, fmt.Sprintf("%04d_", i+1)) {
			t.Errorf("%s is version %d", m.name, i+1)
		}
		if m.says == "" || !strings.HasSuffix(m.says, ".") || strings.Contains(m.says, "\n") {
			t.Errorf("%s: %q is not a sentence for the operator", m.name, m.says)
		}
		if m.compatible < 1 || m.compatible > i+1 || i > 0 && m.compatible < latest.list[i-1].compatible && latest.kind(i+1) == contract {
			t.Errorf("%s: compatible with %d", m.name, m.compatible)
		}
		if own := slices.Contains(files, "migrations/"+m.name+".sql"); own == (m.fill != nil || m.index != nil) {
			t.Errorf("%s has a file: %v", m.name, own)
		}
	}
	for _, file := range files {
		name, engine, own := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".sql"), ".")
		if own && engine != string(sqlite) && engine != string(postgres) {
			t.Errorf("%s is for no engine", file)
		}
		if !slices.Contains(names, name) {
			t.Errorf("%s is never run", file)
		}
	}
}

// narrowing is what programs of the version before would notice, or what makes
// them wait for long.
var narrowing = regexp.MustCompile(`(?i)\b(DROP|RENAME|TRUNCATE|DELETE|TYPE|SET\s+NOT\s+NULL|LOCK)\b|\bNOT\s+NULL\b(?:[^,;()]|\([^)]*\))*?[,;)]`)

// expandsOnly returns what a migration has that does not only expand, or nothing. Tables
// that it makes itself may have whatever they need.
func expandsOnly(text string) string {
	text = regexp.MustCompile(`--[^\n]*`).ReplaceAllString(text, "")
	var made []string
	for _, m := range regexp.MustCompile(`(?i)CREATE TABLE\s+(?:IF NOT EXISTS\s+)?(\w+)`).FindAllStringSubmatch(text, -1) {
		made = append(made, m[1])
	}
	for statement := range strings.SplitSeq(text, ";") {
		words := strings.Fields(statement)
		if len(words) < 3 || strings.EqualFold(words[0], "CREATE") || strings.EqualFold(words[0], "ALTER") && slices.Contains(made, words[2]) {
			continue
		}
		for _, found := range narrowing.FindAllString(statement+";", -1) {
			if strings.Contains(strings.ToUpper(found), "DEFAULT") {
				continue // a column that programs of the version before need not know
			}
			return found
		}
	}
	return ""
}

// A migration that says that programs of the version before can go on does nothing that
// they would notice.
func TestExpandingMigrations(t *testing.T) {
	for i, m := range latest.list {
		for _, e := range []engine{sqlite, postgres} {
			text, err := latest.text(m, e)
			if err != nil {
				t.Fatal(err)
			}
			if found := expandsOnly(text); found != "" && latest.kind(i+1) == expand {
				t.Errorf("%s for %s only expands, but has %s", m.name, e, found)
			}
		}
	}
	for text, narrows := range map[string]bool{
		"ALTER TABLE a ADD COLUMN b text;":                                          false,
		"ALTER TABLE a ADD COLUMN b text NOT NULL DEFAULT '';":                      false,
		"ALTER TABLE a ADD COLUMN b text NOT NULL DEFAULT '', ADD COLUMN c text;":   false,
		"ALTER TABLE a ADD COLUMN b text NOT NULL;":                                 true,
		"ALTER TABLE a ADD COLUMN b text NOT NULL CHECK (b > 0), ADD COLUMN c int;": true,
		"CREATE TABLE a (b text NOT NULL); ALTER TABLE a ALTER COLUMN b TYPE c;":    false,
		"CREATE TABLE a (b text NOT NULL); ALTER TABLE c ALTER COLUMN b TYPE c;":    true,
		"ALTER TABLE a DROP COLUMN b;":                                              true,
		"alter table a rename to b;":                                                true,
		"ALTER TABLE a ALTER b SET NOT NULL;":                                       true,
		"DROP INDEX a;":                                                             true,
		"-- does not DROP anything\nUPDATE a SET b = 1;":                            false,
	} {
		if found := expandsOnly(text); (found != "") != narrows {
			t.Errorf("%s: found %q", text, found)
		}
	}
}
