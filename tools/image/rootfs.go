package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// uid is the user and group that the program runs as. It is given as a number in the
// configuration, so that Kubernetes can check runAsNonRoot.
const uid = 65532

const passwd = `root:x:0:0:root:/:/sbin/nologin
signum:x:65532:65532:signum:/data:/sbin/nologin
`

const group = `root:x:0:
signum:x:65532:
`

// nsswitch has names looked up in /etc/hosts, where container engines put them, before DNS.
const nsswitch = "hosts: files dns\n"

// entry is a file or, if its name ends in a slash, a directory.
type entry struct {
	name     string
	mode     int64
	uid, gid int
	content  []byte
}

// rootfs returns the files of the image as a tar archive.
func (b build) rootfs() ([]byte, error) {
	binary, err := os.ReadFile(b.binary)
	if err != nil {
		return nil, err
	}
	license, err := os.ReadFile(b.license)
	if err != nil {
		return nil, err
	}
	return b.tar([]entry{
		{name: "LICENSE", mode: 0o644, content: license},
		// The group may write, because OpenShift runs containers as any user of group 0.
		{name: "data/", mode: 0o770, uid: uid},
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, content: []byte(group)},
		{name: "etc/nsswitch.conf", mode: 0o644, content: []byte(nsswitch)},
		{name: "etc/passwd", mode: 0o644, content: []byte(passwd)},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: roots()},
		{name: "signum", mode: 0o755, content: binary},
		{name: "tmp/", mode: 0o1777},
	})
}

// roots returns the CAs that browsers trust, for push services and other servers of
// third parties. A CA that is trusted under a condition only is left out, since a file
// cannot tell the condition.
func roots() []byte {
	var file bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		_ = pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
	}
	return file.Bytes()
}

// tar archives the entries in their order, with the time of the commit.
func (b build) tar(entries []entry) ([]byte, error) {
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	for _, e := range entries {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Uid: e.uid, Gid: e.gid,
			Size: int64(len(e.content)), ModTime: b.date, Format: tar.FormatUSTAR,
		}
		if e.name[len(e.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}
