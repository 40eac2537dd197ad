package world

import (
	"cmp"
	"errors"
	"slices"

	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/handsetpage"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// pageHandsets lets the page have the handsets.
type pageHandsets struct{ *radio }

// PageHandsets are the handsets as their page uses them.
func (w *World) PageHandsets() handsetpage.Handsets { return pageHandsets{w.radio} }

// List implements handsetpage.Handsets.
func (p pageHandsets) List() []handsetpage.Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]handsetpage.Info, 0, len(p.cards))
	for msisdn, c := range p.cards {
		list = append(list, handsetpage.Info{MSISDN: msisdn, ICCID: c.ICCID()})
	}
	slices.SortFunc(list, func(a, b handsetpage.Info) int { return cmp.Compare(a.MSISDN, b.MSISDN) })
	return list
}

// Dialogue implements handsetpage.Handsets.
func (p pageHandsets) Dialogue(msisdn string) (handsetpage.Dialogue, error) {
	d, err := p.handsets.Dialogue(msisdn)
	return handsetpage.Dialogue{
		ID: d.ID, Kind: handsetpage.DialogueKind(d.Kind), Text: d.Text, Who: d.Who, Hidden: d.Hidden, Digits: d.Digits,
		MinLen: d.MinLen, MaxLen: d.MaxLen, Since: d.Since, Until: d.Until,
	}, pageError(err)
}

// Press implements handsetpage.Handsets.
func (p pageHandsets) Press(msisdn string, id uint64, key handsetpage.Key, input string) error {
	k, known := map[handsetpage.Key]handset.Key{handsetpage.KeyOK: handset.KeyOK, handsetpage.KeyCancel: handset.KeyCancel, handsetpage.KeyBack: handset.KeyBack}[key]
	if !known {
		return handsetpage.ErrInput
	}
	return pageError(p.handsets.Press(msisdn, id, k, input))
}

// Watch implements handsetpage.Handsets.
func (p pageHandsets) Watch(msisdn string) (<-chan struct{}, func(), error) {
	changes, stop, err := p.handsets.Watch(msisdn)
	return changes, stop, pageError(err)
}

// Messages implements handsetpage.Handsets.
func (p pageHandsets) Messages(msisdn string) []handsetpage.TextMessage {
	received := p.handsets.Received(msisdn)
	list := make([]handsetpage.TextMessage, len(received))
	for i, m := range received {
		list[i] = handsetpage.TextMessage{Text: m.Text, Flash: m.Flash, Time: m.Time}
	}
	return list
}

// TakeOver implements handsetpage.Handsets.
func (p pageHandsets) TakeOver(msisdn string, on bool) error {
	return pageError(p.handsets.TakeOver(msisdn, on))
}

func pageError(err error) error {
	for of, is := range map[error]error{
		person.ErrUnknown: handsetpage.ErrUnknown, person.ErrNotShown: handsetpage.ErrStale, handset.ErrInput: handsetpage.ErrInput,
	} {
		if errors.Is(err, of) {
			return is
		}
	}
	return err
}
