package mssp

import (
	"errors"
	"fmt"
)

// noted is a refusal with what the operator should know about it. Its text is that of
// the refusal: nobody can send the note to a party by mistake.
type noted struct {
	err  error
	note string
}

// Noted adds to a refusal why it was made, for the log of the operator. The party
// must not learn it. A note is short, and contains no secret and nothing of the text that a
// user is to sign.
func Noted(err error, format string, args ...any) error {
	return &noted{err: err, note: fmt.Sprintf(format, args...)}
}

// NoteOf returns the note in err's tree; empty: there is none.
func NoteOf(err error) string {
	var n *noted
	if errors.As(err, &n) {
		return n.note
	}
	return ""
}

func (n *noted) Error() string { return n.err.Error() }

// Unwrap returns the refusal.
func (n *noted) Unwrap() error { return n.err }
