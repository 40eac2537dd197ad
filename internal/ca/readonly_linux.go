package ca

import "golang.org/x/sys/unix"

// readOnly reports whether nobody can change a directory where it is mounted here, whatever its
// permissions say.
func readOnly(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}
