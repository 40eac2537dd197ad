package config

import (
	"reflect"
	"slices"
	"strings"
)

// Changed returns the keys in which two configurations differ, in the order of the
// example. A list of sections is one key. A secret counts as its
// value, so the name of its file does not appear.
func Changed(a, b *Config) []string {
	return changed(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem(), "")
}

func changed(a, b reflect.Value, path string) (paths []string) {
	theirs := fields(b)
	all := fields(a)
	for i, f := range all {
		p := join(path, f.name)
		switch {
		case section(f.value):
			paths = append(paths, changed(f.value, theirs[i].value, p)...)
		case fileOfSecret(f.name, all):
		case !reflect.DeepEqual(f.value.Interface(), theirs[i].value.Interface()):
			paths = append(paths, p)
		}
	}
	return paths
}

func fileOfSecret(name string, all []field) bool {
	secret, ok := strings.CutSuffix(name, fileSuffix)
	return ok && slices.ContainsFunc(all, func(f field) bool {
		_, is := f.value.Interface().(Secret)
		return is && f.name == secret
	})
}
