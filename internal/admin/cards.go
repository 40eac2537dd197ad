package admin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
)

// maxCards limits a file of cards, in bytes: a million rows with wrapped keys take
// about 200 MB. The file is read as a stream.
const maxCards = 256 << 20

// maxPause is how long a file of cards may pause on its way.
const maxPause = 10 * time.Second

// advanceAtOnce is of how many cards one call moves the counters.
const advanceAtOnce = 5000

// Cards provisions SIM cards; see simcards.Provisioner.
type Cards interface {
	Import(ctx context.Context, file io.Reader, opts simcards.ImportOptions) (simcards.Summary, error)
	Swap(ctx context.Context, msisdn, iccid string, keepSerial bool) error
	Renumber(ctx context.Context, from, to string) error
	SetState(ctx context.Context, iccid string, state mssp.CardState) error
	End(ctx context.Context, msisdn string) error
	Reopen(ctx context.Context, msisdn string, keepSerial bool) error
	Show(ctx context.Context, card string) (*simcards.CardInfo, error)
	Advance(ctx context.Context, card string, a mssp.CounterAdvance) (mssp.CounterAdvanced, error)
}

// Traces are what went between the service and the SIMs.
type Traces interface {
	// SIMTrace returns the last exchanges with the card of a number. The error is
	// mssp.ErrNotFound if it has none.
	SIMTrace(ctx context.Context, msisdn string) ([]sim.Exchange, error)
}

// cards serves calls about cards.
type cards struct {
	Cards
	traces Traces
	calls  *jsonapi.Calls
	most   int64 // bytes of a file of cards
}

// CardHandlers returns the handlers of calls (POST) about cards, by their names. The caller
// decides who may call.
func CardHandlers(c Cards, t Traces, calls *jsonapi.Calls) map[string]http.HandlerFunc {
	return (&cards{Cards: c, traces: t, calls: calls, most: maxCards}).handlers()
}

func (c *cards) handlers() map[string]http.HandlerFunc {
	all := map[string]http.HandlerFunc{"cards": c.importCards}
	for name, do := range map[string]func(context.Context, []byte) (any, error){
		"sim/swap": c.swap, "sim/renumber": c.renumber, "sim/state": c.setState, "sim/end": c.end, "sim/reopen": c.reopen,
		"sim/advance": c.advance, "sim/show": c.show, "sim/trace": c.trace,
	} {
		all[name] = func(w http.ResponseWriter, r *http.Request) {
			c.calls.Serve(w, r, func(r *jsonapi.Request) (any, error) { return do(r.Context(), r.Body) })
		}
	}
	return all
}

// importCards reads a file of cards: multipart/form-data with a part "options",
// {"kek": hex, "plain_keys": bool, "default_state": …}, whose members are optional,
// then a part "cards", CSV. The answer is a simcards.Summary, or {"error": …} when
// the file could not be read to its end; the rows before that have been processed.
func (c *cards) importCards(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, &steady{ReadCloser: r.Body, rc: http.NewResponseController(w)}, c.most)
	sum, err := c.readCards(r)
	if err != nil {
		// A client that is still sending would not read the answer.
		_, _ = io.Copy(io.Discard, r.Body)
		if sum.Rows > 0 {
			err = fmt.Errorf("%w (of %d rows before that, %d failed)", err, sum.Rows, sum.Failed)
		}
		c.calls.Refuse(w, http.StatusBadRequest, err)
		return
	}
	c.calls.Answer(w, http.StatusOK, sum)
}

// steady is the body of a request that may take longer than the listener allows, as
// long as data keep coming.
type steady struct {
	io.ReadCloser
	rc    *http.ResponseController
	ended bool
}

func (s *steady) Read(p []byte) (int, error) {
	if !s.ended { // after the end, a deadline would end the context of the request
		_ = s.rc.SetReadDeadline(time.Now().Add(maxPause))
	}
	n, err := s.ReadCloser.Read(p)
	s.ended = err != nil
	return n, err
}

func (c *cards) readCards(r *http.Request) (sum simcards.Summary, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return sum, errors.New("the body is not multipart/form-data with the parts options and cards")
	}
	var opts simcards.ImportOptions
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return sum, errors.New("the part cards is missing")
		}
		if err != nil {
			return sum, fmt.Errorf("the body is not complete: %w", err)
		}
		switch part.FormName() {
		case "options":
			if opts, err = readImportOptions(part); err != nil {
				return sum, err
			}
		case "cards":
			return c.Cards.Import(r.Context(), part, opts)
		default:
			return sum, fmt.Errorf("unknown part %q; there are options and cards, in this order", part.FormName())
		}
	}
}

func readImportOptions(part *multipart.Part) (opts simcards.ImportOptions, err error) {
	body, err := io.ReadAll(io.LimitReader(part, jsonapi.MaxBody))
	if err != nil {
		return opts, fmt.Errorf("the part options is not complete: %w", err)
	}
	var in struct {
		KEK          string         `json:"kek"`
		PlainKeys    bool           `json:"plain_keys"`
		DefaultState mssp.CardState `json:"default_state"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return opts, errors.New(`the part options is not {"kek": hex, "plain_keys": bool, "default_state": text}`) // the error does not show it: it holds a key
	}
	if opts.KEK, err = hex.DecodeString(in.KEK); err != nil {
		return opts, errors.New("kek is not hex")
	}
	opts.PlainKeys, opts.DefaultState = in.PlainKeys, in.DefaultState
	return opts, nil
}

// swap gives a subscriber a card from stock: {"msisdn": …, "iccid": …,
// "keep_serial": bool}.
func (c *cards) swap(ctx context.Context, body []byte) (any, error) {
	var in struct {
		MSISDN string `json:"msisdn"`
		ICCID  string `json:"iccid"`
		Keep   bool   `json:"keep_serial"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	return struct{}{}, c.Cards.Swap(ctx, in.MSISDN, in.ICCID, in.Keep)
}

// renumber gives an account another number: {"from": …, "to": …}.
func (c *cards) renumber(ctx context.Context, body []byte) (any, error) {
	var in struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	return struct{}{}, c.Cards.Renumber(ctx, in.From, in.To)
}

// setState blocks a card or unblocks it: {"iccid": …, "state": "BLOCKED"} or
// "ACTIVE".
func (c *cards) setState(ctx context.Context, body []byte) (any, error) {
	var in struct {
		ICCID string         `json:"iccid"`
		State mssp.CardState `json:"state"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	if in.State != mssp.CardActive && in.State != mssp.CardBlocked {
		return nil, fmt.Errorf("state is %s or %s", mssp.CardBlocked, mssp.CardActive)
	}
	return struct{}{}, c.Cards.SetState(ctx, in.ICCID, in.State)
}

// end ends the SIM of a number: {"msisdn": …}.
func (c *cards) end(ctx context.Context, body []byte) (any, error) {
	var in struct {
		MSISDN string `json:"msisdn"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	return struct{}{}, c.Cards.End(ctx, in.MSISDN)
}

// reopen lets a SIM that has ended be activated again: {"msisdn": …,
// "keep_serial": bool}.
func (c *cards) reopen(ctx context.Context, body []byte) (any, error) {
	var in struct {
		MSISDN string `json:"msisdn"`
		Keep   bool   `json:"keep_serial"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	return struct{}{}, c.Cards.Reopen(ctx, in.MSISDN, in.Keep)
}

// advance moves counters forward: {"card": ICCID or MSISDN, "by": …, "dry_run": bool,
// "after": ICCID}. Without a card, it moves those of some thousand cards with a higher ICCID than
// after, and the answer has the last of them; the caller goes on with it.
func (c *cards) advance(ctx context.Context, body []byte) (any, error) {
	var in struct {
		Card   string `json:"card"`
		By     uint64 `json:"by"`
		DryRun bool   `json:"dry_run"`
		After  string `json:"after"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	return c.Cards.Advance(ctx, in.Card, mssp.CounterAdvance{By: in.By, DryRun: in.DryRun, After: in.After, Most: advanceAtOnce})
}

// show describes a card, without its secrets: {"card": ICCID or MSISDN}.
func (c *cards) show(ctx context.Context, body []byte) (any, error) {
	var in struct {
		Card string `json:"card"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	info, err := c.Cards.Show(ctx, in.Card)
	if err != nil {
		return nil, err // a nil info in an interface would be an answer
	}
	return info, nil
}

// Trace contains the exchanges between the service and a card, for people and for
// programs.
type Trace struct {
	Text      string         `json:"text"`
	Exchanges []sim.Exchange `json:"exchanges"`
}

// trace returns the last exchanges with the card of a number: {"msisdn": …}.
func (c *cards) trace(ctx context.Context, body []byte) (any, error) {
	var in struct {
		MSISDN string `json:"msisdn"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	msisdn, ok := policy.ParseMSISDN(in.MSISDN)
	if !ok {
		return nil, fmt.Errorf("%q is not the number of a mobile user", in.MSISDN)
	}
	exchanges, err := c.traces.SIMTrace(ctx, msisdn)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil, fmt.Errorf("%s has no SIM card", msisdn)
	}
	if err != nil {
		return nil, err
	}
	t := Trace{Exchanges: exchanges}
	if len(exchanges) == 0 {
		t.Exchanges = []sim.Exchange{} // not null
	}
	var text strings.Builder
	for _, e := range exchanges {
		e.Format(&text)
	}
	t.Text = text.String()
	return t, nil
}
