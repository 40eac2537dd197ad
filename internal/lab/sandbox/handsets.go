package sandbox

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"github.com/signum-mssp/signum/internal/phone"
	"github.com/signum-mssp/signum/internal/web"
)

// handsetPath is the page on which a person is the user of a SIM.
const handsetPath = "/phone/sim"

func (r *radio) pages() map[string]http.Handler {
	h := r.page.Handler()
	return map[string]http.Handler{handsetPath: h, handsetPath + "/": h}
}

// address is where the page is.
func (r *radio) address() string {
	s, _ := r.origin.Load().(string)
	return s
}

// person lets the page have the handsets.
type person struct{ *radio }

var _ web.Handsets = person{}

// List implements web.Handsets.
func (p person) List() []web.HandsetInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]web.HandsetInfo, 0, len(p.cards))
	for msisdn, c := range p.cards {
		list = append(list, web.HandsetInfo{MSISDN: msisdn, ICCID: c.ICCID()})
	}
	slices.SortFunc(list, func(a, b web.HandsetInfo) int { return cmp.Compare(a.MSISDN, b.MSISDN) })
	return list
}

// Dialogue implements web.Handsets.
func (p person) Dialogue(msisdn string) (web.Dialogue, error) {
	d, err := p.handsets.Dialogue(msisdn)
	return web.Dialogue{
		ID: d.ID, Kind: web.DialogueKind(d.Kind), Text: d.Text, Hidden: d.Hidden, Digits: d.Digits,
		MinLen: d.MinLen, MaxLen: d.MaxLen, Since: d.Since, Until: d.Until,
	}, pageError(err)
}

// Press implements web.Handsets.
func (p person) Press(msisdn string, id uint64, key web.Key, input string) error {
	k, known := map[web.Key]phone.Key{web.KeyOK: phone.KeyOK, web.KeyCancel: phone.KeyCancel, web.KeyBack: phone.KeyBack}[key]
	if !known {
		return web.ErrHandsetInput
	}
	return pageError(p.handsets.Press(msisdn, id, k, input))
}

// Watch implements web.Handsets.
func (p person) Watch(msisdn string) (<-chan struct{}, func(), error) {
	changes, stop, err := p.handsets.Watch(msisdn)
	return changes, stop, pageError(err)
}

// Messages implements web.Handsets.
func (p person) Messages(msisdn string) []web.TextMessage {
	received := p.handsets.Received(msisdn)
	list := make([]web.TextMessage, len(received))
	for i, m := range received {
		list[i] = web.TextMessage{Text: m.Text, Flash: m.Flash, Time: m.Time}
	}
	return list
}

// TakeOver implements web.Handsets.
func (p person) TakeOver(msisdn string, on bool) error {
	return pageError(p.handsets.TakeOver(msisdn, on))
}

func pageError(err error) error {
	for of, is := range map[error]error{
		phone.ErrUnknown: web.ErrHandsetUnknown, phone.ErrNotShown: web.ErrHandsetStale, phone.ErrInput: web.ErrHandsetInput,
	} {
		if errors.Is(err, of) {
			return is
		}
	}
	return err
}
