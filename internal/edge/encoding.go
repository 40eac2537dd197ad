package edge

import (
	"net/http"
	"strings"

	"github.com/signum-mssp/signum"
)

// gzipped reports whether a body is compressed with gzip. "identity" changes nothing,
// and neither does the name of a character set, which some clients write into this
// header. Any other encoding is refused by its name, because the decoder would only
// say that the body is malformed.
func gzipped(h http.Header) (bool, error) {
	found := false
	for _, line := range h["Content-Encoding"] {
		for name := range strings.SplitSeq(line, ",") {
			switch name = strings.ToLower(strings.Trim(name, " \t")); name {
			case "", "identity", "utf-8", "utf8":
			case "gzip", "x-gzip":
				if found {
					return false, signum.Faultf(signum.WrongParam, "Content-Encoding names gzip twice: compress the body once")
				}
				found = true
			default:
				return false, signum.Faultf(signum.WrongParam, "The service does not support %s: send the body as it is, or compress it with gzip", named("Content-Encoding", name))
			}
		}
	}
	return found, nil
}

// named returns a header with what was sent in it, if that is short and has only the
// characters of media types and encodings, in lower case.
func named(header, sent string) string {
	const characters = "0123456789abcdefghijklmnopqrstuvwxyz-_.+/"
	if len(sent) > 64 || strings.Trim(sent, characters) != "" {
		return "this " + header
	}
	return header + " " + sent
}
