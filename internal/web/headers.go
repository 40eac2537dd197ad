package web

import "net/http"

// Policy lets a page load files of its own origin and nothing else: no inline script
// or style, no other origin, no frame around it.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// permissions are the powerful features that the pages may use.
const permissions = "geolocation=(self), publickey-credentials-get=(self), publickey-credentials-create=(self), " +
	"camera=(), microphone=(), payment=(), usb=(), serial=(), hid=(), midi=(), display-capture=()"

// Secure sets the headers of every answer of the phone page and the handset page.
func Secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", Policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", permissions)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
