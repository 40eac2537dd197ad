package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// key is one value of a Config: a leaf of its struct.
type key struct {
	path  string // listen.mss.address
	value reflect.Value
}

// env is the variable that overrides the key.
func (k key) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_"))
}

// field is a member of a struct by its name in YAML.
type field struct {
	name  string
	value reflect.Value
}

// fields are the members of a struct, in their order.
func fields(v reflect.Value) []field {
	list := make([]field, v.NumField())
	for i := range list {
		list[i] = field{v.Type().Field(i).Tag.Get("yaml"), v.Field(i)}
	}
	return list
}

// section reports whether a field has keys of its own.
func section(v reflect.Value) bool {
	if v.Kind() != reflect.Struct {
		return false
	}
	_, leaf := v.Addr().Interface().(encoding.TextUnmarshaler)
	return !leaf
}

// keys are all values of a struct, which must be addressable, in the order of
// its fields.
func keys(v reflect.Value, path string) []key {
	var list []key
	for _, f := range fields(v) {
		p := join(path, f.name)
		switch {
		case section(f.value):
			list = append(list, keys(f.value, p)...)
		case sections(f.value):
			for i := range f.value.Len() {
				list = append(list, keys(f.value.Index(i), entryPath(p, i))...)
			}
		default:
			list = append(list, key{p, f.value})
		}
	}
	return list
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// set reads a text as the value of a key that is not a list. The error says
// what the key takes; it holds the text, unless that is a secret.
func set(v reflect.Value, text string) error {
	if p, ok := v.Addr().Interface().(*netip.Prefix); ok {
		return network(p, text)
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*p = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 250ms, 10s, 5m or 1h30m", text)
		}
		*p = d
	default:
		panic(fmt.Sprintf("config: a key of type %s", v.Type()))
	}
	return nil
}

// setList reads texts as the members of a list.
func setList(v reflect.Value, texts []string) error {
	list := reflect.MakeSlice(v.Type(), len(texts), len(texts))
	for i, text := range texts {
		if err := set(list.Index(i), text); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	v.Set(list)
	return nil
}

// network reads a network, or an address as the network of that address alone.
func network(p *netip.Prefix, text string) (err error) {
	if a, err := netip.ParseAddr(text); err == nil {
		*p = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	if *p, err = netip.ParsePrefix(text); err != nil {
		return fmt.Errorf("%q is neither a network, such as 192.0.2.0/24, nor an address", text)
	}
	return nil
}
