package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: sbomcheck PROGRAM SBOM SCHEMAS\nSCHEMAS is the directory of the CycloneDX schemas.")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintf(os.Stderr, "sbomcheck: %s: %v\n", os.Args[2], err)
		os.Exit(1)
	}
}

func check(program, sbom, schemas string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(sbom)
	if err != nil {
		return err
	}
	if err := validate(string(text), schemas); err != nil {
		return err
	}
	return compare(info, text)
}

// validate checks a document against the schema of the version of CycloneDX
// that it names.
func validate(document, schemas string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		return err
	}
	members, _ := doc.(map[string]any)
	version, _ := members["specVersion"].(string)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	main := ""
	for _, name := range []string{"bom-" + version + ".schema.json", "spdx.schema.json", "jsf-0.82.schemax.json"} {
		id, err := addSchema(c, filepath.Join(schemas, name))
		if err != nil {
			return err
		}
		if main == "" {
			main = id
		}
	}
	schema, err := c.Compile(main)
	if err != nil {
		return err
	}
	return schema.Validate(doc)
}

// addSchema makes a schema known by the id that others refer to it by.
func addSchema(c *jsonschema.Compiler, path string) (id string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	schema, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	members, _ := schema.(map[string]any)
	id, _ = members["$id"].(string)
	return id, c.AddResource(id, schema)
}

type bom struct {
	Components []struct {
		Name, Version string
		Hashes        []struct{ Alg, Content string }
	}
}

// compare returns an error unless the components of an SBOM are what a program
// was built from.
func compare(info *buildinfo.BuildInfo, text []byte) error {
	var b bom
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	sums := map[string]string{} // by name@version
	for _, c := range b.Components {
		sum := ""
		for _, h := range c.Hashes {
			if h.Alg == "SHA-256" {
				sum = h.Content
			}
		}
		sums[c.Name+"@"+strings.TrimPrefix(c.Version, "go")] = sum
	}
	built := map[string]string{"std@" + strings.TrimPrefix(info.GoVersion, "go"): ""}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil {
			return fmt.Errorf("the sum of %s: %w", m.Path, err)
		}
		built[m.Path+"@"+m.Version] = hex.EncodeToString(sum)
	}
	for name, sum := range built {
		if got, ok := sums[name]; !ok {
			return fmt.Errorf("%s is missing", name)
		} else if got != sum {
			return fmt.Errorf("%s has the sum %q, want %q", name, got, sum)
		}
		delete(sums, name)
	}
	for name := range sums {
		return fmt.Errorf("%s is not in the program", name)
	}
	return nil
}
