package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// build describes one image.
type build struct {
	binary, license string // files
	os, arch        string
	version, commit string
	date            time.Time // of the commit
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run() error {
	var b build
	flag.StringVar(&b.binary, "binary", "", "static binary for the platform")
	flag.StringVar(&b.license, "license", "LICENSE", "license file")
	flag.StringVar(&b.version, "version", "", "version of the binary")
	flag.StringVar(&b.commit, "commit", "", "commit of the binary")
	platform := flag.String("platform", "linux/amd64", "platform of the binary")
	date := flag.String("date", "", "time of the commit (RFC 3339), the time of everything in the image")
	out := flag.String("out", "", "archive to write")
	flag.Parse()
	if b.binary == "" || b.version == "" || *out == "" {
		return fmt.Errorf("-binary, -version and -out are required")
	}
	var ok bool
	if b.os, b.arch, ok = strings.Cut(*platform, "/"); !ok || b.os != "linux" {
		return fmt.Errorf("-platform %s: want linux/ARCH", *platform)
	}
	var err error
	if b.date, err = time.Parse(time.RFC3339, *date); err != nil {
		return fmt.Errorf("-date: %w", err)
	}
	b.date = b.date.UTC()
	img, err := b.image()
	if err != nil {
		return err
	}
	return b.write(*out, img)
}
