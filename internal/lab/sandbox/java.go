package sandbox

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// JavaFile configures Swisscom's Java client of Mobile ID: the config.properties
// that its guide describes.
const JavaFile = "java-client.properties"

// keyAlias is Java's name for a key that has none in its PKCS #12 file.
const keyAlias = "1"

// javaProperties returns the contents of JavaFile for a directory, given by its
// absolute path. Settings that are left out keep the client's defaults.
func (i *Info) javaProperties(dir string) []byte {
	var b strings.Builder
	for _, p := range []struct{ name, value string }{
		{"client.msspApId", OpenAPID},         // the client sends receipts and texts without a prefix
		{"client.msspApPassword", "disabled"}, // the client insists on one
		{"client.keyStore.file", filepath.Join(dir, APP12File)},
		{"client.keyStore.password", Password},
		{"client.keyStore.keyPassword", Password},
		{"client.keyStore.certAlias", keyAlias},
		{"client.tls.sslContext", "TLS"}, // the client's own default does not connect
		{"client.http.connectionTimeoutInSeconds", "20"},
		{"client.http.responseTimeoutInSeconds", "100"},
		{"client.proxy.enabled", "false"},
		{"client.proxy.host", ""},
		{"client.proxy.port", ""},
		{"client.proxy.username", ""},
		{"client.proxy.password", ""},
		{"client.signatureValidation.trustStore.file", filepath.Join(dir, TruststoreFile)},
		{"client.signatureValidation.trustStore.type", "PKCS12"},
		{"client.signatureValidation.trustStore.password", Password},
		{"server.trustStore.file", filepath.Join(dir, TruststoreFile)},
		{"server.trustStore.password", Password},
		{"server.hostnameVerification", "true"},
		{"server.rest.url", i.BaseURL + "/rest/service"},
		{"server.soap.signatureUrl", i.BaseURL + "/soap/services/MSS_SignaturePort"},
		{"server.soap.statusQueryUrl", i.BaseURL + "/soap/services/MSS_StatusQueryPort"},
		{"server.soap.receiptUrl", i.BaseURL + "/soap/services/MSS_ReceiptPort"},
		{"server.soap.profileQueryUrl", i.BaseURL + "/soap/services/MSS_ProfileQueryPort"},
	} {
		fmt.Fprintf(&b, "%s=%s\n", p.name, javaValue(p.value))
	}
	return []byte(b.String())
}

// javaValue escapes a value for java.util.Properties, which reads files as
// Latin-1.
func javaValue(s string) string {
	var b strings.Builder
	for n, r := range s {
		switch {
		case r == '\\', n == 0 && r == ' ':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		default:
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
		}
	}
	return b.String()
}
