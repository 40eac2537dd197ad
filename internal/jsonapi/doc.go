// Package jsonapi has what the JSON interfaces for operators and for tests have in common:
// bodies of limited size, members that are known, merge patches, and answers.
//
//	request ─▶ Calls.Serve: body, limited ─▶ function ─▶ 2xx JSON, or 4xx {"error": …}
//
// It must not know what is called, or who may call.
package jsonapi
