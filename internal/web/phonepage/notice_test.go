package phonepage

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (f *fake) object(_ *fakeDevice, _ *http.Request, body []byte) (any, *fakeError) {
	f.objections = append(f.objections, string(body))
	return nil, nil
}

// A change of the account is shown once, and the user objects with one touch.
func testNotice(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	notice := func(id, kind, name string) {
		now := time.Now()
		f.set(func() {
			f.tell(map[string]any{"type": "notice", "notice": map[string]any{
				"id": id, "kind": kind, "name": name, "created": now.UnixMilli(), "expires": now.Add(time.Hour).UnixMilli()}})
		})
	}
	notice("n1", "app_added", "<b>Eve's phone")
	p.View("notice")
	p.Says("main", "A phone was added to your account (<b>Eve's phone)")
	p.Click(`[data-do=object]`)
	p.View("objected")
	p.Says("main", "It was undone")
	f.set(func() {
		if len(f.objections) != 1 || !strings.Contains(f.objections[0], "n1") {
			t.Errorf("objections %v", f.objections)
		}
	})
	p.Click(`[data-view=objected] .primary`)
	p.Ready()
	notice("n1", "app_added", "") // again, as after a reconnect
	notice("n2", "sim_ended", "")
	p.View("notice")
	p.Says("main", "your SIM was switched off")
	p.Click(`[data-do=mine]`)
	p.Ready()
	notice("n3", "of_a_newer_service", "")
	p.View("notice")
	p.Says("main", "Your account was changed")
	p.Click(`[data-do=mine]`)
	p.Ready()
	f.set(func() {
		if len(f.objections) != 1 {
			t.Errorf("objections %v", f.objections)
		}
	})
}
