//go:build linux

package container

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

const operators = "../../deploy/compose.yaml"

// Addresses of the second half of the network, from which the engine takes those that the compose
// file does not name, and those of machines beside it.
const (
	addressMigrate  = "10.84.43.129"
	addressDatabase = "10.84.43.130"
	addressSMSC     = "10.84.43.200"
	addressParty    = "10.84.43.201"
)

// TestDeployment follows the first lines of the operators' compose file. Its services run as
// processes, with the commands, variables, files and health checks that it gives them; in
// place of the images of PostgreSQL and HAProxy there are the programs of this machine.
func TestDeployment(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "setpriv", "pg_isready", "openssl")
	d := newDeployment(t)
	one, two := d.container("node1"), d.container("node2")
	d.startSMSC()
	d.configure(one.succeeds("config", "example"))
	if out := one.fails("config", "check"); !strings.Contains(out, "there is no CA in /data/ca; make one with: signum ca create") {
		t.Errorf("without a CA it says %s", out)
	}
	one.succeeds("ca", "create")
	two.succeeds("config", "check")
	if out := one.fails(one.check()...); !strings.Contains(out, "nothing listens there") {
		t.Errorf("the health check says %s", out)
	}
	d.startDatabase()
	migrate := d.container("migrate")
	migrate.succeeds(migrate.service.Command...)
	one.start()
	two.start()
	d.startBalancer()
	one.awaitHealthy()
	two.awaitHealthy()
	if out := one.succeeds("health"); !strings.HasPrefix(out, "ready ") {
		t.Errorf("without arguments, the health of the node is %s", out)
	}

	one.succeeds("user", "add", "+41791234567")
	one.server.end(t, syscall.SIGKILL)
	if out := two.succeeds("user", "list"); !strings.Contains(out, "+41791234567 ") {
		t.Errorf("after the other node was killed, the second one knows %s", out)
	}
	one.start() // restart: on-failure
	one.awaitHealthy()

	d.roll(one, two)
	d.checkPages()
	d.checkUnready(one, two)
}

// deployment is the services of the compose file, and what an operator has beside it.
type deployment struct {
	t            *testing.T
	dir, volumes string // beside the file, and those that the engine makes
	services     map[string]service
	machines     map[string]*machine // of the services, the SMSC and an application provider
	smsc         *server
	phones       string // directory of the SMSC
}

// newDeployment makes the machines with their network.
func newDeployment(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{t: t, dir: t.TempDir(), volumes: t.TempDir(), phones: t.TempDir(), services: readCompose(t, operators), machines: make(map[string]*machine)}
	addresses := map[string]string{"migrate": addressMigrate, "database": addressDatabase, "smsc": addressSMSC, "party": addressParty}
	for name, s := range d.services {
		if a := s.Networks["service"].Address; a != "" {
			addresses[name] = a
		} else if addresses[name] == "" {
			t.Fatalf("the service %s has no address", name)
		}
	}
	var names strings.Builder
	for name, address := range addresses {
		fmt.Fprintln(&names, address, name)
	}
	network := make(map[*machine]string)
	for name, address := range addresses {
		d.machines[name] = newMachine(t, cmp.Or(d.services[name].Hostname, name), names.String())
		network[d.machines[name]] = address
	}
	connect(t, network)
	return d
}

// configure fills the example in, and writes the files beside it.
func (d *deployment) configure(example string) {
	d.t.Helper()
	etc := filepath.Join(d.dir, "etc")
	for commented, set := range map[string]string{
		"#mssp_uri: http://mss.example.com/":           "mssp_uri: http://mss.example.com/",
		"#certificate_file: /etc/signum/mss.pem":       "certificate_file: /etc/signum/mss.pem",
		"#key_file: /etc/signum/mss.key":               "key_file: /etc/signum/mss.key",
		"#certificate_file: /etc/signum/web.pem":       "certificate_file: /etc/signum/mss.pem",
		"#key_file: /etc/signum/web.key":               "key_file: /etc/signum/mss.key",
		"#url: https://id.example.com":                 "url: https://id.example.com:8444",
		"#url: http://pki.example.com":                 "url: http://pki.example.com",
		"address: 127.0.0.1:9464":                      "address: 127.0.0.1:9464",
		"  #url: sqlite:/var/lib/signum/signum.db":     "  # see compose.yaml",
		"  #directory: /var/lib/signum/ca":             "  # see compose.yaml",
		"    #socket: /run/signum/admin.sock":          "    # see compose.yaml",
		"  #url_file: ${CREDENTIALS_DIRECTORY}/store-": "  # see compose.yaml: store-",
		"\nsim:\n": "\n" + d.sim(),
	} {
		if !strings.Contains(example, commented) {
			d.t.Errorf("the example has no %s", commented)
		}
		example = strings.ReplaceAll(example, commented, set)
	}
	testkit.OpenSSL(d.t, nil, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj", "/CN=id.example.com",
		"-addext", "subjectAltName=DNS:id.example.com", "-keyout", filepath.Join(etc, "mss.key"), "-out", filepath.Join(etc, "mss.pem"))
	const password = "not/a secret"
	for name, text := range map[string]string{
		"signum.yaml": example, "database-password": password + "\n",
		"store-url": "postgres://signum:" + strings.NewReplacer("/", "%2F", " ", "%20").Replace(password) + "@database/signum\n",
	} {
		d.must(os.WriteFile(filepath.Join(etc, name), []byte(text), 0o600))
	}
	d.must(exec.Command("chown", "-R", "65532:65532", etc).Run())
}

func (d *deployment) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// deployed is a container of a service.
type deployed struct {
	*container
	service service
	server  *server
}

// container makes that of a service: its image, read-only if the service says so, and its
// volumes and secrets.
func (d *deployment) container(name string) *deployed {
	d.t.Helper()
	s := d.services[name]
	for needed, how := range map[string]string{"migrate": "service_completed_successfully", "database": "service_healthy"} {
		if on, ok := s.DependsOn[needed]; ok && on.Condition != how {
			d.t.Errorf("%s waits for %s: %s", name, needed, on.Condition)
		}
	}
	m := d.machines[name]
	c := newContainer(d.t, m, s)
	c.image.User = s.User
	mount := func(args ...string) { d.t.Helper(); m.run(d.t, "", nil, append([]string{"mount"}, args...)...) }
	mount("--bind", c.root, c.root)
	for _, v := range s.Volumes {
		parts := strings.Split(v, ":") // SOURCE:TARGET:MODE
		source, target := filepath.Join(d.volumes, parts[0]), filepath.Join(c.root, parts[1])
		if filepath.IsAbs(parts[0]) { // beside the file
			source = filepath.Join(d.dir, filepath.Base(parts[0]))
		} else if image, err := os.Stat(target); err == nil { // a new volume is as the image has it
			d.must(os.MkdirAll(source, 0o700))
			owner := image.Sys().(*syscall.Stat_t)
			d.must(os.Chown(source, int(owner.Uid), int(owner.Gid)))
		}
		d.must(os.MkdirAll(source, 0o755))
		d.must(os.MkdirAll(target, 0o755))
		mount("--bind", source, target)
		if parts[2] == "ro" {
			mount("-o", "remount,bind,ro", target)
		}
	}
	for _, secret := range s.Secrets {
		file := strings.ReplaceAll(secret.Source, "_", "-")
		d.must(os.MkdirAll(filepath.Join(c.root, "run/secrets"), 0o755))
		d.must(os.Symlink(filepath.Join("/etc/signum", file), filepath.Join(c.root, "run/secrets", secret.Source)))
	}
	for _, v := range s.Tmpfs {
		target, options, _ := strings.Cut(v, ":")
		d.must(os.MkdirAll(filepath.Join(c.root, target), 0o755))
		mount("-t", "tmpfs", "-o", options, "tmpfs", filepath.Join(c.root, target))
	}
	if s.ReadOnly {
		mount("-o", "remount,bind,ro", c.root)
	}
	return &deployed{container: c, service: s}
}

// start runs the command of the service.
func (c *deployed) start() {
	c.t.Helper()
	c.server = serve(c.t, c.name, c.command(c.service.Command...))
}

// command runs the program of the image.
func (c *deployed) command(args ...string) *exec.Cmd {
	return c.container.command(append(slices.Clone(c.image.Entrypoint), args...)...)
}

func (c *deployed) succeeds(args ...string) string {
	c.t.Helper()
	var stderr testkit.Buffer
	cmd := c.command(args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%v: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}

func (c *deployed) fails(args ...string) string {
	c.t.Helper()
	out, err := c.command(args...).CombinedOutput()
	if err == nil {
		c.t.Errorf("%v succeeds:\n%s", args, out)
	}
	return string(out)
}

// check is the health check, without the program.
func (c *deployed) check() []string {
	test := c.service.Healthcheck.Test
	if len(test) < 2 || test[0] != "CMD" || test[1] != c.image.Entrypoint[0] {
		c.t.Fatalf("the health check is %q", test)
	}
	return test[2:]
}

// awaitHealthy waits for the health check to succeed.
func (c *deployed) awaitHealthy() {
	c.t.Helper()
	for deadline := time.After(time.Minute); ; {
		out, err := c.command(c.check()...).CombinedOutput()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			c.t.Fatalf("%s is not healthy: %v\n%s", c.name, err, out)
		case err := <-c.server.ended:
			c.t.Fatalf("%s ended: %v", c.name, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// startDatabase runs PostgreSQL as its image does for the variables of the service.
func (d *deployment) startDatabase() {
	d.t.Helper()
	m, s := d.machines["database"], d.services["database"]
	bin, err := pgtest.Binaries()
	if err != nil {
		testkit.Missing(d.t, "%v", err)
	}
	dir := filepath.Join(d.volumes, "database")
	d.must(os.MkdirAll(dir, 0o700))
	password, err := os.ReadFile(filepath.Join(d.dir, "etc", strings.ReplaceAll(s.Secrets[0].Source, "_", "-")))
	d.must(err)
	d.must(os.WriteFile(filepath.Join(dir, "password"), password, 0o644))
	user, err := pgtest.Credential(dir)
	d.must(err)
	for _, above := range []string{d.volumes, filepath.Dir(d.volumes)} {
		d.must(os.Chmod(above, 0o755))
	}
	const script = `
mkdir -p "$1/socket"
cd "$1"
initdb --pgdata=data --username="$POSTGRES_USER" --pwfile=password --auth-local=trust --auth-host=scram-sha-256 --no-sync >&2
echo "host all all all scram-sha-256" >>data/pg_hba.conf
postgres --single -D data postgres <<end >&2
CREATE DATABASE "$POSTGRES_DB"
end
exec postgres -D data -k "$1/socket" -c listen_addresses='*' -c fsync=off`
	who := []string{"setpriv", "--reuid", strconv.Itoa(int(user.Uid)), "--regid", strconv.Itoa(int(user.Gid)), "--clear-groups", "--"}
	env := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "PGHOST=" + filepath.Join(dir, "socket")}
	for name, value := range s.Environment {
		env = append(env, name+"="+value)
	}
	cmd := m.command(d.t.Context(), append(who, "sh", "-ec", script, "sh", dir)...)
	cmd.Env = env
	running := serve(d.t, "database", cmd)
	test := s.Healthcheck.Test
	if len(test) != 2 || test[0] != "CMD-SHELL" {
		d.t.Fatalf("the health check of the database is %q", test)
	}
	for ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute); ; {
		probe := m.command(ctx, "sh", "-c", test[1])
		probe.Env = env
		out, err := probe.CombinedOutput()
		if err == nil {
			cancel()
			return
		}
		select {
		case <-ctx.Done():
			d.t.Fatal(fmt.Errorf("%w: %s\n%s", err, out, running.output.String()))
		case err := <-running.ended:
			d.t.Fatalf("the database ended: %v\n%s", err, running.output.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
