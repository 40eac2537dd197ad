//go:build !pgxstdlib

package store

import (
	"context"
	"errors"
)

const (
	groupLockTimeout  = ""
	singleLockTimeout = ""
)

func openPostgres(context.Context, string, *options) (*pools, error) {
	return nil, errors.New("built without PostgreSQL")
}
