package sandbox_test

import (
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// TestLiveTwoPhones follows a person with two phones: both show each request, the first
// answer counts, and the other phone says where it was answered.
func TestLiveTwoPhones(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	first := l.enrol(lena)
	second, _ := l.enrolIn(webtest.NewBrowser(t), lena)

	got := l.ask(request(lena, greeting))
	first.View("request")
	second.View("request")
	pictureOf(second, "phone-two-request")
	approve(second)
	second.Says("h1", "Signed")
	l.signed(got, greeting)
	first.Wait(`[data-view=result][data-outcome=elsewhere]`)
	first.Says("main", "answered on another phone")
	first.Accessible("answered elsewhere")
	pictureOf(first, "phone-answered-elsewhere")

	got = l.ask(request(lena, greeting))
	second.Wait(`[data-view=request]`)
	first.Wait(`[data-view=request]`)
	first.Click(`[data-do=cancel]`)
	l.refused(got, signum.UserCancel)
	second.Wait(`[data-view=result][data-outcome=elsewhere]`)

	// A first phone that is blocked does not stop the second.
	got = l.ask(request(lena, greeting))
	block(first)
	second.Wait(`[data-view=request]`)
	approve(second)
	l.signed(got, greeting)
}
