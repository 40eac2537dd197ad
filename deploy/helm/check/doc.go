// Package check renders the chart of deploy/helm/signum and judges the result. It consists of
// tests, in a module of its own, so that users of the other packages do not get the modules of
// Helm and Kubernetes.
//
//	values ─▶ schema ─▶ templates ─▶ objects, decoded strictly into their Kubernetes types
//	                                  ├─▶ do ports, volumes, selectors and times fit together?
//	                                  └─▶ signum.yaml ─▶ signum config check
//
// It must know nothing of the service but its command line.
package check
