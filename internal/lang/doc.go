// Package lang is the one list of the languages that the service speaks to
// users: on the phone, in text messages and on the pages.
//
// The texts themselves stand where they are used. A test in the root of the
// module walks the sources and fails for every table of texts, in Go, JSON or
// JavaScript, that lacks one of these languages, and for every second list of
// languages. To add a language, add it here and follow the test.
//
// The package must not know any text, nor who asks.
package lang
