package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

const (
	envPrefix  = "SIGNUM_"
	envSource  = "environment"
	fileSuffix = "_file" // of the key that names the file of a secret

	maxSecret = 64 << 10 // bytes of a file
)

// Load reads the file over the defaults, then the variables SIGNUM_… of
// environ (in the form of os.Environ), then the files of secrets, and checks
// the result. The error joins a *Problem for each fault. Warnings are
// problems that do not keep a node from running.
func Load(file string, environ []string) (c *Config, warnings []*Problem, err error) {
	l, err := Open(file, environ)
	if err != nil {
		return nil, l.Warnings, err
	}
	return &l.Config, l.Warnings, nil
}

// Loaded is a configuration that knows where its values came from.
type Loaded struct {
	Config   Config
	Warnings []*Problem
	loader
}

// Open is Load for a caller that may find further problems, see Locate. After an error, only
// the warnings are of use.
func Open(file string, environ []string) (*Loaded, error) {
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return new(Loaded), fmt.Errorf("configuration: %w; signum config example prints one to begin with", err)
	case err != nil:
		return new(Loaded), fmt.Errorf("configuration: %w", err)
	}
	return load(file, data, environ)
}

// Locate adds to an error that is a Problem of this configuration where its value came
// from: the line of the file, or the variable.
func (l *Loaded) Locate(err error) error {
	p, ok := errors.AsType[*Problem](err)
	if !ok || p.Source != "" || p.Path == "" {
		return err
	}
	if line := l.lineOf(p.Path); line == 0 && l.fromEnv[p.Path] == "" {
		return err // a default
	}
	return &locatedError{text: l.located(p).Error(), err: err}
}

// locatedError is an error with a text that says where its cause is.
type locatedError struct {
	text string
	err  error
}

func (e *locatedError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *locatedError) Unwrap() error { return e.err }

// Read is Load for a file that is already in memory. Problems refer to it by name.
func Read(name string, data []byte, environ []string) (c *Config, warnings []*Problem, err error) {
	l, err := load(name, data, environ)
	if err != nil {
		return nil, l.Warnings, err
	}
	return &l.Config, l.Warnings, nil
}

func load(name string, data []byte, environ []string) (*Loaded, error) {
	all := Default()
	d := decoder{source: name}
	d.decode(data, &all)
	l := loader{decoder: d}
	l.extend(&all, environ)
	l.keys = keys(reflect.ValueOf(&all).Elem(), "")
	l.environment(environ)
	l.credentials(environ)
	l.secrets()
	failed := make(map[string]bool)
	for _, p := range l.problems {
		path := cmp.Or(l.keyOf(p), p.Path)
		failed[path], failed[strings.TrimSuffix(path, fileSuffix)] = true, true
	}
	for _, p := range all.check() {
		if !failed[p.Path] { // otherwise its problem is already in the list
			l.report(p)
		}
	}
	return &Loaded{Config: all, Warnings: l.warnings, loader: l}, l.problems.err()
}

// loader completes what a decoder has read.
type loader struct {
	decoder
	keys     []key
	fromEnv  map[string]string // variable by path
	warnings []*Problem
}

// report adds a problem, with where the value came from.
func (l *loader) report(p *Problem) { l.problems = append(l.problems, l.located(p)) }

func (l *loader) located(p *Problem) *Problem {
	if name, ok := l.fromEnv[p.Path]; ok {
		return &Problem{Source: envSource, Path: name, Text: p.Text, Err: p.Err}
	}
	p.Source, p.Line = l.source, l.lineOf(p.Path)
	return p
}

// keyOf is the path of the key whose variable a problem names.
func (l *loader) keyOf(p *Problem) string {
	for path, name := range l.fromEnv {
		if p.Source == envSource && p.Path == name {
			return path
		}
	}
	return ""
}

// environment sets the keys that have a variable. An empty variable counts.
func (l *loader) environment(environ []string) {
	l.fromEnv = make(map[string]string)
	byName := make(map[string]key, len(l.keys))
	names := make([]string, len(l.keys))
	for i, k := range l.keys {
		names[i] = k.env()
		byName[names[i]] = k
	}
	for _, e := range environ {
		name, text, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		k, ok := byName[name]
		if !ok {
			// Not an error: the commands have variables too, and Kubernetes sets
			// SIGNUM_SERVICE_HOST for a service of this name.
			if n := nearest(name, names); n != "" && distance(name, n) <= 2 {
				l.warnings = append(l.warnings, &Problem{Source: envSource, Path: name, Text: "no key has this variable, did you mean " + n + "?"})
			}
			continue
		}
		l.fromEnv[k.path] = name
		l.override(k, text)
	}
}

func (l *loader) override(k key, text string) {
	var err error
	if k.value.Kind() == reflect.Slice {
		var texts []string
		for t := range strings.SplitSeq(text, ",") {
			if t = strings.TrimSpace(t); t != "" {
				texts = append(texts, t)
			}
		}
		err = setList(k.value, texts)
	} else {
		err = set(k.value, text)
	}
	if err != nil {
		l.report(&Problem{Path: k.path, Text: err.Error()})
	}
}

// credentials replaces ${CREDENTIALS_DIRECTORY}, where systemd puts the files of
// LoadCredential=, in the names of files. No other variable is replaced.
func (l *loader) credentials(environ []string) {
	const variable = "CREDENTIALS_DIRECTORY"
	directory := ""
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, variable+"="); ok {
			directory = value
		}
	}
	for _, k := range l.keys {
		name, ok := k.value.Addr().Interface().(*string)
		if !ok || !strings.HasSuffix(k.path, fileSuffix) {
			continue
		}
		rest, ok := strings.CutPrefix(*name, "${"+variable+"}")
		if !ok {
			continue
		}
		if directory == "" {
			l.report(&Problem{Path: k.path, Text: "$" + variable + " is not set: systemd sets it for a service with LoadCredential="})
		}
		*name = directory + rest
	}
}

// secrets reads the files of secrets. A secret from the environment replaces the
// one from the configuration file, whichever of the two keys sets either.
func (l *loader) secrets() {
	byPath := make(map[string]key, len(l.keys))
	for _, k := range l.keys {
		byPath[k.path] = k
	}
	for _, k := range l.keys {
		secret, ok := k.value.Addr().Interface().(*Secret)
		if !ok {
			continue
		}
		at := k.path + fileSuffix
		name := byPath[at].value.Addr().Interface().(*string)
		_, envValue := l.fromEnv[k.path]
		_, envFile := l.fromEnv[at]
		switch {
		case envValue && !envFile:
			*name = ""
		case envFile && !envValue:
			*secret = Secret{}
		}
		if *name == "" {
			continue
		}
		if !secret.IsZero() {
			l.report(&Problem{Path: at, Text: "is set together with " + k.path + "; keep one of them"})
			continue
		}
		value, warning, err := readSecret(*name)
		if err != nil {
			l.report(&Problem{Path: at, Text: err.Error(), Err: err})
		}
		if warning != "" {
			l.warnings = append(l.warnings, l.located(&Problem{Path: at, Text: warning}))
		}
		*secret = NewSecret(value)
	}
}

// readSecret reads the file of a secret, without the line end that editors
// append. It warns if anybody but the owner can read or change the file.
func readSecret(name string) (value, warning string, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", "", err
	}
	if info.Size() > maxSecret {
		return "", "", fmt.Errorf("%s: a secret has at most %d bytes", name, maxSecret)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", "", err
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", "", fmt.Errorf("%s: is empty", name)
	}
	const others fs.FileMode = 0o027 // a group may read: that is how systemd and Kubernetes hand secrets over
	if mode := info.Mode().Perm(); mode&others != 0 {
		warning = fmt.Sprintf("%s has mode %04o; chmod 600 it, so that nobody else can read or change it", filepath.Clean(name), mode)
	}
	return value, warning, nil
}
