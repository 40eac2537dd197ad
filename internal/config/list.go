package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A list of sections, such as sim.smscs, has its entries under their numbers, from 0:
// sim.smscs.0.address, SIGNUM_SIM_SMSCS_0_ADDRESS.

// defaulted is an entry of a list that has defaults.
type defaulted interface{ setDefaults() }

// sections reports whether a field is a list of sections.
func sections(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && section(reflect.New(v.Type().Elem()).Elem())
}

// grow appends entries with their defaults until there are n.
func grow(v reflect.Value, n int) {
	for v.Len() < n {
		entry := reflect.New(v.Type().Elem())
		if d, ok := entry.Interface().(defaulted); ok {
			d.setDefaults()
		}
		v.Set(reflect.Append(v, entry.Elem()))
	}
}

func entryPath(list string, n int) string { return join(list, strconv.Itoa(n)) }

// entries reads a list of sections.
func (d *decoder) entries(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.at(n.Line, path, "must be a list: each entry begins with a hyphen")
		return
	}
	for i, entry := range n.Content {
		grow(v, i+1)
		p := entryPath(path, i)
		d.lines[p] = entry.Line
		d.section(entry, v.Index(i), p)
	}
}

// lists are the lists of sections in a struct.
func lists(v reflect.Value, path string) []key {
	var all []key
	for _, f := range fields(v) {
		p := join(path, f.name)
		switch {
		case sections(f.value):
			all = append(all, key{p, f.value})
		case section(f.value):
			all = append(all, lists(f.value, p)...)
		}
	}
	return all
}

var entryNumber = regexp.MustCompile(`^_(0|[1-9][0-9]{0,2})_`)

// extend adds the entries that exist in the environment only. Their numbers follow those
// of the file without a gap.
func (l *loader) extend(c *Config, environ []string) {
	for _, list := range lists(reflect.ValueOf(c).Elem(), "") {
		var numbers []int
		for _, e := range environ {
			name, _, _ := strings.Cut(e, "=")
			if m := entryNumber.FindStringSubmatch(strings.TrimPrefix(name, list.env())); m != nil && strings.HasPrefix(name, list.env()) {
				n, _ := strconv.Atoi(m[1])
				numbers = append(numbers, n)
			}
		}
		slices.Sort(numbers)
		for _, n := range slices.Compact(numbers) {
			if n > list.value.Len() {
				l.problems = append(l.problems, &Problem{Source: envSource, Path: fmt.Sprintf("%s_%d_…", list.env(), n),
					Text: fmt.Sprintf("the next entry of %s has the number %d", list.path, list.value.Len())})
				break
			}
			grow(list.value, n+1)
		}
	}
}

// lineOf is the line of a key, or of the entry of a list in which it is missing; 0: not
// known.
func (d *decoder) lineOf(path string) int {
	if line, ok := d.lines[path]; ok {
		return line
	}
	for p := path; strings.Contains(p, "."); {
		p = p[:strings.LastIndexByte(p, '.')]
		if _, err := strconv.Atoi(p[strings.LastIndexByte(p, '.')+1:]); err == nil {
			return d.lines[p]
		}
	}
	return 0
}
