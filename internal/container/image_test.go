package container

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// archive is what a tar archive contains, by name.
type archive map[string]file

type file struct {
	header  *tar.Header
	content []byte
}

func readTar(r io.Reader) (archive, error) {
	all := archive{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			return nil, err
		}
		all[h.Name] = file{h, content}
	}
}

// manifest is an entry of manifest.json.
type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// settings are the parts of an image's configuration that matter to who runs it.
type settings struct {
	User                   string
	Env, Entrypoint, Cmd   []string
	ExposedPorts           map[string]any
	Volumes                map[string]any
	Labels                 map[string]string
	WorkingDir, StopSignal string
	Healthcheck            struct{ Test []string }
}

// opened is what the image contains.
var opened struct {
	once   sync.Once
	config settings
	files  archive
	err    error
}

// open returns the configuration and the files of the image.
func open(t *testing.T) (settings, archive) {
	t.Helper()
	name := image(t)
	o := &opened
	o.once.Do(func() { o.config, o.files, o.err = readImage(name) })
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.config, o.files
}

func readImage(name string) (settings, archive, error) {
	var none settings
	content, err := os.ReadFile(name)
	if err != nil {
		return none, nil, err
	}
	all, err := readTar(bytes.NewReader(content))
	if err != nil {
		return none, nil, err
	}
	var manifests []manifest
	if err := json.Unmarshal(all["manifest.json"].content, &manifests); err != nil || len(manifests) != 1 || len(manifests[0].Layers) != 1 {
		return none, nil, fmt.Errorf("%w: %s", err, all["manifest.json"].content)
	}
	var config struct{ Config settings }
	if err := json.Unmarshal(all[manifests[0].Config].content, &config); err != nil {
		return none, nil, err
	}
	layer, err := gzip.NewReader(bytes.NewReader(all[manifests[0].Layers[0]].content))
	if err != nil {
		return none, nil, err
	}
	files, err := readTar(layer)
	return config.Config, files, err
}

// unpack writes the files of an image into a directory, with their owners.
func unpack(t *testing.T, files archive) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) { // a directory before what is in it
		f, path := files[name], filepath.Join(root, name)
		var err error
		if f.header.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, 0o700)
		} else {
			err = os.WriteFile(path, f.content, 0o600)
		}
		if err = errors.Join(err, os.Chown(path, f.header.Uid, f.header.Gid), os.Chmod(path, f.header.FileInfo().Mode())); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestImageIsReproducible makes the image twice, as different people on different machines.
func TestImageIsReproducible(t *testing.T) {
	t.Parallel()
	one, err := os.ReadFile(image(t))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.tar")
	err = makeImage(other, "TZ=Asia/Tokyo", "HOME=/nonexistent", "TMPDIR="+t.TempDir(), "LANG=de_CH.UTF-8", "USER=somebody")
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error("two builds of one binary differ")
	}
}

// TestImageFiles: the image has these files with these owners, and no others.
func TestImageFiles(t *testing.T) {
	t.Parallel()
	_, files := open(t)
	want := []string{
		"LICENSE -rw-r--r-- 0:0",
		"data/ drwxrwx--- 65532:0",
		"etc/ drwxr-xr-x 0:0",
		"etc/group -rw-r--r-- 0:0",
		"etc/nsswitch.conf -rw-r--r-- 0:0",
		"etc/passwd -rw-r--r-- 0:0",
		"etc/ssl/ drwxr-xr-x 0:0",
		"etc/ssl/certs/ drwxr-xr-x 0:0",
		"etc/ssl/certs/ca-certificates.crt -rw-r--r-- 0:0",
		"signum -rwxr-xr-x 0:0",
		"tmp/ dtrwxrwxrwx 0:0",
	}
	var got []string
	for name, f := range files {
		got = append(got, fmt.Sprintf("%s %s %d:%d", name, f.header.FileInfo().Mode(), f.header.Uid, f.header.Gid))
		if when := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC); !f.header.ModTime.Equal(when) {
			t.Errorf("%s is of %v", name, f.header.ModTime)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(files["etc/ssl/certs/ca-certificates.crt"].content) {
		t.Error("no CA certificates")
	}
}

// TestImageConfig: what the image says to engines and to people.
func TestImageConfig(t *testing.T) {
	t.Parallel()
	c, files := open(t)
	for name, row := range map[string]struct{ got, want any }{
		"user":      {c.User, "65532:65532"},
		"command":   {append(c.Entrypoint, c.Cmd...), "[/signum sandbox]"},
		"directory": {c.WorkingDir, "/data"},
		"volumes":   {c.Volumes, "map[/data:map[]]"},
		"ports":     {c.ExposedPorts, "map[8443/tcp:map[] 8444/tcp:map[] 8445/tcp:map[] 8446/tcp:map[]]"},
		"health":    {c.Healthcheck.Test, "[CMD /signum health]"},
		"signal":    {c.StopSignal, "SIGTERM"},
		"variables": {c.Env, "[PATH=/ SIGNUM_DIR=/data SIGNUM_SANDBOX=/data SIGNUM_ADDR=0.0.0.0:8443 SIGNUM_WEB_ADDR=0.0.0.0:8444 SIGNUM_PKI_ADDR=0.0.0.0:8445 SIGNUM_OPS_ADDR=0.0.0.0:8446]"},
		"version":   {c.Labels["org.opencontainers.image.version"], "v1.2.3"},
		"commit":    {c.Labels["org.opencontainers.image.revision"], "0123abcd"},
		"created":   {c.Labels["org.opencontainers.image.created"], "2026-11-01T10:00:00Z"},
		"licence":   {c.Labels["org.opencontainers.image.licenses"], "Apache-2.0"},
	} {
		if got := fmt.Sprint(row.got); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
	user, _, _ := strings.Cut(c.User, ":")
	if passwd := string(files["etc/passwd"].content); !strings.Contains(passwd, "signum:x:"+user+":") {
		t.Errorf("passwd does not name user %s:\n%s", user, passwd)
	}
}

// TestImagePage: docs/image.md names every variable of the image, and its pod has the ports
// of the image.
func TestImagePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/image.md")
	if err != nil {
		t.Fatal(err)
	}
	c, _ := open(t)
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		if row := fmt.Sprintf("| `%s` | `%s` |", name, value); name != "PATH" && !strings.Contains(string(page), row) {
			t.Errorf("the page has no row that begins with %s", row)
		}
	}
	pods := regexp.MustCompile("(?ms)^```yaml\n(.*?)^---$").FindSubmatch(page)
	if pods == nil {
		t.Fatal("the page has no pod")
	}
	var pod struct {
		Spec struct {
			Containers []struct {
				Ports []struct {
					ContainerPort int `yaml:"containerPort"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(pods[1], &pod); err != nil || len(pod.Spec.Containers) != 1 {
		t.Fatalf("%v: %+v", err, pod)
	}
	ports := map[string]any{}
	for _, p := range pod.Spec.Containers[0].Ports {
		ports[fmt.Sprintf("%d/tcp", p.ContainerPort)] = map[string]any{}
	}
	if !maps.EqualFunc(ports, c.ExposedPorts, func(any, any) bool { return true }) {
		t.Errorf("the pod has the ports %v, the image %v", ports, c.ExposedPorts)
	}
}
