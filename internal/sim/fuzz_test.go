package sim

import (
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
)

// Any message from a phone is acknowledged. It ends no transaction unless it is
// authentic, and takes up no memory for long.
func FuzzDeliver(f *testing.F) {
	w := newWorld(f)
	f.Cleanup(w.ch.Close)
	c := w.card(ecKey)
	c.deaf = true
	r := w.request(c, mssp.OpSign, "_1", text)
	r.Expires = r.Created.Add(24 * time.Hour) // of fuzzing
	w.ask(r)
	proof := single(0x71, make([]byte, 16))
	for _, ud := range [][]byte{
		nil, {2, 0x70, 0}, proof, {7, 0, 3, 1, 2, 1, 0x70, 0, 1, 2, 3}, {5, 0, 3, 1, 2, 2, 4, 5},
		{6, 8, 4, 0, 1, 2, 1}, single(0x70, c.packet(&applet.Reply{Op: applet.Sign})),
	} {
		f.Add(smpp.UDHI, ud)
	}
	f.Add(smpp.TypeReceipt, []byte("id:m1 stat:UNDELIV"))
	f.Fuzz(func(t *testing.T, esm byte, ud []byte) {
		d := from(c, ud)
		d.ESMClass = esm
		if st := w.deliver(d); st != smpp.StatusOK {
			t.Errorf("%s", st)
		}
		if all := w.engine.answers(); len(all) > 0 {
			t.Errorf("%+v", all)
		}
		if s := w.ch.Stats(); s.Pending > 1 || s.Reassembling > w.ch.cfg.ReplyParts {
			t.Errorf("%+v", s)
		}
	})
}
