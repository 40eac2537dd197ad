package scenario

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder fills values from YAML nodes. It walks the nodes itself, because the library
// stops at the first wrong type, names Go types in its errors, and reads the number
// +41791234567 as an integer.
type decoder struct {
	name     string // of the file
	problems []error
	values   int              // that were read
	bad      map[string][]int // items of a list that have problems, by path
}

func (d *decoder) fault(line int, format string, args ...any) {
	d.problems = append(d.problems, fmt.Errorf("%s:%d: %s", d.name, line, fmt.Sprintf(format, args...)))
}

// maxValues limits a file in which aliases repeat a long list often.
const maxValues = 1_000_000

// value fills v from a node; path is what people call it. An alias cannot lead into a
// loop, because no type contains itself.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	d.values++
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(n.Value)); err != nil || n.Kind != yaml.ScalarNode {
			d.fault(n.Line, "%s: %q cannot be read", path, n.Value)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(n.Line, "%smust have members, one \"name: value\" a line", within(path))
		return
	}
	names := members(v.Type())
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.Index(names, key.Value)
		switch {
		case at < 0:
			d.fault(key.Line, "%sunknown member %q; there are %s", within(path), key.Value, strings.Join(names, ", "))
		case seen[key.Value]:
			d.fault(key.Line, "%s%s appears twice", within(path), key.Value)
		default:
			seen[key.Value] = true
			d.value(value, v.Field(at), strings.TrimPrefix(path+"."+key.Value, "."))
		}
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n.Line, "%smust be a list", within(path))
		return
	}
	if d.values+len(n.Content) > maxValues {
		d.fault(n.Line, "there are more than %d values", maxValues)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		before := len(d.problems)
		d.value(item, v.Index(i), path)
		if len(d.problems) > before {
			d.bad[path] = append(d.bad[path], i)
		}
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.fault(n.Line, "%smust be one value", within(path))
		return
	}
	if v.Kind() == reflect.String {
		v.SetString(n.Value) // as it is written: 01 and +41 are texts
		return
	}
	if n.Decode(v.Addr().Interface()) != nil {
		d.fault(n.Line, "%s: %q is not %s", path, n.Value, kinds[v.Kind()])
	}
}

var kinds = map[reflect.Kind]string{reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Float64: "a number"}

// within is how a message begins that is about a path.
func within(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

// members returns the names of the fields of a struct.
func members(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		names = append(names, name)
	}
	return names
}
