package edge

import (
	"net/http"
	"net/url"
	"strings"
)

// TolerateSlashes serves addresses with doubled slashes or with a slash at the end.
// Clients that join a base address and a path write such addresses. A redirect would
// not help them: few programs follow one with POST.
func TolerateSlashes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// RawPath is set only if the path has an escape that none of ours needs.
		if path := withoutSlashes(r.URL.Path); path != r.URL.Path && r.URL.RawPath == "" {
			tidy := *r
			tidy.URL = new(url.URL)
			*tidy.URL = *r.URL
			tidy.URL.Path = path
			r = &tidy
		}
		next.ServeHTTP(w, r)
	})
}

// withoutSlashes returns the path with single slashes, and none at its end.
func withoutSlashes(path string) string {
	if !strings.HasPrefix(path, "/") || !strings.Contains(path, "//") && !strings.HasSuffix(path, "/") {
		return path
	}
	segments := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	return "/" + strings.Join(segments, "/")
}
