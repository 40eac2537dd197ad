package config

import (
	"fmt"
	"os"
	"reflect"
)

// AdminSocket returns listen.admin.socket of a file and the environment, for a command that
// must not need the rest: it may be unable to read the secrets. Faults elsewhere in the
// file are ignored.
func AdminSocket(file string, environ []string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	all := Default()
	l := loader{decoder: decoder{source: file}}
	l.decode(data, &all)
	l.extend(&all, environ)
	l.keys = keys(reflect.ValueOf(&all).Elem(), "")
	l.environment(environ)
	return all.Listen.Admin.Socket, nil
}
