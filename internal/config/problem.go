package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Problem is one fault of a configuration.
type Problem struct {
	Source string // the file, or "environment"; empty: not known
	Line   int    // of the file, from 1; 0: not known
	Path   string // of the key, such as listen.mss.address; empty: the whole file
	Text   string // what is wrong and what to do
	Err    error  // the cause; nil: none
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Error implements error.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.Source != "" {
		b.WriteString(p.Source)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// problems collects what is wrong.
type problems []*Problem

func (l *problems) add(path, format string, args ...any) {
	*l = append(*l, &Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// err joins them in the order of the lines.
func (l problems) err() error {
	sorted := slices.Clone(l)
	slices.SortStableFunc(sorted, func(a, b *Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path)) })
	errs := make([]error, len(sorted))
	for i, p := range sorted {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// Faults are the errors that were joined to one, such as that of Load. Each is one line.
func Faults(err error) (all []error) {
	for e := err; e != nil; e = errors.Unwrap(e) {
		joined, ok := e.(interface{ Unwrap() []error })
		if !ok || e.Error() != err.Error() { // joined below a text of its own
			continue
		}
		for _, one := range joined.Unwrap() {
			all = append(all, Faults(one)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	if text := err.Error(); strings.Contains(text, "\n") {
		err = &locatedError{text: strings.Join(strings.Fields(text), " "), err: err}
	}
	return []error{Advise(err)}
}

// Advise adds to an error what to do about it, if its cause is that a file must not be read.
func Advise(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); !ok || !errors.Is(file, fs.ErrPermission) {
		return err
	}
	return &locatedError{text: err.Error() + "; run commands as the user of the service, and let that user read its files", err: err}
}

// nearest returns the name that was most likely meant by got; empty if none is
// close.
func nearest(got string, names []string) string {
	best, least := "", max(1, len(got)/3)+1
	for _, name := range names {
		if d := distance(got, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of characters to insert, delete, replace or swap with
// their neighbour to turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			differ := 1
			if a[i] == b[j] {
				differ = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+differ)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
