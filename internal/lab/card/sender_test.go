package card_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

// from adds the name of a party to a request.
func from(r applet.Request, name string) applet.Request {
	r.Party = textOf(name)
	return r
}

// ucs2 is a name in UCS2, whether or not it needs that.
func ucs2(name string) applet.Text {
	data, _ := sms.EncodeUCS2(name)
	return applet.Text{DCS: applet.UCS2, Count: byte(len(data) / 2), Data: data}
}

// The card shows who asks before the text, in its own words, and signs the text alone.
func TestNameBeforeText(t *testing.T) {
	const text = "Bank: Login?"
	for name, tc := range map[string]struct {
		change func(*applet.Request)
		do     []press
		shown  []string
		want   applet.Result
	}{
		"sign": {nil, []press{ok, ok, pin("4711")}, []string{"Request from\nBank", text, "Enter your PIN"}, applet.OK},
		"de":   {func(r *applet.Request) { r.Lang = "de" }, []press{ok, ended}, []string{"Anfrage von\nBank", text}, applet.UserCancel},
		"fr":   {func(r *applet.Request) { r.Lang = "fr" }, []press{ok, ended}, []string{"Demande de\nBank", text}, applet.UserCancel},
		"it":   {func(r *applet.Request) { r.Lang = "it" }, []press{ok, ended}, []string{"Richiesta di\nBank", text}, applet.UserCancel},
		"UCS2": {func(r *applet.Request) { r.Party = ucs2("мир [1]") }, []press{ok, ok, pin("4711")}, []string{"Request from\nмир [1]", text, "Enter your PIN"}, applet.OK},
		"GSM in UCS2": {func(r *applet.Request) { r.Party = ucs2("Bank") }, []press{ok, ok, pin("4711")},
			[]string{"Request from\nBank", text, "Enter your PIN"}, applet.OK},
		"longest": {func(r *applet.Request) { r.Party = ucs2(strings.Repeat("я", 60)) }, []press{ok, ended},
			[]string{"Request from\n" + strings.Repeat("я", 60), text}, applet.UserCancel},
		"cancel":     {nil, []press{ended}, []string{"Request from\nBank"}, applet.UserCancel},
		"nobody":     {nil, []press{silent}, []string{"Request from\nBank"}, applet.NoAnswer},
		"back":       {nil, []press{back}, []string{"Request from\nBank"}, applet.UserCancel},
		"back twice": {nil, []press{ok, back, back}, []string{"Request from\nBank", text, "Request from\nBank"}, applet.UserCancel},
		"back and on": {nil, []press{ok, ok, back, back, ok, ok, pin("4711")},
			[]string{"Request from\nBank", text, "Enter your PIN", text, "Request from\nBank", text, "Enter your PIN"}, applet.OK},
		"no name":   {func(r *applet.Request) { r.Party = applet.Text{} }, []press{ok, pin("4711")}, []string{text, "Enter your PIN"}, applet.OK},
		"lines":     {func(r *applet.Request) { r.Party = textOf("Bank\nApproved") }, nil, nil, applet.Refused},
		"tab":       {func(r *applet.Request) { r.Party = ucs2("a\tb") }, nil, nil, applet.Refused},
		"hidden":    {func(r *applet.Request) { r.Party = ucs2("a\u200bb") }, nil, nil, applet.Refused},
		"reordered": {func(r *applet.Request) { r.Party = ucs2("\u202eknaB") }, nil, nil, applet.Refused},
		"too long":  {func(r *applet.Request) { r.Party = textOf(strings.Repeat("a", 61)) }, nil, nil, applet.Refused},
		"coding":    {func(r *applet.Request) { r.Party.DCS = 0x11 }, nil, nil, applet.Refused},
		"count":     {func(r *applet.Request) { r.Party.Count++ }, nil, nil, applet.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPhone(t)
			p.do = tc.do
			r := from(signRequest(1, text), "Bank")
			if tc.change != nil {
				tc.change(&r)
			}
			p.send(r)
			got := p.only()
			if got.Result != tc.want || len(p.do) > 0 {
				t.Errorf("%v, want %v; %d presses left", got.Result, tc.want, len(p.do))
			}
			if !slices.Equal(p.texts(), tc.shown) {
				t.Errorf("%q, want %q", p.texts(), tc.shown)
			}
			if signed := verify(t, p.card.PublicKey(), attributes(r, text), got.Signature); signed != (tc.want == applet.OK) {
				t.Errorf("signature of the text alone: %t", signed)
			}
		})
	}
}

// A receipt has a sender, too, and needs it more if it is encrypted.
func TestNameBeforeReceipt(t *testing.T) {
	p := newPhone(t, withRSA)
	//lint:ignore SA1019 the padding that SIMs decrypt
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, p.card.PublicKey().(*rsa.PublicKey), []byte("Message from\nUBS"))
	if err != nil {
		t.Fatal(err)
	}
	for n, tc := range []struct {
		party string
		do    []press
		want  applet.Result
		shown []string
	}{
		{"", []press{ok}, applet.OK, []string{"Message from\nUBS"}}, // only the name tells whose it is
		{"Bank", []press{ok, ok}, applet.OK, []string{"Message from\nBank", "Message from\nUBS"}},
		{"Bank", []press{ok, ok}, applet.OK, []string{"Message from\nBank", "Thank you"}},
		{"Bank", []press{ok, back, ok, ok}, applet.OK, []string{"Message from\nBank", "Thank you", "Message from\nBank", "Thank you"}},
		{"Bank", []press{ended}, applet.UserCancel, []string{"Message from\nBank"}},
		{"A\nB", nil, applet.Refused, nil},
	} {
		r := from(simple(applet.Display, n+1), tc.party)
		if r.Text = textOf("Thank you"); n < 2 {
			r.Text, r.Sealed = applet.Text{}, sealed
		}
		p.do, p.prompts = tc.do, nil
		p.send(r)
		if got := p.only(); got.Result != tc.want || !slices.Equal(p.texts(), tc.shown) {
			t.Errorf("%v, %q, want %v, %q", got.Result, p.texts(), tc.want, tc.shown)
		}
	}
}

// forge returns the user data of a packet that was made for data, but carries other data of
// the same length: what somebody can send who has the key of the cipher, and not that of
// the checksum.
func (p *phone) forge(data, other []byte) [][]byte {
	p.Helper()
	p.counter++
	packet, err := (&scp80.Command{Params: p.params, Counter: p.counter, Data: data}).Seal(keys)
	if err != nil {
		p.Fatal(err)
	}
	block, err := aes.NewCipher(keys.KIc)
	if err != nil {
		p.Fatal(err)
	}
	sealed, iv := packet[10:], make([]byte, aes.BlockSize) // TS 102 225, clause 5.1.1
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(sealed, sealed)
	at := bytes.Index(sealed, data)
	if at < 0 {
		p.Fatalf("no %x in %x", data, sealed)
	}
	copy(sealed[at:], other)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)
	return p.split(packet)
}

// TestAttackChangedName: the networks that carry a message cannot change who asks. The name is
// encrypted and covered by the checksum.
func TestAttackChangedName(t *testing.T) {
	r := from(signRequest(1, "Login?"), "Bank")
	name := r.Party.Data
	data := marshal(t, r)
	for bit := range 8 * len(name) {
		p := newPhone(t)
		forged := slices.Clone(data)
		forged[len(forged)-len(name)+bit/8] ^= 1 << (bit % 8)
		p.deliver(p.forge(data, forged)...)
		if len(p.prompts) > 0 || len(p.replies) > 0 || p.lastPoR() != scp80.IntegrityFailed {
			t.Fatalf("bit %d: %q, %v", bit, p.texts(), p.lastPoR())
		}
	}
	p := newPhone(t)
	p.do = []press{ok, ended}
	p.deliver(p.forge(data, data)...)
	if got := p.texts(); !slices.Equal(got, []string{"Request from\nBank", "Login?"}) {
		t.Errorf("unchanged: %q", got)
	}
}

// A text that begins like the screen with the name comes after
// that screen, and is shown and signed as a text.
func TestTextLooksLikeName(t *testing.T) {
	for _, text := range []string{"Request from\nUBS", "Request from\nUBS\n\nConfirm your login", "Anfrage von UBS"} {
		p := newPhone(t)
		p.do = []press{ok, ok, pin("4711")}
		r := from(signRequest(1, text), "Shady Shop")
		p.send(r)
		got := p.only()
		if want := []string{"Request from\nShady Shop", text, "Enter your PIN"}; !slices.Equal(p.texts(), want) {
			t.Errorf("%q, want %q", p.texts(), want)
		}
		if !verify(t, p.card.PublicKey(), attributes(r, text), got.Signature) {
			t.Errorf("%q: the signature is not over the text alone", text)
		}
	}
}
