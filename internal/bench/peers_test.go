package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Each peer serves the answer as it is.
func TestPeerFiles(t *testing.T) {
	const answer = `{"MSS_SignatureResp":{"Text":"Zürich {{x}} \"€\"","Value":"500"}}`
	dir := t.TempDir()
	if err := peerFiles(dir, []byte(answer)); err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, prismFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	example := doc.Paths.Value(signPath).Post.Responses.Status(200).Value.Content.Get("application/json").Example
	same(t, "Prism", example, answer)

	var mockoon struct {
		Routes []struct {
			Endpoint  string
			Responses []struct {
				Body              string
				DisableTemplating bool
			}
		}
	}
	read(t, filepath.Join(dir, mockoonFile), &mockoon)
	if r := mockoon.Routes[0]; "/"+r.Endpoint != signPath || r.Responses[0].Body != answer || !r.Responses[0].DisableTemplating {
		t.Errorf("Mockoon: %+v", r)
	}
	var wiremock struct {
		Request  struct{ URLPath string }
		Response struct{ Body string }
	}
	read(t, filepath.Join(dir, wiremockFile), &wiremock)
	if wiremock.Request.URLPath != signPath || wiremock.Response.Body != answer {
		t.Errorf("WireMock: %+v", wiremock)
	}
	if err := peerFiles(dir, []byte("<html>")); err == nil {
		t.Error("an answer that is not JSON")
	}
}

func same(t *testing.T, name string, got any, want string) {
	t.Helper()
	a, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal([]byte(want), &v); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(v); err != nil || string(a) != string(b) {
		t.Errorf("%s: %s, want %s, %v", name, a, b, err)
	}
}

func read(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// The lock file pins what package.json names, and names no registry.
func TestPeerVersions(t *testing.T) {
	var named struct{ Dependencies map[string]string }
	var locked struct {
		Packages map[string]struct {
			Version, Resolved, Integrity string
			Dependencies                 map[string]string
		}
	}
	read(t, "peers/package.json", &named)
	read(t, "peers/package-lock.json", &locked)
	if !maps.Equal(named.Dependencies, locked.Packages[""].Dependencies) || len(named.Dependencies) != 2 {
		t.Errorf("%v, locked %v", named.Dependencies, locked.Packages[""].Dependencies)
	}
	for _, name := range slices.Sorted(maps.Keys(locked.Packages)) {
		if p := locked.Packages[name]; name != "" && (p.Integrity == "" || p.Resolved != "") {
			t.Errorf("%s: %+v", name, p)
		}
		if v, ok := named.Dependencies[strings.TrimPrefix(name, "node_modules/")]; ok && v != locked.Packages[name].Version {
			t.Errorf("%s is locked at %s, not %s", name, locked.Packages[name].Version, v)
		}
	}
}
