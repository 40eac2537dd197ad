package phonepage

import (
	"context"
	"testing"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

// Without a connection the page says so, whatever it shows, and it says since when.
func testOffline(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.send(signRequest(loginText, loginText))
	p.View("request")
	down := func(on bool) { f.set(func() { f.down = on }) }
	down(true)
	f.drop()
	p.Says("#offline", "Offline since")
	p.Accessible("offline with a request")
	down(false)
	p.Until(`document.getElementById('offline').hidden`)
	p.Click(`[data-do=approve]`)
	p.Unlock(webtest.Passcode)
	p.Says("h1", "Signed")
}
