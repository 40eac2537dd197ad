package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
)

// TestSMSC: the SMSC goes away, or stands still, and comes back.
func TestSMSC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", storeUsers, func(c *config.Config) {
		s := &c.SIM.SMSCs[0]
		s.EnquireLink, s.ResponseTimeout, s.DialTimeout = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	})
	rejoin := func() {
		if err := w.air.join(); err != nil {
			w.t.Error(err)
		}
	}
	for _, tt := range []struct {
		name       string
		begin, end func()
	}{
		{"killed", w.air.cut, rejoin},
		{"frozen", w.air.freeze, w.air.thaw},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer w.of(t)()
			w.bearSilence(tt.begin, tt.end)
		})
	}
}

// bearSilence lets the SMSC fail. That is a fault of the mobile network: a phone that was
// not reached is 209. Who was asked can answer when the SMSC is back.
func (w *world) bearSilence(begin, end func()) {
	w.t.Helper()
	answers := w.asked(number(answersMeanwhile), long)
	later := w.asked(number(answersLater), long)
	said := len(w.log.String())
	shown := w.shown.count(number(asksMeanwhile))
	begin()
	w.release(number(answersMeanwhile))
	// In three seconds an attempt after the first one ends well before the request is given up:
	// one that began at that moment would be cut short in the store, and be told as 900.
	tooLate := w.ask(number(answersTooLate), 3*time.Second)
	waits := w.ask(number(asksMeanwhile), long)
	w.wants("whose time ends meanwhile", (<-tooLate.answer).err, signum.OTAError, signum.OTAError.Detail())
	w.eventually("the node is not ready", func() bool { return strings.Contains(w.ready(), "[-] smsc: ") })
	if *longer > 0 {
		<-time.After(*longer)
	}
	end()

	w.wants("who answers meanwhile", (<-answers.answer).err, signum.SignatureMade, "")
	w.wants("who asks meanwhile", (<-waits.answer).err, signum.SignatureMade, "")
	if n := w.shown.count(number(asksMeanwhile)); n != shown+1 {
		w.t.Errorf("the phone showed the request %d times", n-shown)
	}
	w.release(number(answersLater))
	w.wants("who answers later", (<-later.answer).err, signum.SignatureMade, "")
	w.eventually("the node is ready", func() bool { return w.ready() == "" })
	for i := range storeUsers {
		w.eventually("the user signs again", func() bool { return w.sign(number(i), long) == nil })
	}
	for _, line := range []string{"SMPP session ended", "SMPP bound"} {
		if !strings.Contains(w.log.String()[said:], line) {
			w.t.Errorf("the log does not say: %s", line)
		}
	}
}
