package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// repository is the name under which engines load the image. The host is localhost, so
// that no engine fetches an image of the same name from a public registry.
const repository = "localhost/signum"

// write writes the image as an OCI layout in a tar archive. It also has the manifest
// that engines older than the OCI layout ask for. It prints the image's digest.
func (b build) write(file string, img v1.Image) error {
	dir, err := os.MkdirTemp("", "signum-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.layout(dir, img); err != nil {
		return err
	}
	entries, err := tree(dir)
	if err != nil {
		return err
	}
	content, err := b.tar(entries)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s  %s:%s %s/%s\n", digest, repository, b.version, b.os, b.arch)
	return nil
}

// layout writes the image into a directory, in both formats.
func (b build) layout(dir string, img v1.Image) error {
	index, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	latest := repository + ":latest" // the one name that engines take from an index
	err = index.AppendImage(img, layout.WithPlatform(v1.Platform{OS: b.os, Architecture: b.arch}), layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": "latest",
		"io.containerd.image.name":          latest,
	}))
	if err != nil {
		return err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	old := map[string]any{"Config": blob(manifest.Config), "RepoTags": []string{latest, repository + ":" + b.version}}
	var layers []string
	for _, l := range manifest.Layers {
		layers = append(layers, blob(l))
	}
	old["Layers"] = layers
	text, err := json.Marshal([]any{old})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o644)
}

// blob returns the path of a blob in a layout.
func blob(d v1.Descriptor) string { return "blobs/" + d.Digest.Algorithm + "/" + d.Digest.Hex }

// tree returns the files of a directory in the order of their names.
func tree(dir string) ([]entry, error) {
	var entries []entry
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case d.IsDir():
			entries = append(entries, entry{name: name + "/", mode: 0o755})
			return nil
		}
		content, err := fs.ReadFile(root, name)
		entries = append(entries, entry{name: name, mode: 0o644, content: content})
		return err
	})
	return entries, err
}
