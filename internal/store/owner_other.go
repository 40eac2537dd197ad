//go:build !unix

package store

import "os"

func giveToOwner(*os.File) error { return nil }
