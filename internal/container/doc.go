// Package container has the tests of what users run in containers: the image, and the
// compose files of examples/compose and of deploy.
//
// The image is run by buildah, which needs no daemon and no control groups. The services
// of the compose files run as processes in network namespaces, one for each service, with
// the service's name as the host name, as compose gives it. Both need root on Linux.
// What they cannot show is said in docs/image.md.
package container
