//go:build linux

package container

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
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

// TestSecretVolume: a node takes its CA and the URL of its database from a volume that is made
// as Kubernetes makes those of secrets. Everybody could write to it if it were not read-only, its
// files belong to the group, and their names are links into a directory that is replaced.
func TestSecretVolume(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "volume", "")
	c := newContainer(t, m, service{Environment: map[string]string{"SIGNUM_SANDBOX": "", "SIGNUM_DIR": "", "SIGNUM_CONFIG": "/etc/signum.yaml"}})
	c.image.User = "65532:65532"
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(c.root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/signum.yaml", `
service: {mssp_uri: "http://mss.example.com/"}
listen:
  mss: {tls: {certificate_file: /etc/tls.crt, key_file: /etc/tls.key}}
  web: {url: "https://id.example.com"}
  pki: {url: "http://pki.example.com"}
store: {url_file: /run/secret/store-url}
ca: {directory: /data/ca}
`)
	testkit.OpenSSL(t, nil, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj", "/CN=mss.example.com",
		"-keyout", filepath.Join(c.root, "etc/tls.key"), "-out", filepath.Join(c.root, "etc/tls.crt"))
	m.run(t, c.root, nil, "chown", "65532", "etc/tls.key")
	m.run(t, c.root, nil, "sh", "-ec", `
mkdir -p run/secret
mount -t tmpfs -o mode=1777,gid=65532 tmpfs run/secret
cd run/secret
mkdir ..2026
ln -s ..2026 ..data
echo postgres://signum:secret@database/signum >..2026/store-url
ln -s ..data/store-url .`)
	check := func() (string, error) {
		out, err := c.command("/signum", "config", "check").CombinedOutput()
		return string(out), err
	}
	if out, err := c.command("/signum", "ca", "create").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.run(t, c.root, nil, "sh", "-ec", `
cd run/secret
mv ../../data/ca/root.pem ../../data/ca/root.crl ../../data/ca/issuing.* ..2026
chown root:65532 ..2026/*
chmod 440 ..2026/*
for file in ..2026/*; do ln -sf "..data/${file#*/}" .; done
sed -i s,/data/ca,/run/secret, ../../etc/signum.yaml`)
	if out, err := check(); err == nil || !strings.Contains(out, "/run/secret is open to every user of this machine") {
		t.Errorf("a directory that everybody can change passes: %v\n%s", err, out)
	}
	m.run(t, c.root, nil, "mount", "-o", "remount,bind,ro", filepath.Join(c.root, "run/secret"))
	if out, err := check(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
