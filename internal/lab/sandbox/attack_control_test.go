package sandbox

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/lab/control"
)

// TestAttackControlBody: somebody without the certificate of the party is refused by
// the header of a request to a control address. The body, which never comes, is not
// waited for.
func TestAttackControlBody(t *testing.T) {
	box := run(t, Config{})
	for pattern := range control.New(control.Config{}).Handlers() {
		method, path, _ := strings.Cut(pattern, " ")
		if method == http.MethodGet {
			continue // without a body
		}
		c, err := tls.Dial("tcp", box.MSSAddr(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second)) // the service itself waits for 10 s
		fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n", method, path, box.MSSAddr())
		answer, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(answer), fmt.Sprintf("HTTP/1.1 %d ", http.StatusUnauthorized)) {
			t.Errorf("%s: %q, %v", path, answer, err)
		}
		c.Close()
	}
}
