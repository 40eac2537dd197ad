package prompt

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Signer is the service, to which the pages are an ordinary party.
type Signer interface {
	Sign(ctx context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error)
	Status(ctx context.Context, c *mssp.Caller, r *signum.StatusRequest) (*signum.StatusResponse, error)
}

// Config configures an Asker. All fields must be set.
type Config struct {
	Signer Signer
	Party  string   // AP_ID, which may use the profiles STK and Device LoA4 and verification codes
	Pin    mssp.Pin // of the party
	Prefix string   // DTBD prefix of the party
	Clock  mssp.Clock
	Logger *slog.Logger
	Events *event.Recorder
}

// Asker makes prompts. It is safe for concurrent use.
type Asker struct {
	Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// New returns an Asker. Close ends its work in the background.
func New(c Config) *Asker {
	a := &Asker{Config: c}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// Close ends all prompts. Ask must not be called after it.
func (a *Asker) Close() {
	a.cancel()
	a.work.Wait()
}

// Question is what a phone is asked.
type Question struct {
	Number string
	Method signum.Method
	Lang   string
	Text   string // without the prefix; that of a SIM contains CodeMark
	Op     string // of the event of the outcome
	Source string // of the browser
}

// CodeMark is where the code of a SIM goes in its text.
const CodeMark = "{code}"

var profiles = map[signum.Method]string{signum.SIM: signum.ProfileSTK, signum.App: signum.ProfileDevice}

// Ask makes a prompt. It returns at once; the request is made in the background, so
// that its duration tells nothing about the number. ended is called with the final
// state of the request, and may be nil.
func (a *Asker) Ask(q Question, ended func(State)) *Prompt {
	p := &Prompt{Number: q.Number, Method: q.Method, clock: a.Clock, started: a.Clock.Now()}
	if q.Method == signum.SIM {
		p.code = simCode()
		q.Text = strings.ReplaceAll(q.Text, CodeMark, p.code)
	}
	var ctx context.Context
	ctx, p.giveUp = context.WithTimeout(a.ctx, answerBy)
	a.work.Go(func() {
		defer event.Rescue(a.Logger, "prompt")
		defer p.giveUp()
		s := a.follow(ctx, p, &q)
		if ended != nil {
			ended(s)
		}
	})
	return p
}

// Pretend makes a prompt that asks nobody, but looks like one that does.
func (a *Asker) Pretend(q Question) *Prompt {
	p := &Prompt{Number: q.Number, Method: q.Method, clock: a.Clock, started: a.Clock.Now(), code: pageCode(), giveUp: func() {}}
	if q.Method == signum.SIM {
		p.code = ""
	}
	p.finish(Failed, "")
	return p
}

// follow sends the request and waits for its outcome, which is an event.
func (a *Asker) follow(ctx context.Context, p *Prompt, q *Question) State {
	e := a.Events.Begin("portal", q.Op, q.Source)
	e.MSISDN, e.APID = p.Number, a.Party
	s, err := a.await(ctx, p, q, e)
	p.offer(pageCode()) // if there is none
	p.finish(s, e.TransID)
	if f := signum.AsFault(err); f != nil {
		e.Code, e.Detail, e.Note = f.Code, f.Detail, cmp.Or(mssp.NoteOf(err), e.Note)
	}
	switch {
	case a.ctx.Err() != nil:
		e.Reason = "stopped"
	case errors.Is(err, context.DeadlineExceeded):
		e.Reason = "timeout"
	case errors.Is(err, context.Canceled):
		e.Reason = "ended"
	case err != nil && !causedByUser(err):
		a.Events.Fail(ctx, e, err)
	}
	a.Events.Emit(a.ctx, e)
	return s
}

// header returns the header of a request of the party.
func (a *Asker) header() signum.Header {
	return signum.Header{AP: signum.APInfo{ID: a.Party, TransID: "P" + rand.Text(), Instant: signum.FormatInstant(a.Clock.Now())}}
}

func (a *Asker) request(q *Question) *signum.SignatureRequest {
	r := &signum.SignatureRequest{
		Header: a.header(), MessagingMode: signum.Asynch, TimeOut: strconv.Itoa(int(Timeout.Seconds())),
		MSISDN: q.Number, Profile: profiles[q.Method],
		Data:     signum.DataToBeSigned{MimeType: signum.MimeText, Encoding: "UTF-8", Data: a.Prefix + q.Text},
		Services: []signum.AdditionalService{{URI: signum.ServiceUserLang, UserLang: q.Lang}},
	}
	if q.Method == signum.App {
		r.Services = append(r.Services, signum.AdditionalService{URI: signum.ServiceVerification})
	}
	return r
}

// await asks for the signature and polls its status. The error says why there is
// no approval.
func (a *Asker) await(ctx context.Context, p *Prompt, q *Question, e *event.Event) (s State, err error) {
	defer event.RescueTo(&err, a.Logger, "prompt")
	s = Failed // also if this panics
	caller := &mssp.Caller{Pin: a.Pin}
	r := a.request(q)
	e.APTransID = r.AP.TransID
	resp, err := a.Signer.Sign(ctx, caller, r)
	if err != nil {
		return s, err
	}
	e.TransID, e.Code = resp.TransID, resp.Status
	if resp.Status != signum.RequestOK {
		return s, nil
	}
	for _, as := range resp.Services {
		if as.VerificationCode != "" {
			p.offer(as.VerificationCode)
		}
	}
	return a.poll(ctx, caller, resp.TransID, e)
}

func (a *Asker) poll(ctx context.Context, caller *mssp.Caller, transID string, e *event.Event) (State, error) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var failed error // of the last status query; the next may succeed
	for {
		select {
		case <-ctx.Done():
			if failed != nil {
				return Failed, failed
			}
			return Failed, ctx.Err()
		case <-tick.C:
		}
		var st *signum.StatusResponse
		st, failed = a.Signer.Status(ctx, caller, &signum.StatusRequest{Header: a.header(), TransID: transID})
		switch f := signum.AsFault(failed); {
		case failed == nil && st.Status == signum.OutstandingTransact:
		case failed == nil:
			e.Code = st.Status
			if st.Status == signum.SignatureMade || st.Status == signum.ValidSignature {
				return Approved, nil
			}
			return Failed, nil
		case f != nil && f.Code != signum.InternalError:
			return stateOf(f), failed
		default:
			e.Note = event.Clip(failed.Error())
		}
	}
}

// reported is the end of the detail of a request that the user declined with "This
// was not me".
const reported = "(reported)"

func stateOf(f *signum.Fault) State {
	switch {
	case f.Code == signum.UserCancel && strings.HasSuffix(f.Detail, reported):
		return Reported
	case f.Code == signum.UserCancel:
		return Declined
	case f.Code == signum.PINBlocked:
		return Blocked
	}
	return Failed
}

// causedByUser reports whether the user or the account is the reason why there is no
// approval, as opposed to the service or its party.
func causedByUser(err error) bool {
	f := signum.AsFault(err)
	return f != nil && (f.Code >= 200 && f.Code != signum.InternalError ||
		f.Code == signum.UnknownClient || f.Code == signum.UnsupportedProfile || f.Detail == signum.DetailIllegalMSISDN)
}
