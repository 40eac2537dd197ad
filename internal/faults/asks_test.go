package faults

import (
	"crypto/rand"
	"strconv"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// long is a TimeOut that does not end within a test.
const long = 300 * time.Second

// call is a call for a signature that was made.
type call struct {
	*signum.SignatureRequest
	answer chan result
}

type result struct {
	resp *signum.SignatureResponse
	err  error
}

// ask makes a call and does not wait for its answer.
func (w *world) ask(msisdn string, timeout time.Duration) *call {
	c := &call{w.request(msisdn, timeout), make(chan result, 1)}
	go func() { c.answer <- w.do(c.SignatureRequest) }()
	return c
}

// sign makes a call and waits for its answer.
func (w *world) sign(msisdn string, timeout time.Duration) error {
	return w.do(w.request(msisdn, timeout)).err
}

func (w *world) request(msisdn string, timeout time.Duration) *signum.SignatureRequest {
	return &signum.SignatureRequest{
		Header: signum.Header{
			Version: signum.Version{Major: "1", Minor: "2"},
			AP:      signum.APInfo{ID: party, Password: "disabled", TransID: "T" + rand.Text(), Instant: signum.FormatInstant(w.clock.Now())},
			MSSP:    signum.MSSPInfo{URI: "http://mss.example.com/"},
		},
		MessagingMode: signum.Synch, TimeOut: strconv.Itoa(int(timeout.Seconds())), MSISDN: msisdn, Profile: signum.ProfileAnyLoA4,
		Data:     signum.DataToBeSigned{MimeType: signum.MimeText, Encoding: "UTF-8", Data: "Log in?"},
		Services: []signum.AdditionalService{{URI: signum.ServiceUserLang, UserLang: "EN"}},
	}
}

func (w *world) do(r *signum.SignatureRequest) result {
	copied := *r // the same call can be made again
	resp, err := w.client.Do(w.t.Context(), &copied)
	if err != nil {
		return result{err: err}
	}
	return result{resp: resp.(*signum.SignatureResponse)}
}

// hold keeps a user from answering until release.
func (w *world) hold(msisdn string) {
	w.t.Helper()
	if err := w.handsets.TakeOver(msisdn, true); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) release(msisdn string) {
	w.t.Helper()
	if err := w.handsets.TakeOver(msisdn, false); err != nil {
		w.t.Fatal(err)
	}
}

// asked makes a call and waits until the phone shows it to a user who does not answer yet.
func (w *world) asked(msisdn string, timeout time.Duration) *call {
	w.t.Helper()
	w.hold(msisdn)
	c := w.ask(msisdn, timeout)
	w.eventually("the phone shows the request", func() bool {
		d, err := w.handsets.Dialogue(msisdn)
		return err == nil && d.ID != 0
	})
	return c
}

// outcome returns the transaction of a call, once it has ended.
func (w *world) outcome(c *signum.SignatureRequest) (ended *mssp.Transaction) {
	w.t.Helper()
	w.eventually("the transaction ends", func() bool {
		ended = w.transaction(c)
		return ended != nil && ended.State != mssp.StateOutstanding
	})
	return ended
}

// transaction returns the transaction of a call, or nil if the store has not got it.
func (w *world) transaction(c *signum.SignatureRequest) *mssp.Transaction {
	w.t.Helper()
	all, err := w.node.Store.RecentTransactions(w.t.Context(), c.MSISDN, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, t := range all {
		if t.APTransID == c.AP.TransID {
			return t
		}
	}
	return nil
}

// wants checks what a party is told.
func (w *world) wants(what string, err error, code signum.Code, detail string) {
	w.t.Helper()
	f := signum.AsFault(err)
	switch {
	case code == signum.SignatureMade && err == nil:
	case f == nil, f.Code != code, detail != "" && f.Detail != detail:
		w.t.Errorf("%s: %v, want %d %s", what, err, code, detail)
	}
}
