package main

import (
	"debug/buildinfo"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	out, err := exec.Command("go", "list", "-modfile=../../tools/go.mod", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	schemas := filepath.Join(strings.TrimSpace(string(out)), "schema")
	for document, want := range map[string]string{
		`{"bomFormat":"CycloneDX","specVersion":"1.6"}`:                                                   "",
		`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a"}]}`:      "",
		`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library"}]}`:                 "missing property 'name'",
		`{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"timestamp":"today"}}`:                  "date-time",
		`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"a","name":"a","purl":"b"}]}`: "/components/0/type",
		`{"bomFormat":"CycloneDX","specVersion":"9.9"}`:                                                   "bom-9.9.schema.json",
		`[]`:                             "bom-.schema.json",
		`{"bomFormat":"CycloneDX","spec`: "EOF",
	} {
		err := validate(document, schemas)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", document, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want an error that contains %q", document, err, want)
		}
	}
}

func TestCompare(t *testing.T) {
	info := &buildinfo.BuildInfo{GoVersion: "go1.26.8", Deps: []*debug.Module{
		{Path: "example.org/a", Version: "v1.0.0", Sum: "h1:q83v"},
		{Path: "example.org/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/c", Version: "v2.0.0", Sum: "h1:ASNF"}},
	}}
	const (
		std = `{"name":"std","version":"go1.26.8"}`
		a   = `{"name":"example.org/a","version":"v1.0.0","hashes":[{"alg":"MD5","content":"00"},{"alg":"SHA-256","content":"abcdef"}]}`
		c   = `{"name":"example.org/c","version":"v2.0.0","hashes":[{"alg":"SHA-256","content":"012345"}]}`
		d   = `{"name":"example.org/d","version":"v1.0.0"}`
	)
	for _, tt := range []struct{ name, components, want string }{
		{"the same", std + "," + a + "," + c, ""},
		{"no standard library", a + "," + c, "std@1.26.8 is missing"},
		{"another Go", `{"name":"std","version":"go1.26.7"},` + a + "," + c, "std@1.26.8 is missing"},
		{"no module", std + "," + a, "example.org/c@v2.0.0 is missing"},
		{"another version", std + "," + a + "," + strings.Replace(c, "v2", "v3", 1), "example.org/c@v2.0.0 is missing"},
		{"another sum", std + "," + strings.Replace(a, "abc", "000", 1) + "," + c, `has the sum "000def", want "abcdef"`},
		{"one too many", std + "," + a + "," + c + "," + d, "example.org/d@v1.0.0 is not in the program"},
	} {
		err := compare(info, []byte(`{"components":[`+tt.components+`]}`))
		if got := errorText(err); (tt.want == "") != (err == nil) || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
