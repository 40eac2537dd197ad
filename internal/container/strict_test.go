//go:build linux

package container

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestStrictPlatform runs the image as Kubernetes and OpenShift can: as a user whom the
// image does not know, of group 0, with a file system to which nobody writes but for the
// volumes.
func TestStrictPlatform(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "strict", "")
	c := newContainer(t, m, service{})
	c.image.User = "1000670000:0"
	for _, args := range [][]string{
		{"mount", "--bind", c.root, c.root},
		{"mount", "-o", "remount,bind,ro", c.root},
		{"mount", "-t", "tmpfs", "-o", "uid=65532,gid=0,mode=0770", "tmpfs", filepath.Join(c.root, "data")},
		{"mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", filepath.Join(c.root, "tmp")},
	} {
		m.run(t, "", nil, args...)
	}
	out, err := c.command("/signum", "sandbox", "--once").CombinedOutput()
	if err != nil || strings.Count(string(out), "VERIFIED") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}
