//go:build linux

package container

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/signum-mssp/signum/internal/testkit"
)

// The addresses of the two services (RFC 5737), and how they find each other.
const (
	addressSignum = "192.0.2.1"
	addressApp    = "192.0.2.2"
	names         = addressSignum + " signum\n" + addressApp + " app\n"
)

const example = "../../examples/compose"

// service is what a compose file says of a service.
type service struct {
	Image       string
	Build       struct{ Context string }
	Command     []string
	User        string
	Hostname    string
	ReadOnly    bool `yaml:"read_only"`
	Environment map[string]string
	Volumes     []string
	Tmpfs       []string
	Networks    map[string]struct {
		Address string `yaml:"ipv4_address"`
	}
	Secrets     []struct{ Source string }
	Healthcheck struct{ Test []string }
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
}

// readCompose returns the services of a compose file, as docker-compose reads them.
func readCompose(t *testing.T, name string) map[string]service {
	t.Helper()
	testkit.Needs(t, "docker-compose")
	out, err := exec.Command("docker-compose", "--file", name, "config").Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var file struct{ Services map[string]service }
	if err := yaml.Unmarshal(out, &file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file.Services
}

// TestComposeFile: docker-compose accepts the file. It starts two services, the second of them
// when the first is healthy.
func TestComposeFile(t *testing.T) {
	t.Parallel()
	services := readCompose(t, filepath.Join(example, "compose.yaml"))
	signum, app := services["signum"], services["app"]
	switch {
	case len(services) != 2:
		t.Errorf("services %v", services)
	case signum.Image != "localhost/signum:latest":
		t.Errorf("the image is %q", signum.Image)
	case app.DependsOn["signum"].Condition != "service_healthy":
		t.Errorf("app waits for %v", app.DependsOn)
	case filepath.Base(app.Build.Context) != "app":
		t.Errorf("app is built from %q", app.Build.Context)
	}
}

// container runs an image on a machine: its files, its variables, its user.
type container struct {
	*machine
	t     *testing.T
	image settings
	root  string
	env   []string
}

// newContainer unpacks an image for a service.
func newContainer(t *testing.T, m *machine, s service) *container {
	t.Helper()
	config, files := open(t)
	c := &container{machine: m, t: t, image: config, root: unpack(t, files), env: slices.Clone(config.Env)}
	for name, value := range s.Environment {
		c.env = append(c.env, name+"="+value)
	}
	// As container engines do.
	for _, name := range []string{"hosts", "resolv.conf"} {
		text, err := m.command(t.Context(), "cat", "/etc/"+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.root, "etc", name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// command returns a command that runs in the container.
func (c *container) command(args ...string) *exec.Cmd {
	cmd := c.machine.command(c.t.Context(), append([]string{testkit.Program(c.t, "chroot"), "--userspec", c.image.User, "--groups", "", c.root}, args...)...)
	cmd.Env = c.env
	return cmd
}

// healthy runs the image's health check.
func (c *container) healthy() (string, error) {
	out, err := c.command(c.image.Healthcheck.Test[1:]...).CombinedOutput()
	return string(out), err
}

// TestCompose runs the services of the compose file on two machines: the image, and an
// application that finds everything by the name of the service. There, README's
// example with curl works, too.
func TestCompose(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "curl", "openssl")
	services := readCompose(t, filepath.Join(example, "compose.yaml"))
	signum, app := newMachine(t, "signum", names), newMachine(t, "app", names)
	connect(t, map[*machine]string{signum: addressSignum, app: addressApp})

	c := newContainer(t, signum, services["signum"])
	if out, err := c.healthy(); err == nil || !strings.HasPrefix(out, "signum: ") {
		t.Errorf("before the container runs, its health check says %q, %v", out, err)
	}
	serve(t, "signum", c.command(append(c.image.Entrypoint, c.image.Cmd...)...)).awaitReady(t)
	if out, err := c.healthy(); err != nil {
		t.Errorf("the container is not healthy: %v\n%s", err, out)
	}

	script, err := filepath.Abs(filepath.Join(example, "app", "app.sh"))
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"SIGNUM_TOKEN=" + services["app"].Environment["SIGNUM_TOKEN"]}
	out := app.run(t, t.TempDir(), env, "sh", script)
	for _, want := range []string{
		"(?m)^signed: Sandbox: Log in to example.com\\?$",
		"(?m)^not revoked: http://signum:8445/",
		"(?m)^good: http://signum:8445/",
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("app does not print %s:\n%s", want, out)
		}
	}

	dir := t.TempDir()
	for _, name := range []string{"server-ca.pem", "user-ca.pem", "ap.crt"} {
		app.run(t, dir, nil, "curl", "-sSf", "-O", "http://signum:8445/sandbox/files/"+name)
	}
	app.run(t, dir, env, "sh", "-c", `curl -sSf --cacert server-ca.pem -H "Authorization: Bearer $SIGNUM_TOKEN" -O https://signum:8443/sandbox/files/ap.key`)
	if out := app.run(t, dir, nil, "sh", "-ec", curlExample(t)); !strings.Contains(out, "Sandbox: Hello over REST") {
		t.Errorf("README's example prints\n%s", out)
	}
}

// curlExample returns README's example with curl, for the address of the service.
func curlExample(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1) {
		if strings.Contains(block[1], "/rest/service/sign") {
			return strings.ReplaceAll(block[1], "https://127.0.0.1:8443", "https://signum:8443")
		}
	}
	t.Fatal("README has no example with curl")
	return ""
}
