//go:build linux

package container

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// engine runs buildah on a machine, with a storage of its own.
type engine struct {
	*machine
	conf string
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	testkit.Needs(t, "buildah")
	dir := t.TempDir()
	e := &engine{newMachine(t, "engine", ""), filepath.Join(dir, "storage.conf")}
	conf := fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(dir, "graph"), filepath.Join(dir, "run"))
	if err := os.WriteFile(e.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

// buildah returns a command of buildah.
func (e *engine) buildah(t *testing.T, args ...string) *exec.Cmd {
	cmd := e.command(t.Context(), append([]string{"buildah"}, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_STORAGE_CONF="+e.conf, "BUILDAH_ISOLATION=chroot")
	return cmd
}

// do runs buildah and returns what it prints on standard output.
func (e *engine) do(t *testing.T, args ...string) string {
	t.Helper()
	cmd := e.buildah(t, args...)
	var stderr testkit.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("buildah %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// TestBuildah loads the image in both of its formats. In a container of it, the sandbox
// makes the example's signatures; then it serves, and the health check passes.
func TestBuildah(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "curl")
	e := newEngine(t)
	for format, tags := range map[string]string{"oci-archive": "latest", "docker-archive": "latest v1.2.3"} {
		e.do(t, "pull", "--quiet", format+":"+image(t))
		got := strings.Fields(e.do(t, "images", "--format", "{{.Tag}}", "localhost/signum"))
		if slices.Sort(got); strings.Join(got, " ") != tags {
			t.Errorf("%s has the tags %s, want %s", format, got, tags)
		}
		e.do(t, "rmi", "--all", "--force")
	}
	e.do(t, "pull", "--quiet", "oci-archive:"+image(t))
	c := e.do(t, "from", "--pull-never", "localhost/signum:latest")
	if user := e.do(t, "inspect", "--format", "{{.OCIv1.Config.User}}", c); user != "65532:65532" {
		t.Errorf("the user is %s", user)
	}
	if out := e.do(t, "run", c, "--", "/signum", "sandbox", "--once"); strings.Count(out, "VERIFIED") != 2 {
		t.Errorf("the container printed\n%s", out)
	}
	serve(t, "container", e.buildah(t, "run", c, "--", "/signum", "sandbox")).awaitReady(t)
	e.do(t, "run", c, "--", "/signum", "health")

	// What a program on the same machine does when the ports are published.
	dir := t.TempDir()
	e.run(t, dir, nil, "curl", "-sSf", "-O", "http://localhost:8445/sandbox/files/server-ca.pem")
	e.run(t, dir, nil, "curl", "-sSf", "--cacert", "server-ca.pem", "https://localhost:8443/sandbox/health")
}
