// Package web has what the pages share: the names that they answer to, the security
// headers, and static files that are embedded in the binary and served with an ETag.
//
// Each page is a package of its own: phonepage (the App, under /phone), portal
// (self-care, under /me), and in the sandbox handsetpage (handsets with a simulated
// SIM, under /phone/sim). Package webtest drives them in a real browser.
//
// It must know neither a page nor the service.
package web
