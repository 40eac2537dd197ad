package main

import (
	"bytes"
	"io"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ports are those of the service, the pages, OCSP and CRL, and health and metrics.
var ports = []struct{ variable, port string }{
	{"SIGNUM_ADDR", "8443"}, {"SIGNUM_WEB_ADDR", "8444"}, {"SIGNUM_PKI_ADDR", "8445"}, {"SIGNUM_OPS_ADDR", "8446"},
}

// config says how the program runs unless it is told otherwise when it starts.
func (b build) config() v1.Config {
	c := v1.Config{
		User:       strconv.Itoa(uid) + ":" + strconv.Itoa(uid),
		WorkingDir: "/data",
		Volumes:    map[string]struct{}{"/data": {}},
		Entrypoint: []string{"/signum"},
		Cmd:        []string{"sandbox"},
		// SIGNUM_DIR is for the sandbox, SIGNUM_SANDBOX for the commands that talk to
		// it, such as the health check.
		Env:          []string{"PATH=/", "SIGNUM_DIR=/data", "SIGNUM_SANDBOX=/data"},
		ExposedPorts: map[string]struct{}{},
		StopSignal:   "SIGTERM",
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/signum", "health"},
			Interval: 2 * time.Second, Timeout: 5 * time.Second, StartPeriod: 30 * time.Second, Retries: 3,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":         "Signum",
			"org.opencontainers.image.description":   "Mobile signature service (ETSI TS 102 204) with a sandbox for integrators",
			"org.opencontainers.image.version":       b.version,
			"org.opencontainers.image.revision":      b.commit,
			"org.opencontainers.image.created":       b.date.Format(time.RFC3339),
			"org.opencontainers.image.licenses":      "Apache-2.0",
			"org.opencontainers.image.source":        "https://github.com/signum-mssp/signum",
			"org.opencontainers.image.documentation": "https://github.com/signum-mssp/signum/blob/main/docs/image.md",
		},
	}
	for _, p := range ports {
		c.Env = append(c.Env, p.variable+"=0.0.0.0:"+p.port)
		c.ExposedPorts[p.port+"/tcp"] = struct{}{}
	}
	return c
}

// image returns the image: one layer and its configuration.
func (b build) image() (v1.Image, error) {
	files, err := b.rootfs()
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files)), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: b.date}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: b.arch, OS: b.os, Created: created, Config: b.config(),
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(img, mutate.Addendum{
		Layer: layer, History: v1.History{Created: created, CreatedBy: "tools/image", Comment: "binary, CA certificates, user"},
	})
}
