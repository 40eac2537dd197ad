package node

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// A node whose pages have no public address wakes no App unless it has a contact, and says
// so at its start.
func TestPushNeedsContact(t *testing.T) {
	for contact, status := range map[string]int{"": http.StatusNotFound, "operator@example.com": http.StatusOK} {
		c := testConfig(t)
		c.App.VAPID.Contact = contact
		log := new(testkit.Buffer)
		n := serve(t, c, Deps{Logger: slog.New(slog.NewTextHandler(log, nil))})
		h := &http.Client{Transport: new(http.Transport)}
		resp, err := h.Get(n.WebListenerURL() + "/app/v2/push-key")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h.CloseIdleConnections()
		if resp.StatusCode != status {
			t.Errorf("contact %q: %s", contact, resp.Status)
		}
		if said := strings.Contains(log.String(), "set app.vapid.contact"); said != (contact == "") {
			t.Errorf("contact %q: the log says that push is off: %v", contact, said)
		}
	}
}
