package sim

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// fakeCard is a card with its phone and user.
type fakeCard struct {
	net    *fakeNet
	msisdn string
	iccid  string
	device string
	keys   scp80.Keys
	keySet byte
	kidSet byte      // of KID; 0: keySet
	tar    scp80.TAR // zero: applet.TAR
	key    crypto.Signer

	mu      sync.Mutex
	parts   *sms.Reassembler
	counter uint64 // highest accepted
	replies atomic.Uint64
	cache   map[[9]byte]*applet.Reply // nil: its user is being asked
	prompts int                       // how often a user was asked
	seen    []*applet.Request
	ref     byte

	think  time.Duration
	result func(*applet.Request) applet.Result // nil: OK
	silent bool                                // no proof of receipt
	deaf   bool                                // no reaction at all
	proofs []scp80.Status                      // proofs for the next packets, which are not opened; OK: as usual
	bare   bool                                // errors come in unsecured proofs
}

func (f *fakeCard) params() scp80.Params {
	return scp80.Params{SPI: spi, KIc: f.keySet<<4 | 2, KID: cmp.Or(f.kidSet, f.keySet)<<4 | 2, TAR: cmp.Or(f.tar, applet.TAR)}
}

func (f *fakeCard) receive(m *smpp.SubmitSM) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deaf {
		return
	}
	msg, ok, err := f.parts.Add(time.Now(), m.Source.Addr, m.ShortMessage)
	if err != nil || !ok {
		return
	}
	cmd, err := scp80.OpenCommand(msg.Packet, f.keys)
	if err != nil {
		panic(err)
	}
	st := cmd.CheckCounter(f.counter, cmd.Counter)
	if len(f.proofs) > 0 {
		if f.proofs[0] != scp80.OK {
			st = f.proofs[0]
		}
		f.proofs = f.proofs[1:]
	}
	f.prove(m.Source, cmd.Counter, st)
	if st != scp80.OK {
		return
	}
	f.counter = cmd.Counter
	r, err := applet.ParseRequest(cmd.Data)
	if err != nil {
		panic(err)
	}
	f.seen = append(f.seen, r)
	f.ask(m.Source, r)
}

func (f *fakeCard) prove(to smpp.Address, counter uint64, st scp80.Status) {
	if f.silent {
		return
	}
	r := &scp80.Response{TAR: cmp.Or(f.tar, applet.TAR), Counter: counter, Status: st}
	packet, err := r.Seal(f.params(), f.keys, scp80.KindResponse)
	if f.bare && st != scp80.OK {
		r.Counter = 0
		packet, err = r.Unsecured()
	}
	if err != nil {
		panic(err)
	}
	f.send(to, packet, sms.IEIResponse)
}

func (f *fakeCard) send(to smpp.Address, packet []byte, iei byte) {
	f.ref++
	uds, err := sms.SplitPacket(packet, iei, f.ref)
	if err != nil {
		panic(err)
	}
	for _, ud := range uds {
		f.net.originate(f.msisdn, to, ud)
	}
}

func cacheName(r *applet.Request) (n [9]byte) {
	copy(n[:], r.ID[:])
	n[8] = byte(r.Op)
	return n
}

func (f *fakeCard) ask(to smpp.Address, r *applet.Request) {
	name := cacheName(r)
	if rep, known := f.cache[name]; known {
		if rep != nil {
			f.say(to, rep)
		}
		return
	}
	result := applet.OK
	if f.result != nil {
		result = f.result(r)
	}
	if result == applet.Busy {
		f.say(to, &applet.Reply{Op: r.Op, ID: r.ID, KeyID: 1, Result: applet.Busy})
		return
	}
	f.cache[name] = nil
	f.prompts++
	time.AfterFunc(max(f.think, 1), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		rep := f.perform(r, result)
		f.cache[name] = rep
		f.say(to, rep)
	})
}

func (f *fakeCard) perform(r *applet.Request, result applet.Result) *applet.Reply {
	rep := &applet.Reply{Op: r.Op, ID: r.ID, KeyID: 1, Algorithm: r.Algorithm, Result: result, TriesLeft: 3}
	if result != applet.OK {
		return rep
	}
	switch r.Op {
	case applet.Sign:
		text, err := r.Text.Decode()
		if err != nil {
			panic(err)
		}
		rep.Signature = f.sign(cms.RebuildAttributes([]byte(text), r.SigningTime, r.CertHash))
	case applet.GenKey:
		der, err := x509.MarshalPKIXPublicKey(f.key.Public())
		if err != nil {
			panic(err)
		}
		rep.PublicKey, rep.Proof = der, f.sign(mssp.ActivationProof(r.Challenge, der))
	}
	return rep
}

func (f *fakeCard) sign(b []byte) []byte {
	sum := sha256.Sum256(b)
	sig, err := f.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return sig
}

func (f *fakeCard) say(to smpp.Address, rep *applet.Reply) {
	f.send(to, f.packet(rep), sms.IEICommand)
}

func (f *fakeCard) packet(rep *applet.Reply) []byte {
	data, err := rep.MarshalBinary()
	if err != nil {
		panic(err)
	}
	r := &scp80.Response{TAR: cmp.Or(f.tar, applet.TAR), Counter: f.replies.Add(1), Data: data}
	packet, err := r.Seal(f.params(), f.keys, scp80.KindCommand)
	if err != nil {
		panic(err)
	}
	return packet
}

func (f *fakeCard) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.prompts
}

func (f *fakeCard) requests() []*applet.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}
