package engine

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// signed asks for a signature that is approved and returns its id.
func (w *world) signed(s *mssp.Subscriber, changes ...change) string {
	w.t.Helper()
	resp, err := w.ask(s, changes...)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.TransID
}

func (w *world) receiptRequest(s *mssp.Subscriber, id string) *signum.ReceiptRequest {
	return &signum.ReceiptRequest{
		Header: w.header(), TransID: id, MSISDN: strings.TrimPrefix(s.MSISDN, "+"), Message: signum.DataToBeSigned{Data: "Bank: Done"},
		Extension: &signum.ReceiptRequestExtension{MessagingMode: "synch", Language: "IT", UserAck: "true"},
	}
}

func (w *world) receipt(r *signum.ReceiptRequest) (*signum.ReceiptResponse, error) {
	return w.Receipt(context.Background(), &mssp.Caller{Pin: testPin}, r)
}

// TestReceiptOutcomes is the table of the receipt extension, for SIM and App.
func TestReceiptOutcomes(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.run()
		for i, m := range []signum.Method{signum.SIM, signum.App} {
			s := w.addUser(i, approves, signum.EC, m)
			for _, tt := range []struct {
				name string
				do   phonetest.Action
				act  func(id string) // of a silent user, once it is shown
				want signum.ReceiptResponseExtension
			}{
				{"accepted", phonetest.Approve, nil, signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"OK"}`}},
				{"cancelled", phonetest.Cancel, nil, signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"CANCEL"}`, FaultMessage: "User Cancelled the request"}},
				{"untouched", phonetest.Silent, func(id string) {
					d, err := w.phones.Device(s.Devices[0].ID)
					if err != nil {
						t.Error(err)
						return
					}
					w.clock.Advance(signum.ReceiptShown)
					a, err := d.Act(id, phonetest.TimeOut)
					if err == nil {
						err = w.Answer(context.Background(), a)
					}
					if err != nil {
						t.Error(err)
					}
				}, signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"TIMEOUT"}`}},
				{"no answer", phonetest.Silent, func(string) { w.clock.Advance(signum.ReceiptWait) }, signum.ReceiptResponseExtension{}},
				{"unreachable", phonetest.Unreachable, nil, signum.ReceiptResponseExtension{}},
			} {
				for _, extension := range []bool{true, false} {
					if err := w.phones.Behave(s.MSISDN, approves); err != nil {
						t.Fatal(err)
					}
					id := w.signed(s)
					w.awaitShown(id)
					if err := w.phones.Behave(s.MSISDN, tt.do); err != nil {
						t.Fatal(err)
					}
					r := w.receiptRequest(s, id)
					if !extension {
						r.Extension = nil
					}
					if tt.act != nil {
						go func() {
							w.awaitShown(id)
							tt.act(id)
						}()
					}
					resp, err := w.receipt(r)
					switch {
					case !extension && !tt.want.UserAck:
						want := signum.Fault{Code: 208, Detail: signum.DetailTimeout}
						if tt.do == phonetest.Unreachable {
							want = *signum.NewFault(signum.OTAError)
						}
						if flt := signum.AsFault(err); flt == nil || *flt != want {
							t.Errorf("%s, %s without extension: %+v, %v", m, tt.name, resp, err)
						}
					case err != nil || resp.Status != signum.RequestOK || resp.Version != (signum.Version{Major: "1", Minor: "1"}):
						t.Errorf("%s, %s: %+v, %v", m, tt.name, resp, err)
					case !extension && resp.Extension != nil, extension && !cmp.Equal(*resp.Extension, tt.want):
						t.Errorf("%s, %s: got %+v, want %+v", m, tt.name, resp.Extension, tt.want)
					}
					// One receipt per signature, whatever its result.
					_, err = w.receipt(w.receiptRequest(s, id))
					if flt := signum.AsFault(err); flt == nil || *flt != (signum.Fault{Code: 101, Detail: signum.DetailReceiptSent}) {
						t.Errorf("%s, %s, a second one: %v", m, tt.name, err)
					}
					if got := w.outcome(id); got != signum.SignatureMade {
						t.Errorf("%s, %s: the signature is %d", m, tt.name, got)
					}
					if tt.act == nil && tt.do != phonetest.Unreachable {
						w.awaitShown(id)
					}
				}
			}
		}
	})
}

func TestReceiptRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	w.putParty(func(p *mssp.Party) { p.ID, p.Pins = "mid://other", []mssp.Pin{{2}} })
	w.putParty(func(p *mssp.Party) { p.TestNumbers = true })
	s, other := w.addUser(1, approves, signum.EC, signum.SIM), w.addUser(2, silent, signum.EC, signum.SIM)
	id, outstanding := w.signed(s), w.begin(other)
	for _, tt := range []struct {
		name   string
		code   signum.Code
		detail string
		change func(*signum.ReceiptRequest)
	}{
		{"credentials", 104, "Wrong SSL credentials", func(r *signum.ReceiptRequest) { r.AP.ID = "mid://none" }},
		{"version", 108, signum.IncompatibleIface.Detail(), func(r *signum.ReceiptRequest) { r.Version = signum.Version{Major: "9"} }},
		{"no message", 102, "Message is missing", func(r *signum.ReceiptRequest) { r.Message.Data = "" }},
		{"prefix", 107, "DTBD matching failed", func(r *signum.ReceiptRequest) { r.Message.Data = "Done" }},
		{"test number", 402, signum.PINBlocked.Detail(), func(r *signum.ReceiptRequest) { r.MSISDN = "+41000092402" }},
		{"unknown transaction", 101, signum.DetailNoTransaction, func(r *signum.ReceiptRequest) { r.TransID = "hnever" }},
		{"impossible transaction", 101, signum.DetailNoTransaction, func(r *signum.ReceiptRequest) { r.TransID = "a\x00b" }},
		{"another number", 101, "MSISDN is not that of the transaction", func(r *signum.ReceiptRequest) { r.MSISDN = other.MSISDN }},
		{"outstanding", 101, "The transaction has no signature", func(r *signum.ReceiptRequest) { r.TransID, r.MSISDN = outstanding, other.MSISDN }},
		{"encrypted to an EC key", 101, "An encrypted receipt needs a SIM with an RSA key", func(r *signum.ReceiptRequest) {
			r.Message = signum.DataToBeSigned{MimeType: signum.MimeRSAMessage, Encoding: "BASE64", Data: "AAAA"}
		}},
	} {
		r := w.receiptRequest(s, id)
		tt.change(r)
		_, err := w.receipt(r)
		if flt := signum.AsFault(err); flt == nil || *flt != (signum.Fault{Code: tt.code, Detail: tt.detail}) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	r := w.receiptRequest(s, id)
	r.AP.ID = "mid://other"
	_, err := w.Receipt(t.Context(), &mssp.Caller{Pin: mssp.Pin{2}}, r)
	if flt := signum.AsFault(err); flt == nil || flt.Detail != signum.DetailNoTransaction {
		t.Errorf("another party's transaction: %v", err)
	}
	// A refusal does not use up the receipt. Without waiting, the answer says nothing about the user.
	r = w.receiptRequest(s, id)
	r.Extension.UserAck = "false"
	resp, err := w.receipt(r)
	if err != nil || *resp.Extension != (signum.ReceiptResponseExtension{}) {
		t.Errorf("without waiting: %+v, %v", resp, err)
	}
	// States of the subscriber apply to receipts too.
	for code, how := range map[signum.Code]func(*mssp.Subscriber){
		403: func(s *mssp.Subscriber) { s.State = mssp.SubscriberInactive },
		404: func(s *mssp.Subscriber) { s.Devices[0].State = signum.DeviceInactive },
		402: func(s *mssp.Subscriber) { s.Devices[0].PINBlocked = true },
		105: nil,
	} {
		u := w.addUser(100+int(code), approves, signum.EC, signum.SIM)
		id := w.signed(u)
		if how == nil {
			w.cfg.Store = goneStore{w.store, u.MSISDN}
		} else {
			how(u)
			w.put(u)
		}
		if _, err := w.receipt(w.receiptRequest(u, id)); w.code(err) != code {
			t.Errorf("got %v, want %d", err, code)
		}
		w.cfg.Store = w.store
	}
}

// goneStore is a store from which a subscriber was deleted.
type goneStore struct {
	mssp.Store
	msisdn string
}

func (g goneStore) Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	if msisdn == g.msisdn {
		return nil, mssp.ErrNotFound
	}
	return g.Store.Subscriber(ctx, msisdn)
}

// TestReceiptForeignAnswer: only the device that shows a receipt can answer it, and
// only once.
func TestReceiptForeignAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	id := w.signed(s)
	w.awaitShown(id)
	if err := w.phones.Behave(s.MSISDN, silent); err != nil {
		t.Fatal(err)
	}
	done := make(chan *signum.ReceiptResponse, 1)
	go func() {
		resp, err := w.receipt(w.receiptRequest(s, id))
		if err != nil {
			t.Error(err)
		}
		done <- resp
	}()
	w.awaitShown(id)
	a := mssp.DeviceAnswer{Op: mssp.OpDisplay, TransID: id, DeviceID: "9-SIM", Receipt: signum.ReceiptAccepted}
	if err := w.Answer(t.Context(), a); !errors.Is(err, mssp.ErrNotAsked) {
		t.Errorf("another device: %v", err)
	}
	if err := w.Answer(t.Context(), mssp.DeviceAnswer{Op: mssp.OpDisplay, TransID: "hnever"}); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("no receipt: %v", err)
	}
	a.DeviceID, a.Receipt = s.Devices[0].ID, signum.ReceiptCancelled
	if err := w.Answer(t.Context(), a); err != nil {
		t.Error(err)
	}
	if resp := <-done; resp == nil || resp.Extension.UserResponse != `{"status":"CANCEL"}` {
		t.Errorf("got %+v", resp)
	}
	a.Receipt = signum.ReceiptAccepted
	if err := w.Answer(t.Context(), a); err != nil {
		t.Errorf("late answer: %v", err)
	}
	if r, err := w.store.Receipt(t.Context(), id); err != nil || r.Result != signum.ReceiptCancelled {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestReceiptTooLate: a receipt that is answered too late counts as lost, whether or
// not a sweep has run.
func TestReceiptTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	id := w.signed(s)
	if err := w.phones.Behave(s.MSISDN, silent); err != nil {
		t.Fatal(err)
	}
	r := w.receiptRequest(s, id)
	r.Extension.UserAck = "false"
	if _, err := w.receipt(r); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(signum.ReceiptWait)
	if err := w.Answer(t.Context(), mssp.DeviceAnswer{Op: mssp.OpDisplay, TransID: id, DeviceID: s.Devices[0].ID, Receipt: signum.ReceiptAccepted}); err != nil {
		t.Error(err)
	}
	if r, err := w.store.Receipt(t.Context(), id); err != nil || r.Result != signum.ReceiptLost {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestReceiptOtherNode: the answer arrives at a node other than the one that waits.
func TestReceiptOtherNode(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		a := newWorld(t, url, nil)
		s := a.addUser(1, approves, signum.EC, signum.App)
		b := newWorld(t, url, a)
		a.run()
		id := a.signed(s)
		a.awaitShown(id)
		if err := a.phones.Behave(s.MSISDN, silent); err != nil {
			t.Fatal(err)
		}
		done := make(chan *signum.ReceiptResponse, 1)
		go func() {
			resp, err := a.receipt(a.receiptRequest(s, id))
			if err != nil {
				t.Error(err)
			}
			done <- resp
		}()
		a.awaitShown(id)
		if err := b.Answer(t.Context(), mssp.DeviceAnswer{Op: mssp.OpDisplay, TransID: id, DeviceID: s.Devices[0].ID, Receipt: signum.ReceiptAccepted}); err != nil {
			t.Fatal(err)
		}
		if resp := <-done; resp == nil || !resp.Extension.UserAck {
			t.Errorf("got %+v", resp)
		}
	})
}

// TestEncryptedReceipt: only the SIM can read it.
func TestEncryptedReceipt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.RSA, signum.SIM)
	id := w.signed(s)
	cert, err := x509.ParseCertificate(s.Devices[0].Certificate.DER)
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte{0x80}
	for _, u := range utf16.Encode([]rune("Passwort: ž€")) {
		plain = append(plain, byte(u>>8), byte(u))
	}
	//lint:ignore SA1019 the format of the interface
	secret, err := rsa.EncryptPKCS1v15(rand.Reader, cert.PublicKey.(*rsa.PublicKey), plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.phones.Behave(s.MSISDN, silent); err != nil {
		t.Fatal(err)
	}
	r := w.receiptRequest(s, id)
	r.Message = signum.DataToBeSigned{MimeType: signum.MimeRSAMessage, Encoding: "BASE64", Data: base64.StdEncoding.EncodeToString(secret)}
	done := make(chan error, 1)
	w.awaitShown(id)
	go func() {
		_, err := w.receipt(r)
		done <- err
	}()
	w.awaitShown(id)
	d, err := w.phones.Device(s.Devices[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	screen, _ := d.Shown()
	received, err := base64.StdEncoding.DecodeString(screen.Text)
	if err != nil || screen.MimeType != signum.MimeRSAMessage {
		t.Errorf("shown: %+v, %v", screen, err)
	}
	if got, err := d.Key().(crypto.Decrypter).Decrypt(nil, received, nil); err != nil || string(got) != string(plain) {
		t.Errorf("decrypted: %x, %v", got, err)
	}
	if err := w.phones.Act(s.Devices[0].ID, id, phonetest.Approve); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReceiptHangUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	id := w.signed(s)
	w.awaitShown(id)
	if err := w.phones.Behave(s.MSISDN, silent); err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := w.Receipt(ctx, &mssp.Caller{Pin: testPin}, w.receiptRequest(s, id))
		done <- err
	}()
	w.awaitShown(id)
	hangUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := len(w.receipts.ids()); n != 0 {
		t.Errorf("%d waiters left", n)
	}
	if err := w.phones.Act(s.Devices[0].ID, id, phonetest.Approve); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r, err := w.store.Receipt(t.Context(), id)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("got %+v, %v", r, err)
		}
		if r.Result == signum.ReceiptAccepted {
			return
		}
	}
}
