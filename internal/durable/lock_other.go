//go:build !unix

package durable

import "os"

// Lock only opens the file: this system has no lock that ends with the process.
func Lock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
