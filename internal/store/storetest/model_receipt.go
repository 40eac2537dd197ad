package storetest

import (
	"context"
	"errors"
	"fmt"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func (m *model) prepare(rt *rapid.T) {
	id, serial := m.draw(rt, "id", 12), m.draw(rt, "cert", 4)
	done, err := m.store.PrepareTransaction(context.Background(), id, []byte(serial), serial)
	ok(rt, err)
	tx := m.transactions[id]
	agree(rt, "prepared", tx != nil && tx.State == mssp.StateOutstanding && tx.CertSerial == "", done)
	if done {
		tx.SignedAttrs, tx.CertSerial = []byte(serial), serial
	}
}

func (m *model) receipt(rt *rapid.T) {
	r := &mssp.Receipt{
		TransID:  m.draw(rt, "id", 12),
		DeviceID: m.draw(rt, "device", 4),
		Text:     rapid.SampledFrom(odd).Draw(rt, "text"),
		Created:  m.seconds(rt, "created"),
		Expires:  m.seconds(rt, "expires"),
	}
	err := m.store.InsertReceipt(context.Background(), r)
	tx := m.transactions[r.TransID]
	switch {
	case tx == nil:
		agree(rt, "receipt of nothing", true, errors.Is(err, mssp.ErrNotFound))
	case tx.State == mssp.StateReceipted:
		agree(rt, "second receipt", true, errors.Is(err, mssp.ErrReceipted))
	case tx.State != mssp.StateSigned:
		agree(rt, "receipt of what is not signed", true, errors.Is(err, mssp.ErrNotSigned))
	default:
		ok(rt, err)
		tx.State, m.receipts[r.TransID] = mssp.StateReceipted, r
	}
}

func (m *model) finishReceipt(rt *rapid.T) {
	id, at := m.draw(rt, "id", 12), m.seconds(rt, "at")
	result := rapid.SampledFrom([]signum.ReceiptResult{
		signum.ReceiptAccepted, signum.ReceiptCancelled, signum.ReceiptTimedOut, signum.ReceiptLost,
	}).Draw(rt, "result")
	done, err := m.store.FinishReceipt(context.Background(), id, result, at)
	ok(rt, err)
	r := m.receipts[id]
	agree(rt, "receipt finished", r != nil && r.Result == signum.ReceiptPending, done)
	if done {
		r.Result, r.Finished = result, at
	}
}

// device finds a device among the subscribers; nil if no subscriber has it.
func (m *model) device(id string) *mssp.Device {
	for _, sub := range m.subscribers {
		for i := range sub.Devices {
			if sub.Devices[i].ID == id {
				return &sub.Devices[i]
			}
		}
	}
	return nil
}

func (m *model) blockPIN(rt *rapid.T) {
	id := fmt.Sprintf("%sdevice%d", m.prefix, rapid.IntRange(1, 4).Draw(rt, "device"))
	blocked := rapid.Bool().Draw(rt, "blocked")
	err := m.store.SetPINBlocked(context.Background(), id, blocked)
	d := m.device(id)
	if d == nil {
		agree(rt, "no device", true, errors.Is(err, mssp.ErrNotFound))
		return
	}
	ok(rt, err)
	d.PINBlocked = blocked
}
