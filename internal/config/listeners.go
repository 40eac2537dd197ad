package config

import (
	"fmt"
	"os"
	"reflect"
)

// Listeners returns the section listen of a file and the environment, for a command that
// calls a running node and must not need the rest: it may be unable to read the secrets.
// Faults in the file are ignored.
func Listeners(file string, environ []string) (Listen, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Listen{}, fmt.Errorf("configuration: %w", err)
	}
	all := Default()
	l := loader{decoder: decoder{source: file}}
	l.decode(data, &all)
	l.extend(&all, environ)
	l.keys = keys(reflect.ValueOf(&all).Elem(), "")
	l.environment(environ)
	return all.Listen, nil
}
