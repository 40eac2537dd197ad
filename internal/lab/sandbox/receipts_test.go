package sandbox

import (
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// sign sends a signature request over a wire. An error fails the test.
func (f *fixture) sign(t *testing.T, wire string, r *request) *signum.SignatureResponse {
	t.Helper()
	got, err := f.clients[wire].Do(t.Context(), r)
	if err != nil {
		t.Fatalf("%s: %v", wire, err)
	}
	return got.(*signum.SignatureResponse)
}

func (f *fixture) behave(msisdn string, do person.Action) {
	f.t.Helper()
	if err := f.Behave(msisdn, person.Behaviour{Do: do}); err != nil {
		f.t.Fatal(err)
	}
}

// whenShown waits until the screen shows a request, and acts on it.
func (f *fixture) whenShown(msisdn string, m signum.Method, id string, act func(id string)) {
	for f.t.Context().Err() == nil {
		if f.shows(msisdn, m, id) {
			act(id)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (f *fixture) receiptRequest(msisdn, id string) *signum.ReceiptRequest {
	return &signum.ReceiptRequest{
		Header: f.header(), TransID: id, MSISDN: msisdn,
		Message:   signum.DataToBeSigned{MimeType: signum.MimeText, Encoding: "UTF-8", Data: DTBDPrefix + "Done & <dusted>"},
		Extension: &signum.ReceiptRequestExtension{MessagingMode: "synch", Language: "DE", ProfileURI: "http://mss.swisscom.ch/synch", UserAck: "true"},
	}
}

// TestReceipts is the receipt table over both wires, for SIM and App.
func TestReceipts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, wire := range wires {
		for _, m := range []signum.Method{signum.SIM, signum.App} {
			msisdn := f.addUser(person.Approve, m)
			for _, tt := range []struct {
				name string
				do   person.Action
				act  func(id string) // once it is shown
				want signum.ReceiptResponseExtension
			}{
				{"accepted", person.Approve, nil, signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"OK"}`}},
				{"cancelled", person.Cancel, nil, signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"CANCEL"}`, FaultMessage: "User Cancelled the request"}},
				{"untouched", person.Silent, func(id string) { f.timeOut(msisdn, m, id) }, signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"TIMEOUT"}`}},
				{"no answer", person.Silent, func(string) { f.clock.Advance(signum.ReceiptWait) }, signum.ReceiptResponseExtension{}},
				{"unreachable", person.Unreachable, nil, signum.ReceiptResponseExtension{}},
			} {
				f.behave(msisdn, person.Approve)
				id := f.sign(t, wire, f.request(msisdn)).TransID
				f.behave(msisdn, tt.do)
				if tt.act != nil {
					go f.whenShown(msisdn, m, id, tt.act)
				}
				r := f.receiptRequest(msisdn, id)
				got, err := f.clients[wire].Do(t.Context(), r)
				if err != nil {
					t.Errorf("%s, %s, %s: %v", wire, m, tt.name, err)
					continue
				}
				if f.shows(msisdn, m, id) { // a card does not know that it is over
					f.timeOut(msisdn, m, id)
				}
				resp := got.(*signum.ReceiptResponse)
				f.checkHeader(t, wire, resp.Header, r.Header)
				if resp.Status != signum.RequestOK || resp.Extension == nil || *resp.Extension != tt.want {
					t.Errorf("%s, %s, %s: got %+v, want %+v", wire, m, tt.name, resp.Extension, tt.want)
				}
				_, err = f.clients[wire].Do(t.Context(), f.receiptRequest(msisdn, id))
				if flt := signum.AsFault(err); flt == nil || *flt != (signum.Fault{Code: 101, Detail: signum.DetailReceiptSent}) {
					t.Errorf("%s, %s, %s, a second one: %v", wire, m, tt.name, err)
				}
			}
			// A request without the extension gets an answer without it.
			f.behave(msisdn, person.Approve)
			r := f.receiptRequest(msisdn, f.sign(t, wire, f.request(msisdn)).TransID)
			r.Extension = nil
			got, err := f.clients[wire].Do(t.Context(), r)
			if err != nil || got.(*signum.ReceiptResponse).Extension != nil {
				t.Errorf("%s, %s, without extension: %+v, %v", wire, m, got, err)
			}
			r = f.receiptRequest(msisdn, f.sign(t, wire, f.request(msisdn)).TransID)
			r.Extension = nil
			f.behave(msisdn, person.Unreachable)
			_, err = f.clients[wire].Do(t.Context(), r)
			if flt := signum.AsFault(err); flt == nil || flt.Code != signum.OTAError {
				t.Errorf("%s, %s, unreachable, without extension: %v", wire, m, err)
			}
		}
	}
}

// TestReceiptRefusals covers receipts that the rules forbid.
func TestReceiptRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, wire := range wires {
		msisdn := f.addUser(person.Approve, signum.SIM)
		id := f.sign(t, wire, f.request(msisdn)).TransID
		otp := f.sign(t, wire, f.request(msisdn, func(r *request) { r.Profile = signum.ProfileOTPText })).TransID
		for _, tt := range []struct {
			want   signum.Fault
			change func(*signum.ReceiptRequest)
		}{
			{signum.Fault{Code: 101, Detail: signum.DetailNoTransaction}, func(r *signum.ReceiptRequest) { r.TransID = "hnever" }},
			{signum.Fault{Code: 101, Detail: signum.DetailNoTransaction}, func(r *signum.ReceiptRequest) { r.AP.ID = BasicAPID }},
			{signum.Fault{Code: 101, Detail: "The transaction has no signature"}, func(r *signum.ReceiptRequest) { r.TransID = otp }},
			{signum.Fault{Code: 101, Detail: "MSISDN is not that of the transaction"}, func(r *signum.ReceiptRequest) { r.MSISDN = "+41791000001" }},
			{signum.Fault{Code: 101, Detail: "ReceiptMessagingMode is not synch"}, func(r *signum.ReceiptRequest) { r.Extension.MessagingMode = "asynch" }},
			{signum.Fault{Code: 102, Detail: "Message is missing"}, func(r *signum.ReceiptRequest) { r.Message.Data = "" }},
			{signum.Fault{Code: 103, Detail: signum.WrongDataLength.Detail()}, func(r *signum.ReceiptRequest) { r.Message.Data += strings.Repeat("ž", 119) }},
			{signum.Fault{Code: 104, Detail: "Wrong SSL credentials"}, func(r *signum.ReceiptRequest) { r.AP.ID = "mid://none" }},
			{signum.Fault{Code: 107, Detail: "DTBD matching failed"}, func(r *signum.ReceiptRequest) { r.Message.Data = "Done" }},
			{signum.Fault{Code: 108, Detail: signum.IncompatibleIface.Detail()}, func(r *signum.ReceiptRequest) { r.Version.Major = "3" }},
			{signum.Fault{Code: 403, Detail: signum.CardBlocked.Detail()}, func(r *signum.ReceiptRequest) { r.MSISDN = "+41000092403" }},
		} {
			r := f.receiptRequest(msisdn, id)
			tt.change(r)
			_, err := f.clients[wire].Do(t.Context(), r)
			if flt := signum.AsFault(err); flt == nil || *flt != tt.want {
				t.Errorf("%s: %v, want %v", wire, err, tt.want.Error())
			}
		}
		// The states of the subscriber apply.
		for code, how := range map[signum.Code]func(*mssp.Subscriber){
			402: func(s *mssp.Subscriber) { s.Devices[0].PINBlocked = true },
			403: func(s *mssp.Subscriber) { s.State = mssp.SubscriberInactive },
			404: func(s *mssp.Subscriber) { s.Devices[0].State = signum.DeviceInactive },
			422: f.expire,
		} {
			msisdn := f.addUser(person.Approve, signum.SIM)
			id := f.sign(t, wire, f.request(msisdn)).TransID
			f.change(msisdn, how)
			_, err := f.clients[wire].Do(t.Context(), f.receiptRequest(msisdn, id))
			if flt := signum.AsFault(err); flt == nil || *flt != (signum.Fault{Code: code, Detail: code.Detail()}) {
				t.Errorf("%s: %v, want %d", wire, err, code)
			}
		}
	}
}
