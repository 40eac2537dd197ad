package config

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// moved are the present paths of keys that had another one.
var moved = map[string]string{"engine.retention": "retention.outcomes"}

// decoder reads a YAML file into a Config. It walks the nodes itself, because
// yaml.Decoder.KnownFields stops at the first wrong type, does not report paths,
// and converts whatever looks like a number or a boolean: the network code 01
// must stay a string.
type decoder struct {
	source string
	lines  map[string]int // of the keys of the file, by path
	problems
}

// decode reads one document. An empty one changes nothing.
func (d *decoder) decode(data []byte, c *Config) {
	d.lines = make(map[string]int)
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		d.at(0, "", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		d.at(second.Line, "", "there is more than one YAML document; keep one")
	}
	if len(doc.Content) == 1 {
		d.section(doc.Content[0], reflect.ValueOf(c).Elem(), "")
	}
}

func (d *decoder) at(line int, path, text string) {
	d.problems = append(d.problems, &Problem{Source: d.source, Line: line, Path: path, Text: text})
}

// section reads a mapping.
func (d *decoder) section(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.at(n.Line, path, "must be a section: one \"key: value\" per line")
		return
	}
	known := fields(v)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		p := join(path, name.Value)
		at := slices.IndexFunc(known, func(f field) bool { return f.name == name.Value && name.Kind == yaml.ScalarNode })
		switch _, twice := d.lines[p]; {
		case at < 0:
			if now := moved[p]; now != "" {
				d.at(name.Line, p, "is "+now+" now")
				continue
			}
			d.at(name.Line, p, unknown(name.Value, known))
			continue
		case twice:
			d.at(name.Line, p, "appears twice; keep one")
			continue
		}
		d.lines[p] = name.Line
		switch member := known[at].value; {
		case section(member):
			d.section(value, member, p)
		case sections(member):
			d.entries(value, member, p)
		default:
			d.value(value, member, p)
		}
	}
}

// value reads a scalar or a list of scalars.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		return // as if the key were absent
	}
	var err error
	switch isList := v.Kind() == reflect.Slice; {
	case isList && n.Kind == yaml.SequenceNode && !slices.ContainsFunc(n.Content, notScalar):
		texts := make([]string, len(n.Content))
		for i, c := range n.Content {
			texts[i] = c.Value
		}
		err = setList(v, texts)
	case isList:
		err = errors.New("must be a list, such as [10.0.0.0/8]")
	case notScalar(n):
		err = errors.New("must be a single value")
	default:
		err = set(v, n.Value)
	}
	if err != nil {
		d.at(n.Line, path, err.Error())
	}
}

func notScalar(n *yaml.Node) bool { return n.Kind != yaml.ScalarNode }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// unknown suggests a key in place of one that does not exist.
func unknown(name string, known []field) string {
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
	}
	if n := nearest(name, names); n != "" {
		return "unknown key, did you mean " + n + "?"
	}
	return "unknown key; the keys here are " + strings.Join(names, ", ")
}
