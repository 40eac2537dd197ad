package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// start is the time of the tests, with microseconds and not in UTC.
var start = time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.FixedZone("CET", 3600))

// after returns the time some seconds after start.
func after(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// NewTransaction returns the nth outstanding transaction. They do not get into each
// other's way.
func NewTransaction(n int) *mssp.Transaction {
	return &mssp.Transaction{
		ID:          fmt.Sprintf("h%06d", n),
		APID:        "http://ap.example",
		APTransID:   fmt.Sprintf("T%d", n),
		APInstant:   start,
		MSISDN:      fmt.Sprintf("+4179%07d", n),
		MSISDNSent:  fmt.Sprintf("079 %07d", n),
		DeviceID:    fmt.Sprintf("sim-%d", n),
		Method:      signum.SIM,
		Profile:     signum.ProfileSTK,
		Async:       n%2 == 1,
		Lang:        "de",
		MimeType:    signum.MimeText,
		Text:        "Beispiel AG: Zahlung von CHF 12.50 an Müller bestätigen?",
		SignedAttrs: []byte{0x31, 0x00, 0xff, byte(n)},
		CertSerial:  fmt.Sprintf("%x", 0x1000+n),
		State:       mssp.StateOutstanding,
		Created:     start,
		Expires:     after(80),
	}
}

// made returns the outcome of a signature.
func made() mssp.Outcome {
	return mssp.Outcome{Code: signum.SignatureMade, Signature: []byte{0x30, 0x03, 0x02, 0x01, 0x00}}
}

// replaced ends a transaction without an answer.
func replaced() mssp.Outcome {
	o := cancelled()
	o.Replaced = true
	return o
}

func cancelled() mssp.Outcome { return mssp.Failed(signum.NewFault(signum.UserCancel)) }

// issuer is the key identifier of the CA of newCertificate.
const issuer = "0a1b2c"

// newCertificate returns the nth certificate, for the device, as an intent.
func newCertificate(n int, device string) *mssp.Certificate {
	return &mssp.Certificate{
		Serial:    fmt.Sprintf("%x", 0x1000+n),
		DeviceID:  device,
		Issuer:    issuer,
		TBS:       []byte{0x30, 0x82, byte(n)},
		NotBefore: start,
		NotAfter:  start.AddDate(3, 0, 0),
	}
}

// good returns a certificate as a read returns it when it is complete.
func good(c *mssp.Certificate, der []byte) *mssp.Certificate {
	r := *c
	r.State, r.DER, r.TBS, r.Issuer = mssp.CertificateGood, der, nil, ""
	return &r
}

// issue intends and completes the certificate, and returns it as a read would.
func issue(t *testing.T, s mssp.Store, c *mssp.Certificate) *mssp.Certificate {
	t.Helper()
	der := append([]byte("DER of "), c.Serial...)
	must(t, s.IntendCertificate(t.Context(), c))
	must(t, s.CompleteCertificate(t.Context(), c.Serial, der))
	return good(c, der)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equalTimes compares times as they are stored: to the microsecond, in UTC.
var equalTimes = cmp.Transformer("microseconds", func(t time.Time) int64 { return t.UnixMicro() })

// diff describes the difference between what was written and got. Empty and nil are
// equal.
func diff(want, got any) string {
	return cmp.Diff(want, got, equalTimes, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{}))
}

func same(t *testing.T, want, got any) {
	t.Helper()
	if d := diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func insert(t *testing.T, s mssp.Store, list ...*mssp.Transaction) {
	t.Helper()
	for _, tx := range list {
		if err := s.InsertTransaction(t.Context(), tx); err != nil {
			t.Fatalf("insert %s: %v", tx.ID, err)
		}
	}
}

// By returns the device of a transaction as the one that answers.
func By(tx *mssp.Transaction) *mssp.AnsweredBy {
	return &mssp.AnsweredBy{DeviceID: tx.DeviceID, CertSerial: tx.CertSerial, SignedAttrs: tx.SignedAttrs}
}

// Sign ends a transaction with a signature of its device. It first adds that device to
// the account if it is not there: no other may sign.
func Sign(ctx context.Context, s mssp.Store, tx *mssp.Transaction, at time.Time) (bool, error) {
	if err := equip(ctx, s, tx); err != nil {
		return false, err
	}
	return s.FinishTransaction(ctx, tx.ID, made(), By(tx), at)
}

// equip gives the subscriber of a transaction its device, unless it is there.
func equip(ctx context.Context, s mssp.Store, tx *mssp.Transaction) error {
	d := mssp.Device{ID: tx.DeviceID, Method: tx.Method, State: signum.DeviceActive}
	err := s.UpdateSubscriber(ctx, tx.MSISDN, func(sub *mssp.Subscriber) error {
		if !slices.ContainsFunc(sub.Devices, func(o mssp.Device) bool { return o.ID == d.ID }) {
			sub.Devices = append(sub.Devices, d)
		}
		return nil
	})
	if errors.Is(err, mssp.ErrNotFound) {
		err = s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: tx.MSISDN, State: mssp.SubscriberActive, Devices: []mssp.Device{d}})
	}
	return err
}

// finish ends a transaction; with a signature, as by its device.
func finish(t *testing.T, s mssp.Store, id string, o mssp.Outcome, at time.Time, want bool) {
	t.Helper()
	var by *mssp.AnsweredBy
	if o.Code == signum.SignatureMade {
		by = new(mssp.AnsweredBy)
		if tx, err := s.Transaction(t.Context(), id); err == nil {
			must(t, equip(t.Context(), s, tx))
			by = By(tx)
		}
	}
	got, err := s.FinishTransaction(t.Context(), id, o, by, at)
	if err != nil || got != want {
		t.Errorf("FinishTransaction(%s, %v) = %v, %v, want %v", id, o.Code, got, err, want)
	}
}

// read returns the transaction without its certificate.
func read(t *testing.T, s mssp.Store, id string) *mssp.Transaction {
	t.Helper()
	tx, err := s.Transaction(t.Context(), id)
	if err != nil {
		t.Fatalf("Transaction(%s): %v", id, err)
	}
	tx.Certificate = nil
	return tx
}
