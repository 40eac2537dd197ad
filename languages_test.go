package signum_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/lang"
)

// Every table of texts, in Go, JSON or JavaScript, has every language of
// internal/lang, and there is no other list of languages. The test finds the tables in
// the sources, so that a new one cannot be forgotten.
func TestLanguages(t *testing.T) {
	found := map[string]int{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(path)
		switch {
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "node_modules" || name == "internal/store/storetest"):
			return filepath.SkipDir
		case d.IsDir(), strings.HasSuffix(name, "_test.go"), name == "internal/lang/lang.go":
		case strings.HasSuffix(name, ".go"):
			n, faults := goTables(t, path)
			report(t, name, faults)
			found["go"] += n
		case d.Name() == "words.js":
			rows, faults := wordsJS(readFile(t, path))
			report(t, name, faults)
			if rows > 0 {
				found["words.js"]++
			}
		case filepath.Base(filepath.Dir(path)) == "lang" && strings.HasSuffix(name, "/"+lang.Default+".json"):
			report(t, filepath.Dir(name), jsonTables(t, filepath.Dir(path)))
			found["json"]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The tables of today. Without this, a kind of table that the test no longer
	// recognises would pass silently.
	for form, least := range map[string]int{"go": 2, "words.js": 2, "json": 1} {
		if found[form] < least {
			t.Errorf("%d tables of the form %s were found, want at least %d", found[form], form, least)
		}
	}
	// The contract lists the languages for application providers.
	last := len(lang.All) - 1
	said := strings.Join(lang.All[:last], ", ") + " or " + lang.All[last]
	if wsdl := readFile(t, "api/signum.wsdl"); strings.Count(wsdl, said) != 2 {
		t.Errorf("api/signum.wsdl does not say %q twice", said)
	}
}

func report(t *testing.T, name string, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Errorf("%s: %s", name, f)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// goTables finds the composite literals of a file that have languages as keys, and
// reports what they lack. It also reports any list of two or more languages.
func goTables(t *testing.T, path string) (n int, faults []string) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		lit, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		values, listed := map[string]ast.Expr{}, 0
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				if l, ok := literal(kv.Key); ok && slices.Contains(lang.All, l) {
					values[l] = kv.Value
				}
			} else if l, ok := literal(e); ok && slices.Contains(lang.All, l) {
				listed++
			}
		}
		at := fset.Position(lit.Pos()).Line
		if listed > 1 {
			faults = append(faults, fmt.Sprintf("line %d is a second list of languages: use lang.All", at))
		}
		if len(values) > 1 {
			n++
			for _, lack := range lacking(values) {
				faults = append(faults, fmt.Sprintf("line %d: %s", at, lack))
			}
		}
		return true
	})
	return n, faults
}

func literal(e ast.Expr) (string, bool) {
	b, ok := e.(*ast.BasicLit)
	if !ok || b.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(b.Value)
	return s, err == nil
}

// lacking compares the entries of a table, of which each is a text or a struct of
// texts.
func lacking(values map[string]ast.Expr) (lacks []string) {
	texts, keys := map[string]map[string]string{}, map[string]bool{}
	for l, v := range values {
		texts[l] = map[string]string{}
		if s, ok := literal(v); ok {
			texts[l][""], keys[""] = s, true
			continue
		}
		lit, ok := v.(*ast.CompositeLit)
		if !ok {
			return []string{"an entry is neither a text nor a struct of texts"}
		}
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				if s, ok := literal(kv.Value); ok {
					key := fmt.Sprint(kv.Key)
					texts[l][key], keys[key] = s, true
				}
			}
		}
	}
	for _, l := range lang.All {
		for key := range keys {
			if texts[l][key] == "" {
				lacks = append(lacks, fmt.Sprintf("no text %q in %s", key, l))
			}
		}
	}
	return lacks
}

// jsonTables compares the files of a directory, one for each language.
func jsonTables(t *testing.T, dir string) (faults []string) {
	t.Helper()
	texts, keys := map[string]map[string]string{}, map[string]bool{}
	for _, l := range lang.All {
		texts[l] = map[string]string{}
		b, err := os.ReadFile(filepath.Join(dir, l+".json"))
		if err == nil {
			var m map[string]string
			err = json.Unmarshal(b, &m)
			texts[l] = m
		}
		if err != nil {
			faults = append(faults, err.Error())
		}
		for key := range texts[l] {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for _, l := range lang.All {
			if strings.TrimSpace(texts[l][key]) == "" {
				faults = append(faults, fmt.Sprintf("no text %q in %s", key, l))
			}
		}
	}
	return faults
}

var (
	jsList = regexp.MustCompile(`(?m)^export const languages = \[([^\]]*)\];$`)
	jsRow  = regexp.MustCompile(`(?m)^  (\w+): \[`)
)

// wordsJS reads a table of the form "key: ['…', '…'],", a text for each language.
func wordsJS(source string) (rows int, faults []string) {
	if m := jsList.FindStringSubmatch(source); m != nil {
		if want := "'" + strings.Join(lang.All, "', '") + "'"; m[1] != want {
			faults = append(faults, fmt.Sprintf("languages are [%s], want [%s]", m[1], want))
		}
	}
	for _, at := range jsRow.FindAllStringSubmatchIndex(source, -1) {
		rows++
		key, texts := source[at[2]:at[3]], jsTexts(source[at[1]:])
		if len(texts) != len(lang.All) || slices.Contains(texts, "") {
			faults = append(faults, fmt.Sprintf("%s has the texts %q, want one for each of %v", key, texts, lang.All))
		}
	}
	return rows, faults
}

// jsTexts returns the string literals up to the bracket that closes the array.
func jsTexts(source string) (texts []string) {
	for i := 0; i < len(source) && source[i] != ']'; i++ {
		quote := source[i]
		if quote != '\'' && quote != '"' && quote != '`' {
			continue
		}
		start := i + 1
		for i = start; i < len(source) && source[i] != quote; i++ {
			if source[i] == '\\' {
				i++
			}
		}
		texts = append(texts, source[start:i])
	}
	return texts
}

// The test above finds what a table lacks.
func TestLanguageTables(t *testing.T) {
	four := "'a', 'b', 'c', 'd\\'s'"
	for source, want := range map[string]int{
		"export const languages = ['en', 'de', 'fr', 'it'];\n  ok: [" + four + "],\n": 0,
		"export const languages = ['en', 'de'];\n  ok: [" + four + "],\n":             1,
		"  ok: ['a', 'b', 'c'],\n  no: [" + four + "],\n":                             1,
		"  ok: ['a', '', 'c',\n    'd'],\n":                                           1,
	} {
		if rows, faults := wordsJS(source); len(faults) != want || rows == 0 {
			t.Errorf("%q: %d rows, %q", source, rows, faults)
		}
	}
	for source, want := range map[string]int{
		`var x = map[string]string{"en": "a", "de": "b", "fr": "c", "it": "d"}`:                                      0,
		`var x = map[string]string{"en": "a", "de": "b", "fr": "c"}`:                                                 1,
		`var x = map[string]string{"en": "a", "de": "", "fr": "c", "it": "d"}`:                                       1,
		`var x = map[string]p{"en": {a: "a", b: "b"}, "de": {a: "a"}, "fr": {a: "a", b: "b"}, "it": {a: "", b: ""}}`: 3,
		`var x = []string{"en", "de"}`:  1,
		`var x = []string{"en", "two"}`: 0,
	} {
		path := filepath.Join(t.TempDir(), "x.go")
		if err := os.WriteFile(path, []byte("package x\n"+source), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, faults := goTables(t, path); len(faults) != want {
			t.Errorf("%s: %q, want %d faults", source, faults, want)
		}
	}
}
