// Package script says what phones do next: a list of steps, each with a match and an act. The first
// step that matches a request is taken off the list and says what happens to the request. A request
// that no step matches gets what its user usually does.
//
//	Queue: Step (Match, Act), Step, … ── Take(Request) ──▶ Act
//
// The package must not know phones or worlds: it decides, and others act.
package script
