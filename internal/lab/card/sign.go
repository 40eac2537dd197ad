package card

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/mssp"
)

// signature shows a text, page by page, then asks for the PIN.
type signature struct {
	pages []text
	at    int  // the current page; len(pages): the PIN
	wrong bool // the last PIN was
}

// beginSignature refuses what it cannot sign before it shows anything.
func (c *Card) beginSignature(d *dialogue) {
	t, err := readable(d.req.Text)
	who, errWho := sender(d.req.Party, d.words.asks)
	result := applet.OK
	switch {
	case c.forced != applet.OK:
		result = c.forced
	case err != nil || errWho != nil:
		result = applet.Refused
	case c.key == nil || d.req.KeyID != onlyKey ||
		d.req.Algorithm != 0 && d.req.Algorithm != algorithmOf(c.key):
		result = applet.NoKey
	case c.kept.TriesLeft == 0:
		result = applet.PINBlocked
	}
	if result != applet.OK {
		c.finish(d, applet.Reply{Result: result})
		return
	}
	c.play(d, introduced(who, &signature{pages: t.pages()}))
}

func (s *signature) ask(c *Card, d *dialogue) {
	if s.at < len(s.pages) {
		c.displayText(d, StepText, s.pages[s.at])
		return
	}
	c.getPIN(d, StepPIN, d.words.askPIN(s.wrong, c.kept.TriesLeft))
}

func (s *signature) next(c *Card, d *dialogue, typed string) {
	if s.at < len(s.pages) {
		s.at++
		s.ask(c, d)
		return
	}
	if left, ok := c.verifyPIN(typed); !ok {
		if left == 0 {
			c.finish(d, applet.Reply{Result: applet.PINBlocked})
			return
		}
		s.wrong = true
		s.ask(c, d)
		return
	}
	sig, err := c.sign(d.req, s.pages)
	if err != nil {
		c.finish(d, applet.Reply{Result: applet.Internal})
		return
	}
	c.finish(d, applet.Reply{Signature: sig})
}

func (s *signature) back(*Card, *dialogue) (first bool) {
	if s.at == 0 {
		return true
	}
	s.at--
	return false
}

// sign makes a signature over attributes that the card builds from the pages it
// displayed.
func (c *Card) sign(r *applet.Request, shown []text) ([]byte, error) {
	content, err := join(shown).String()
	if err != nil {
		return nil, err
	}
	return c.useKey(c.key, cms.RebuildAttributes([]byte(content), r.SigningTime, r.CertHash))
}

// useKey signs with a key. Only sign and makeKey call it.
func (c *Card) useKey(key crypto.Signer, message []byte) ([]byte, error) {
	sum := sha256.Sum256(message)
	sig, err := key.Sign(c.cfg.Rand, sum[:], crypto.SHA256) // DER for ECDSA, PKCS #1 v1.5 for RSA
	if err == nil && c.corrupt {
		sig[len(sig)-1] ^= 1 // still well-formed
	}
	return sig, err
}

// makeKey generates the key unless there is one, and proves its possession. The
// message of the proof begins with a letter, so it cannot be mistaken for signed
// attributes, which begin with the tag of a SET.
func (c *Card) makeKey(d *dialogue) {
	key, want, have := c.key, d.req.Algorithm, algorithmOf(c.key)
	if c.kept.PIN == "" || d.req.KeyID != onlyKey || have != 0 && want != 0 && want != have {
		c.finish(d, applet.Reply{Result: applet.Refused})
		return
	}
	var fresh []byte // in its PKCS #8 form
	if key == nil {
		if want == 0 {
			want = applet.EC
		}
		var err error
		if key, fresh, err = c.generate(want); err != nil {
			c.finish(d, applet.Reply{Result: applet.Internal})
			return
		}
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		c.finish(d, applet.Reply{Result: applet.Internal})
		return
	}
	proof, err := c.useKey(key, mssp.ActivationProof(d.req.Challenge, public))
	if err == nil && fresh != nil {
		err = c.keep(func(s *State) { s.Key = fresh })
	}
	if err != nil {
		c.finish(d, applet.Reply{Result: applet.Internal})
		return
	}
	c.key = key
	c.finish(d, applet.Reply{PublicKey: public, Proof: proof})
}
