// Command image puts a Signum binary for Linux into an OCI image from scratch and
// writes it as one archive, which docker, podman, buildah and skopeo read. It needs
// no daemon and no base image, and the same input results in the same bytes on every
// machine: times come from the commit, and the CA certificates from a module.
//
// scripts/release.sh runs it; see docs/image.md for what is in the image.
package main
