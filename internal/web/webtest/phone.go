package webtest

// Passcode is the passcode that Enrol sets.
const Passcode = "274916"

// Enrol sets up the phone with an activation code and Passcode. If code is empty, the
// address of the page contains it.
func (p *Tab) Enrol(code string) {
	p.T.Helper()
	p.View("code")
	if code != "" {
		p.Fill(`[name=code]`, code)
	}
	p.Click(`[data-view=code] .primary`)
	p.View("passcode")
	p.Fill(`[name=new-passcode]`, Passcode)
	p.Fill(`[name=passcode-again]`, Passcode)
	p.Click(`[data-view=passcode] .primary`)
	p.View("keep")
	p.Click("#kept")
	p.Click(`[data-view=keep] .primary`)
	p.Ready()
}

// Ready waits until the phone is connected to the service.
func (p *Tab) Ready() { p.T.Helper(); p.Wait(".pulse.on") }

// Unlock enters a passcode to sign.
func (p *Tab) Unlock(passcode string) {
	p.T.Helper()
	p.Fill(`dialog [name=passcode]`, passcode)
	p.Click(`dialog [data-do=sign]`)
}
