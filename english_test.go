package signum_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// oddEnglish are words that an engineer would not say to a colleague, each with
// what to say. It stops a habit; it does not check grammar. The hint is in each text
// that has the word: to look for it is much faster than to match.
var oddEnglish = []struct{ hint, word, instead string }{
	{"anew", `anew`, "again"},
	{"shall", `shall`, "must, or will"},
	{"mend", `mend(s|ed|ing)?`, "fix, or repair"},
	{"there", `thereof|therein`, "of it, in it"},
	{"wherein", `wherein`, "in which"},
	{"hereby", `hereby`, "by this"},
	{"hence", `whence|thence`, "from it"},
	{"hitherto", `hitherto`, "so far"},
	{"for ever", `for ever`, "forever"},
	{"of none", `of none`, "may be nil, or say what it belongs to"},
	{"whoever", `whoever`, "the caller, a stranger, a user who"},
	{"is none", `(that|which|consent) is none`, "is not one"},
	{" to be", `(come|comes|came|coming) to be`, "is created, or appears"},
}

// written are the kinds of files that are checked. Migrations are not: they must
// never change.
var written = []string{".go", ".md", ".sh", ".js", ".css", ".html", ".yaml", ".wsdl"}

func TestEnglish(t *testing.T) {
	var odd []*regexp.Regexp
	for _, o := range oddEnglish {
		odd = append(odd, regexp.MustCompile(`(?i)\b(`+o.word+`)\b`))
	}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "dist"):
			return filepath.SkipDir
		case d.IsDir() || name == "english_test.go" || !slices.Contains(written, filepath.Ext(name)):
			return nil
		}
		text, err := os.ReadFile(name)
		for n, line := range bytes.Split(bytes.ToLower(text), []byte("\n")) {
			for i, re := range odd {
				if !bytes.Contains(line, []byte(oddEnglish[i].hint)) {
					continue
				}
				if found := re.Find(line); found != nil {
					t.Errorf("%s:%d: %q: say %s", name, n+1, found, oddEnglish[i].instead)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
