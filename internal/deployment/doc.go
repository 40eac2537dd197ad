// Package deployment checks the files in deploy, with which an operator runs the
// service. It consists of tests.
//
//	deploy/systemd ─▶ systemd-analyze: are the units right, and how much do they expose?
//	deploy/compose.yaml ─▶ docker-compose: is it as its engine reads it?
//	deploy/haproxy.cfg ─▶ haproxy: does it accept it?
//
// It must know nothing of the service but the files that are checked.
package deployment
