package phonepage

import (
	"context"
	"testing"
)

// A phone whose page is older than the service is told to load the current one,
// also if it was open during the upgrade, when only its inbox breaks off.
func testOutdated(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.set(func() { f.upgraded = true })
	f.drop()
	p.View("outdated")
	p.Says("h1", "too old")
	p.Accessible("outdated")
	f.set(func() { f.upgraded = false })
	p.Click(`[data-view=outdated] .primary`)
	p.Ready()
}
