// Package lang has the one list of the languages in which the service speaks to
// users: on the phone, in text messages and on its pages.
//
// The texts are where they are used. A test in the root of the module reads the
// sources and fails for every table of texts, in Go, JSON or JavaScript, that lacks
// one of these languages, and for any other list of languages. To add a language,
// add it here and fix what the test reports.
//
// The package must not know any text, nor its users.
package lang
