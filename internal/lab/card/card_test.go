package card_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
)

func verify(t testing.TB, key crypto.PublicKey, message, sig []byte) bool {
	t.Helper()
	sum := sha256.Sum256(message)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum[:], sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) == nil
	}
	t.Fatalf("a key of type %T", key)
	return false
}

func attributes(r applet.Request, text string) []byte {
	return cms.RebuildAttributes([]byte(text), r.SigningTime, r.CertHash)
}

// The card signs what it displayed, in any alphabet.
func TestSign(t *testing.T) {
	pair := "\U0001f512"
	texts := map[string]string{
		"plain":                     "Bank: pay CHF 100.00?",
		"at the end":                "seven @",
		"only at":                   "@",
		"umlauts":                   "Zürich: zahlen für Grüße, à bientôt",
		"extension":                 "[{~^|€\\}] {end€",
		"lines":                     "a\r\nb\nc\f",
		"ucs2":                      "Привет – ça va ✓",
		"surrogate":                 "lock " + pair,
		"longest gsm":               strings.Repeat("x", 239),
		"one septet":                "x",
		"timed":                     strings.Repeat("x", 236),
		"untimed":                   strings.Repeat("x", 237),
		"screen":                    strings.Repeat("x", 240),
		"two pages":                 strings.Repeat("x", 241),
		"two pages, escape between": strings.Repeat("x", 235) + "€€€€",
		"longest ucs2":              strings.Repeat("я", 119),
		"two pages of ucs2":         strings.Repeat("я", 117) + pair + pair,
	}
	for n := 1; n <= 17; n++ {
		texts[strings.Repeat("@", n)] = strings.Repeat("@", n)
	}
	for _, kind := range []signum.KeyType{signum.EC, signum.RSA} {
		p := newPhone(t)
		if kind == signum.RSA {
			p = newPhone(t, withRSA)
		}
		n := 0
		for name, text := range texts {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				p.TB = t
				n++
				r := signRequest(n, text)
				p.do = []press{ok, pin("4711")}
				if strings.HasPrefix(name, "two pages") {
					p.do = []press{ok, ok, pin("4711")}
				}
				p.send(r)
				reply := p.only()
				if reply.Result != applet.OK || reply.ID != r.ID || reply.TriesLeft != 3 {
					t.Fatalf("%+v", reply)
				}
				shown := p.texts()
				got := strings.Join(shown[:len(shown)-1], "")
				if got != text {
					t.Errorf("shown %q, want %q", got, text)
				}
				if !verify(t, p.card.PublicKey(), attributes(r, got), reply.Signature) {
					t.Error("the signature is not over what was shown")
				}
				if p.lastPoR() != scp80.OK {
					t.Error(p.lastPoR())
				}
			})
		}
	}
}

// The PoR comes first, then the dialogue, then the reply: one message with P-256, three
// with RSA.
func TestMessages(t *testing.T) {
	for kind, parts := range map[signum.KeyType]int{signum.EC: 1, signum.RSA: 3} {
		p := newPhone(t)
		if kind == signum.RSA {
			p = newPhone(t, withRSA)
		}
		p.hold = true
		p.send(signRequest(1, "a"))
		if len(p.submits) != 1 || len(p.pors) != 1 || p.pors[0].Counter != 1 {
			t.Fatalf("%s: %d messages before the user is asked", kind, len(p.submits))
		}
		p.resume(ok, pin("4711"))
		if got := len(p.submits) - 1; got != parts {
			t.Errorf("%s: %d messages, want %d", kind, got, parts)
		}
		if p.only().Algorithm != map[signum.KeyType]applet.Algorithm{signum.EC: applet.EC, signum.RSA: applet.RSA}[kind] {
			t.Error("algorithm")
		}
	}
}

func TestWhatTheUserDoes(t *testing.T) {
	busy, partly := press{result: 0x20}, press{result: 0x02}
	many := func(a press, n int) (out []press) {
		for range n {
			out = append(out, a)
		}
		return out
	}
	tests := map[string]struct {
		do     []press
		result applet.Result
		tries  byte
		texts  []string
	}{
		"cancel the text":      {[]press{ended}, applet.UserCancel, 3, []string{"T"}},
		"cancel the PIN":       {[]press{ok, ended}, applet.UserCancel, 3, []string{"T", "Enter your PIN"}},
		"back":                 {[]press{back}, applet.UserCancel, 3, []string{"T"}},
		"back and forth":       {[]press{ok, back, ok, pin("4711")}, applet.OK, 3, []string{"T", "Enter your PIN", "T", "Enter your PIN"}},
		"nobody, text":         {[]press{silent}, applet.NoAnswer, 3, []string{"T"}},
		"nobody, PIN":          {[]press{ok, silent}, applet.NoAnswer, 3, []string{"T", "Enter your PIN"}},
		"wrong once":           {[]press{ok, pin("0000"), pin("4711")}, applet.OK, 3, []string{"T", "Enter your PIN", "Wrong PIN. 2 tries left. Enter your PIN"}},
		"wrong, then cancel":   {[]press{ok, pin("0000"), ended}, applet.UserCancel, 2, []string{"T", "Enter your PIN", "Wrong PIN. 2 tries left. Enter your PIN"}},
		"wrong three times":    {[]press{ok, pin("0000"), pin("471"), pin("47111")}, applet.PINBlocked, 0, []string{"T", "Enter your PIN", "Wrong PIN. 2 tries left. Enter your PIN", "Wrong PIN. 1 try left. Enter your PIN"}},
		"nothing typed":        {[]press{ok, pin(""), pin("4711")}, applet.OK, 3, []string{"T", "Enter your PIN", "Wrong PIN. 2 tries left. Enter your PIN"}},
		"phone busy once":      {[]press{busy, ok, pin("4711")}, applet.OK, 3, []string{"T", "T", "Enter your PIN"}},
		"phone busy forever":   {many(busy, 11), applet.Busy, 3, slices.Repeat([]string{"T"}, 11)},
		"text shown in part":   {[]press{partly}, applet.Internal, 3, []string{"T"}},
		"phone cannot do that": {[]press{{result: 0x30}}, applet.Internal, 3, []string{"T"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPhone(t)
			p.do = tc.do
			p.send(signRequest(1, "T"))
			reply := p.only()
			if reply.Result != tc.result || reply.TriesLeft != tc.tries || int(tc.tries) != p.card.TriesLeft() {
				t.Errorf("%v, %d tries (%d), want %v, %d", reply.Result, reply.TriesLeft, p.card.TriesLeft(), tc.result, tc.tries)
			}
			if (len(reply.Signature) > 0) != (tc.result == applet.OK) {
				t.Errorf("signature of %d octets", len(reply.Signature))
			}
			if got := p.texts(); !slices.Equal(got, tc.texts) {
				t.Errorf("shown %q, want %q", got, tc.texts)
			}
			if len(p.do) > 0 {
				t.Errorf("%d presses left", len(p.do))
			}
		})
	}
}

// A blocked card asks nothing, and stays blocked after a power cut.
func TestBlocked(t *testing.T) {
	p := newPhone(t)
	p.do = []press{ok, pin("1111"), pin("1111"), pin("1111")}
	p.send(signRequest(1, "a"))
	if r := p.only(); r.Result != applet.PINBlocked {
		t.Fatal(r.Result)
	}
	p.prompts = nil
	p.send(signRequest(2, "b"))
	p.insert()
	p.send(signRequest(3, "c"))
	if len(p.replies) != 2 || len(p.prompts) > 0 {
		t.Fatalf("%d replies, %d prompts", len(p.replies), len(p.prompts))
	}
	for _, r := range p.replies {
		if r.Result != applet.PINBlocked || r.TriesLeft != 0 {
			t.Errorf("%+v", r)
		}
	}
	p.replies = nil
	p.card.Unblock()
	p.insert()
	p.do = []press{ok, pin("4711")}
	p.send(signRequest(4, "d"))
	if r := p.only(); r.Result != applet.OK || r.TriesLeft != 3 {
		t.Errorf("%+v", r)
	}
}

func TestRefusedWithoutPrompt(t *testing.T) {
	text := func(dcs, count byte, data ...byte) applet.Text {
		return applet.Text{DCS: dcs, Count: count, Data: data}
	}
	tests := map[string]struct {
		change func(*applet.Request)
		blank  bool
		want   applet.Result
	}{
		"no key":             {nil, true, applet.NoKey},
		"other algorithm":    {func(r *applet.Request) { r.Algorithm = applet.RSA }, false, applet.NoKey},
		"other key":          {func(r *applet.Request) { r.KeyID = 2 }, false, applet.NoKey},
		"coding":             {func(r *applet.Request) { r.Text = text(4, 1, 'a') }, false, applet.Refused},
		"septets too few":    {func(r *applet.Request) { r.Text = text(0, 9, 1, 2, 3) }, false, applet.Refused},
		"octets too many":    {func(r *applet.Request) { r.Text = text(0, 1, 1, 2, 3) }, false, applet.Refused},
		"half a character":   {func(r *applet.Request) { r.Text = text(8, 1, 4) }, false, applet.Refused},
		"half a pair":        {func(r *applet.Request) { r.Text = text(8, 1, 0xd8, 0) }, false, applet.Refused},
		"escape at the end":  {func(r *applet.Request) { r.Text = text(0, 1, 0x1b) }, false, applet.Refused},
		"two escapes":        {func(r *applet.Request) { r.Text = text(0, 2, 0x9b, 0x0d) }, false, applet.Refused},
		"reordering mark":    {func(r *applet.Request) { r.Text = text(8, 1, 0x20, 0x2e) }, false, applet.Refused},
		"control":            {func(r *applet.Request) { r.Text = text(8, 1, 0, 7) }, false, applet.Refused},
		"sealed, not RSA":    {func(r *applet.Request) { r.Op, r.Text, r.Sealed = applet.Display, applet.Text{}, make([]byte, 256) }, false, applet.Refused},
		"GENKEY without PIN": {func(r *applet.Request) { r.Op, r.Challenge = applet.GenKey, "t1" }, true, applet.Refused},
		"GENKEY, other type": {func(r *applet.Request) { r.Op, r.Challenge, r.Algorithm = applet.GenKey, "t1", applet.RSA }, false, applet.Refused},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPhone(t, func(c *card.Config) { c.Blank = tc.blank })
			r := signRequest(1, "a")
			if tc.change != nil {
				tc.change(&r)
			}
			p.send(r)
			if got := p.only(); got.Result != tc.want || len(p.prompts) > 0 {
				t.Errorf("%v after %d prompts, want %v", got.Result, len(p.prompts), tc.want)
			}
			if p.lastPoR() != scp80.OK {
				t.Error(p.lastPoR())
			}
		})
	}
}

// An activation is SETPIN, then GENKEY.
func TestActivation(t *testing.T) {
	for _, a := range []applet.Algorithm{applet.EC, applet.RSA} {
		t.Run(a.String(), func(t *testing.T) {
			p := newPhone(t, blank)
			if p.card.PublicKey() != nil || p.card.KnownPIN() != "4711" {
				t.Error("not blank")
			}
			p.send(simple(applet.Status, 1))
			if r := p.only(); r.State != 0 || r.Algorithm != 0 {
				t.Errorf("%+v", r)
			}
			p.do = []press{pin("97531"), pin("97531")}
			p.send(simple(applet.SetPIN, 1))
			if r := p.only(); r.Result != applet.OK || r.TriesLeft != 3 {
				t.Fatalf("%+v", r)
			}
			if q := p.prompts[0]; q.min != 4 || q.max != 8 {
				t.Errorf("%+v", q)
			}
			if got := p.texts(); !slices.Equal(got, []string{"Choose a PIN of 4 to 8 digits", "Repeat the new PIN"}) {
				t.Errorf("%q", got)
			}
			gen := simple(applet.GenKey, 1)
			gen.Algorithm, gen.Challenge = a, "t1"
			p.send(gen)
			made := p.only()
			key, err := x509.ParsePKIXPublicKey(made.PublicKey)
			if err != nil || made.Result != applet.OK || made.Algorithm != a {
				t.Fatalf("%+v, %v", made, err)
			}
			if !verify(t, key, mssp.ActivationProof("t1", made.PublicKey), made.Proof) {
				t.Error("no proof of possession")
			}
			p.insert() // everything is kept
			p.send(simple(applet.Status, 2))
			if r := p.only(); r.State != applet.HasKey|applet.HasPIN || r.Algorithm != a {
				t.Errorf("%+v", r)
			}
			again := gen
			again.ID, again.Challenge, again.Algorithm = id(2), "t2", 0
			p.send(again)
			if r := p.only(); !bytes.Equal(r.PublicKey, made.PublicKey) || !verify(t, key, mssp.ActivationProof("t2", r.PublicKey), r.Proof) {
				t.Error("another key")
			}
			sign := signRequest(3, "a")
			p.do = []press{ok, pin(p.card.KnownPIN())}
			p.send(sign)
			if r := p.only(); !verify(t, key, attributes(sign, "a"), r.Signature) {
				t.Error("signature")
			}
		})
	}
}

func TestSetPIN(t *testing.T) {
	tests := map[string]struct {
		do     []press
		result applet.Result
		pin    string
	}{
		"twice the same": {[]press{pin("12345678"), pin("12345678")}, applet.OK, "12345678"},
		"differ once":    {[]press{pin("1111"), pin("2222"), pin("3333"), pin("3333")}, applet.OK, "3333"},
		"differ thrice":  {[]press{pin("1111"), pin("2222"), pin("1111"), pin("2222"), pin("1111"), pin("2222")}, applet.UserCancel, "4711"},
		"no PINs":        {[]press{pin("111"), pin("123456789"), pin("12a4")}, applet.UserCancel, "4711"},
		"cancel":         {[]press{ended}, applet.UserCancel, "4711"},
		"cancel second":  {[]press{pin("1111"), ended}, applet.UserCancel, "4711"},
		"back":           {[]press{back}, applet.UserCancel, "4711"},
		"back second":    {[]press{pin("1111"), back, pin("2222"), pin("2222")}, applet.OK, "2222"},
		"nobody":         {[]press{pin("1111"), silent}, applet.NoAnswer, "4711"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPhone(t)
			p.do = []press{ok, pin("0"), pin("0"), pin("0")}
			p.send(signRequest(1, "a")) // blocked: a new PIN helps
			p.only()
			p.do = tc.do
			p.send(simple(applet.SetPIN, 2))
			r := p.only()
			if r.Result != tc.result || len(p.do) > 0 || p.card.KnownPIN() != tc.pin {
				t.Errorf("%v, PIN %s, %d presses left", r.Result, p.card.KnownPIN(), len(p.do))
			}
			want := 0
			if tc.result == applet.OK {
				want = 3
			}
			if int(r.TriesLeft) != want || p.card.TriesLeft() != want {
				t.Errorf("%d and %d tries left", r.TriesLeft, p.card.TriesLeft())
			}
		})
	}
}

func TestLanguages(t *testing.T) {
	for lang, want := range map[string]string{
		"en": "Wrong PIN. 1 try left. Enter your PIN", "de": "PIN falsch. Noch 1 Versuch. PIN eingeben",
		"fr": "PIN incorrect. Encore 1 essai. Entrez votre PIN", "it": "PIN errato. Resta 1 tentativo. Inserire il PIN",
		"rm": "Wrong PIN. 1 try left. Enter your PIN",
	} {
		p := newPhone(t)
		r := signRequest(1, "a")
		r.Lang = lang
		p.do = []press{ok, pin("1"), pin("2"), ended}
		p.send(r)
		if got := p.texts(); got[3] != want {
			t.Errorf("%s: %q", lang, got[3])
		}
	}
}

// The sandbox can simulate faults.
func TestRigged(t *testing.T) {
	p := newPhone(t)
	p.card.SimulateFault(signum.PINBlocked, false)
	p.send(signRequest(1, "a"))
	if r := p.only(); r.Result != applet.PINBlocked || r.TriesLeft != 0 || p.card.TriesLeft() != 3 {
		t.Errorf("%+v", r)
	}
	p.card.ForceResult(applet.NoKey)
	p.send(signRequest(2, "a"))
	if r := p.only(); r.Result != applet.NoKey {
		t.Errorf("%+v", r)
	}
	p.card.ForceResult(applet.OK)
	p.card.CorruptSignatures(true)
	p.do = []press{ok, pin("4711")}
	r := signRequest(3, "a")
	p.send(r)
	if reply := p.only(); reply.Result != applet.OK || verify(t, p.card.PublicKey(), attributes(r, "a"), reply.Signature) {
		t.Errorf("%+v", reply)
	}
}

func TestAsking(t *testing.T) {
	p := newPhone(t)
	p.hold = true
	step := func(want card.Asking) {
		t.Helper()
		if got := p.card.Asking(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	step(card.Asking{})
	p.send(signRequest(1, "a"))
	step(card.Asking{Op: mssp.OpSign, TransID: id(1).String(), Step: card.StepText})
	p.session(p.press(ok))
	step(card.Asking{Op: mssp.OpSign, TransID: id(1).String(), Step: card.StepPIN})
	p.session(p.press(ended))
	step(card.Asking{})
	p.send(from(signRequest(3, "a"), "Bank"))
	step(card.Asking{Op: mssp.OpSign, TransID: id(3).String(), Step: card.StepParty, Party: "Bank"})
	p.session(p.press(ok))
	step(card.Asking{Op: mssp.OpSign, TransID: id(3).String(), Step: card.StepText, Party: "Bank"})
	p.session(p.press(ended))
	p.send(simple(applet.SetPIN, 2))
	step(card.Asking{Op: mssp.OpActivate, TransID: id(2).String(), Step: card.StepNewPIN})
	p.session(p.press(pin("1234")))
	step(card.Asking{Op: mssp.OpActivate, TransID: id(2).String(), Step: card.StepRepeat})
}

// The card tells the phone how long a prompt stays.
func TestDuration(t *testing.T) {
	for timeout, want := range map[time.Duration][]byte{
		0: {1, 120}, time.Second: {1, 1}, 80 * time.Second: {1, 80}, 255 * time.Second: {1, 255}, 256 * time.Second: {0, 5},
		300 * time.Second: {0, 5}, 65535 * time.Second: {0, 255},
	} {
		p := newPhone(t)
		p.hold = true
		r := signRequest(1, "a")
		r.Timeout = timeout
		p.send(r)
		if got := p.prompts[0].duration; !bytes.Equal(got, want) {
			t.Errorf("%s: %v, want %v", timeout, got, want)
		}
	}
}
