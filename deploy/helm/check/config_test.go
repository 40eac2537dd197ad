package check

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

// TestConfig: a node takes the configuration of each variant, in the files that its pod has. Nothing
// surprises but that the metrics have no TLS, and that a node without a drain stops at once.
func TestConfig(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "signum")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/signum")
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	each(t, func(t *testing.T, o objects) {
		set := only(t, o.sets)
		n := &node{t: t, root: t.TempDir(), program: program}
		n.files(o, set.Spec.Template.Spec)
		n.run("ca", "create")
		n.must(os.Remove(n.path("/run/ca/root.key")))
		var report struct {
			OK               bool
			Faults, Warnings []struct{ Key, Text string }
		}
		n.must(json.Unmarshal(n.run("config", "check", "--json"), &report))
		expected := map[string]bool{"listen.ops.address": true, "drain.announce": strings.HasSuffix(t.Name(), "no_drain")}
		for _, w := range append(report.Faults, report.Warnings...) {
			if !expected[w.Key] {
				t.Errorf("%s: %s", w.Key, w.Text)
			}
		}
		if !report.OK || len(report.Warnings) == 0 {
			t.Errorf("it says %+v", report)
		}
	})
}

// node is the files and variables of a pod, in a directory of this machine.
type node struct {
	t             *testing.T
	root, program string
	env           []string
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// path is where a file of the pod is on this machine.
func (n *node) path(name string) string { return filepath.Join(n.root, name) }

// here replaces the directories of the pod in a text.
func (n *node) here(text string) string {
	for _, dir := range []string{"/run/", "/etc/signum/", "/export"} {
		text = strings.ReplaceAll(text, dir, n.root+dir)
	}
	return text
}

// files makes what the volumes of the pod have.
func (n *node) files(o objects, pod core.PodSpec) {
	n.t.Helper()
	container := pod.Containers[0]
	for _, m := range container.VolumeMounts {
		n.must(os.MkdirAll(n.path(m.MountPath), 0o700))
	}
	for _, v := range pod.Volumes {
		if v.ConfigMap == nil {
			continue
		}
		for name, text := range o.configs[v.ConfigMap.Name].Data {
			n.must(os.WriteFile(n.path("/etc/signum/"+name), []byte(n.here(text)), 0o600))
		}
	}
	for _, listener := range []string{"mss", "web"} {
		n.keyPair("/run/tls/" + listener)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	const vapid = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94" // of the public key in "signum config example"
	for name, secret := range map[string]string{
		"store-url": "postgres://signum:secret@database/signum", "master-key": hex.EncodeToString(key), "vapid-key": vapid, "smsc-password": "secret",
	} {
		n.must(os.WriteFile(n.path("/run/credentials/"+name), []byte(secret+"\n"), 0o440))
	}
	for _, e := range container.Env {
		n.env = append(n.env, e.Name+"="+n.here(e.Value))
	}
}

// keyPair writes a TLS certificate for the names in the least values, as cert-manager does.
func (n *node) keyPair(dir string) {
	n.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	n.must(err)
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 3, 0), DNSNames: []string{"mss.example.com", "id.example.com"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	n.must(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	n.must(err)
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: cert}, "tls.key": {Type: "PRIVATE KEY", Bytes: der}} {
		n.must(os.WriteFile(filepath.Join(n.path(dir), name), pem.EncodeToMemory(block), 0o440))
	}
}

// run runs a command of the program as the container does.
func (n *node) run(args ...string) []byte {
	n.t.Helper()
	cmd := exec.CommandContext(n.t.Context(), n.program, args...)
	cmd.Env = n.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		n.t.Fatalf("%q: %v\n%s%s", args, err, out, stderr.String())
	}
	return out
}
