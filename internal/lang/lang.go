package lang

import (
	"slices"
	"strings"
)

// All lists the languages of the service, as ISO 639-1 codes in lower case. It must
// not be changed.
var All = []string{"en", "de", "fr", "it"}

// Default is the language if nothing says otherwise.
const Default = "en"

// Parse reads a language in any case. False means that the service does not
// speak it.
func Parse(sent string) (string, bool) {
	l := strings.ToLower(sent)
	return l, slices.Contains(All, l)
}
