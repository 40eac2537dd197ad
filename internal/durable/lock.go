package durable

import "errors"

// ErrLocked means that another process uses a directory.
var ErrLocked = errors.New("in use by another process")
