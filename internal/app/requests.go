package app

import (
	"context"
	"errors"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

type requestList struct {
	Requests []request `json:"requests"`
}

func (c *call) requests() (any, error) {
	list, err := c.s.requestsOf(c.r.Context(), c.device.DeviceID)
	if err != nil {
		return nil, err
	}
	return requestList{list}, nil
}

type opened struct {
	Request request `json:"request"`
}

func (c *call) openToken() (any, error) {
	var in struct {
		Token string `json:"session_token"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	r, err := c.s.openWith(c.r.Context(), c.device.DeviceID, in.Token)
	if err != nil {
		return nil, err
	}
	c.trans = r.TransID
	return opened{wireOf(r)}, nil
}

type answerRequest struct {
	ID        string        `json:"id"`
	Op        string        `json:"op"`
	Signature octets        `json:"signature"`
	Choice    string        `json:"choice"`
	Location  *wireLocation `json:"location"`
	Cancel    bool          `json:"cancel"`
	Report    bool          `json:"report"` // with Cancel: somebody else made the request
	Receipt   string        `json:"receipt"`
}

// receiptResults are the results that an App may report. LOST is not among them:
// only the service can decide that.
var receiptResults = map[string]signum.ReceiptResult{
	"OK": signum.ReceiptAccepted, "CANCEL": signum.ReceiptCancelled, "TIMEOUT": signum.ReceiptTimedOut,
}

// answer converts it for the engine.
func (r *answerRequest) answer() (a mssp.DeviceAnswer, err error) {
	op, ok := opNamed(r.Op)
	if !ok {
		return a, malformed("op must be sign or display.")
	}
	if r.Report && !r.Cancel {
		return a, malformed("A report declines the request: cancel must be true.")
	}
	a = mssp.DeviceAnswer{Op: op, TransID: r.ID}
	if op == mssp.OpDisplay {
		if a.Receipt, ok = receiptResults[r.Receipt]; !ok || r.Signature != nil || r.Cancel {
			return a, malformed("The answer to a display must be a receipt: OK, CANCEL or TIMEOUT.")
		}
		return a, nil
	}
	if r.Cancel == (r.Signature != nil) || r.Receipt != "" {
		return a, malformed("The answer to a sign must be either a signature or cancel.")
	}
	if r.Cancel {
		a.Fault, a.Reported = signum.NewFault(signum.UserCancel), r.Report
		return a, nil
	}
	if a.Location, ok = r.Location.location(); !ok {
		return a, malformed("location is invalid.")
	}
	if a.Signature, err = derSignature(r.Signature); err != nil {
		return a, malformed("signature is %v.", err)
	}
	a.Choice = r.Choice
	return a, nil
}

func (c *call) answerRequest() (any, error) {
	var in answerRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.trans = event.Clip(in.ID)
	a, err := in.answer()
	if err != nil {
		return nil, err
	}
	a.DeviceID = c.device.DeviceID
	r, err := c.s.request(c.r.Context(), a.DeviceID, c.msisdn, requestKey{a.TransID, a.Op})
	if err != nil {
		return nil, err
	}
	a.CertSerial = r.CertSerial
	if a.Signature != nil {
		if err := c.unlocked(&a); err != nil {
			return nil, err
		}
	}
	return nil, c.s.deliver(c.r.Context(), a)
}

// unlocked refuses a signature whose request was not unlocked before. The unlock is
// used up with the request: an accepted answer ends it, whatever the outcome. Until
// then the App can repeat the answer.
func (c *call) unlocked(a *mssp.DeviceAnswer) error {
	if err := c.maySign(); err != nil {
		return err
	}
	if v := c.device.Unlocked; v == nil || v.TransID != a.TransID {
		return errLocked
	}
	a.Verified = c.device.Unlocked
	return nil
}

// deliver passes an answer to the engine. It does not stop if the App hangs up:
// the user has answered.
func (s *Server) deliver(ctx context.Context, a mssp.DeviceAnswer) error {
	to, _, err := s.engine()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	switch err := to.Answer(ctx, a); {
	case errors.Is(err, mssp.ErrNotAsked):
		s.end(a.DeviceID, requestKey{a.TransID, a.Op}, mssp.EndWithdrawn)
		return errUnknown
	case errors.Is(err, mssp.ErrNotFound):
		return errUnknown
	case err != nil:
		return err
	}
	s.end(a.DeviceID, requestKey{a.TransID, a.Op}, mssp.EndAnswered)
	return nil
}
