//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// findings are the figures of a run, and everything that is wrong.
type findings struct {
	sent, signed int
	known        int // outcomes that a party was told
	asked        int // of them, asked for again at the end
	askedBetween int // and while processes were killed
	rows         int // transactions in the database

	lostInserted, lostNot    int // calls without an answer that were in the database, or not
	unknown                  int // calls whose fate the party did not learn
	replays                  int // of answered calls, all refused
	receipts, secondReceipts int // that were shown; refused
	unavailable              int // answers with 900
	notAsked                 int // transactions that ended with 900
	signAtTheEnd, looks      int
	shown, otps, otpTwice    int // requests that SIM phones showed; one-time passwords; of them, sent twice
	lateEnds                 int // 208 and 209 of users who answer and have a minute

	wrong []string
}

func (f *findings) fault(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

// readAnswers judges what the ledger says by itself: no call was accepted twice, no
// outcome changed, no transaction has two receipts. It returns the outcome of each
// transaction that the party knows, by MSSP_TransID.
func (f *findings) readAnswers(calls []*call) map[string]entry {
	outcomes := make(map[string]entry)
	receipts := make(map[string]int)
	for _, c := range calls {
		switch c.Do {
		case doSign, doAsync:
			f.signature(c)
		case doReceipt:
			f.receipt(c, receipts)
		}
		for _, a := range c.answers {
			f.sent++
			if a.Code == signum.InternalError {
				f.unavailable++
			}
			if c.Do == doStatus && a.Code == signum.WrongParam {
				f.fault("transaction %s is missing: %s", c.About, a.Detail)
			}
			if c.Do == doReceipt || !isOutcome(a.Code) || a.MSSPID == "" {
				continue
			}
			before, told := outcomes[a.MSSPID]
			switch {
			case !told:
				outcomes[a.MSSPID] = a
			case before.Code != a.Code || before.CMS != a.CMS:
				f.fault("transaction %s ended with %d (%s) and with %d (%s)", a.MSSPID, before.Code, before.CMS, a.Code, a.CMS)
			case c.Do == doStatus:
				f.askedBetween++
			}
		}
	}
	f.known = len(outcomes)
	return outcomes
}

// expired finds requests to users who answer that ended because nobody did: with this much
// time, a node that dies, or a database that is away for seconds, must not cost a signature.
func (f *findings) expired(calls []*call, crowd []kind) {
	for _, c := range calls {
		number, err := userNumber(c.User)
		if err != nil || number >= len(crowd) || crowd[number].refuses || crowd[number].timeout < 3*patience {
			continue
		}
		for _, a := range c.answers {
			if a.Code == signum.ExpiredTransaction || a.Code == signum.OTAError {
				f.lateEnds++
				f.fault("call %d (%s) of %s, who answers, was told %d %s", c.Call, c.Do, c.User, a.Code, a.Detail)
			}
		}
	}
}

// signature judges the answers to one call for a signature and its repetitions.
func (f *findings) signature(c *call) {
	var accepted, mayBeIn, in bool
	for _, a := range c.answers {
		switch {
		case a.Code == signum.WrongParam && accepted:
			f.replays++
		case a.Code == signum.WrongParam && mayBeIn:
			if !in {
				f.lostInserted++
			}
			in = true
		case a.Code == signum.WrongParam:
			f.fault("call %d was refused with 101 without having been sent before: %s", c.Call, a.Detail)
		case a.Code == signum.RequestOK || isOutcome(a.Code):
			if accepted || in {
				f.fault("call %d was accepted twice", c.Call)
			}
			if mayBeIn && !accepted {
				f.lostNot++
			}
			accepted = true
			if a.Code == signum.SignatureMade {
				f.signed++
			}
		case a.Code == 0 || a.Code == signum.InternalError:
			mayBeIn = true
		default: // refused for another reason, so it is not in
			if accepted || in {
				f.fault("call %d is in the database, but the same call again was refused with %d: %s", c.Call, a.Code, a.Detail)
			}
			if mayBeIn {
				f.lostNot++
			}
			mayBeIn = false
		}
	}
	if mayBeIn && !accepted && !in {
		f.unknown++
	}
}

// receipt judges the answers to one call for a receipt and its repetitions.
func (f *findings) receipt(c *call, receipts map[string]int) {
	for _, a := range c.answers {
		switch a.Code {
		case signum.RequestOK:
			if receipts[c.About]++; receipts[c.About] > 1 {
				f.fault("transaction %s has %d receipts", c.About, receipts[c.About])
			}
			f.receipts++
		case signum.WrongParam:
			f.secondReceipts++
			if !c.Twin { // else which came first is not known
				receipts[c.About] = max(receipts[c.About], 1) // one that was not answered was taken
			}
		}
	}
}

// queries asks for the outcome of everything that the party knows: one of the nodes, and now
// and then all.
func (f *findings) queries(ctx context.Context, s service, h *http.Client, outcomes map[string]entry) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	n, nodes := 0, s.configs()
	query := func(node client.Config, id string, told entry) {
		c := newClient(node, h, n%2 == 1, time.Now())
		n++
		g.Go(func() error {
			e := status(ctx, c, 0, id)
			// A lost answer and 900 tell nothing about the transaction. Slow is not lost.
			for tries := 0; (e.Lost != "" || e.Code == signum.InternalError) && tries < 20 && sleep(ctx, time.Second/2); tries++ {
				e = status(ctx, c, 0, id)
			}
			mu.Lock()
			defer mu.Unlock()
			f.asked++
			if e.Code != told.Code || e.CMS != told.CMS {
				f.fault("transaction %s ended with %d (%s), but at the end %s has %d (%s) %s%s", id, told.Code, told.CMS, node.BaseURL, e.Code, e.CMS, e.Detail, e.Lost)
			}
			return ctx.Err()
		})
	}
	for id, told := range outcomes {
		if n%8 == 0 {
			for _, node := range nodes {
				query(node, id, told)
			}
			continue
		}
		query(nodes[n%len(nodes)], id, told)
	}
	return g.Wait()
}

// inDatabase compares the ledger with the database.
func (f *findings) inDatabase(calls []*call, rows map[triplet]row) {
	f.rows = len(rows)
	for _, r := range rows {
		if r.code == signum.InternalError {
			f.notAsked++
		}
	}
	for _, c := range calls {
		if c.Do != doSign && c.Do != doAsync {
			continue
		}
		r, found := rows[triplet{c.TransID, c.Instant}]
		delete(rows, triplet{c.TransID, c.Instant})
		in, out := slices.ContainsFunc(c.answers, inserted), !slices.ContainsFunc(c.answers, maybe)
		switch {
		case in && !found:
			f.fault("call %d is not in the database, although its answer said so", c.Call)
		case !in && out && found:
			f.fault("call %d is in the database as %s, although it was refused", c.Call, r.id)
		}
		for _, a := range c.answers {
			if found && a.MSSPID != "" && a.MSSPID != r.id {
				f.fault("call %d is %s in the database, not %s", c.Call, r.id, a.MSSPID)
			}
			if found && isOutcome(a.Code) && a.Code != r.code {
				f.fault("call %d ended with %d, but the database has %d", c.Call, a.Code, r.code)
			}
		}
	}
	for t := range rows {
		if strings.HasPrefix(t.transID, passwordID) {
			continue
		}
		f.fault("nobody sent call %v, which is in the database", t)
	}
}

// checkDatabase compares the ledger with the database, and looks for what waits for too
// long and what is damaged.
func (f *findings) checkDatabase(ctx context.Context, url, dir, party string, calls []*call, settled time.Time) error {
	db, err := openDatabase(url, dir)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := transactions(ctx, db, party)
	if err != nil {
		return err
	}
	f.inDatabase(calls, rows)
	late, err := overdue(ctx, db, settled)
	if err != nil {
		return err
	}
	if late > 0 {
		f.fault("%d transactions wait longer than their time-out", late)
	}
	if strings.HasPrefix(url, "sqlite:") {
		found, err := damage(ctx, db)
		f.wrong = append(f.wrong, found...)
		return err
	}
	return nil
}

// everybodySigns asks each user who approves for a last signature.
func (f *findings) everybodySigns(ctx context.Context, l *load, seed uint64) error {
	g, ctx := errgroup.WithContext(ctx)
	crowd := l.service.crowd()
	signed := make([]*user, len(crowd))
	for i, k := range crowd {
		if k.refuses {
			continue
		}
		u := &user{load: l, number: i, kind: k, rand: rand.New(rand.NewPCG(seed, uint64(1<<20+i))), calls: 1 << 20}
		signed[i] = u
		g.Go(func() error {
			// The phone may still be busy with a request whose answer was lost.
			for until := time.Now().Add(2 * l.timeout(k)); len(u.done) == 0 && time.Now().Before(until); {
				u.sign(ctx, false)
				if len(u.done) == 0 && !sleep(ctx, 500*time.Millisecond) {
					return ctx.Err()
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, u := range signed {
		switch {
		case u == nil:
		case len(u.done) == 0:
			f.fault("%s does not sign any more: busy or refused", msisdn(i))
		case u.done[0].code != signum.SignatureMade:
			f.fault("%s does not sign any more: %d", msisdn(i), u.done[0].code)
		default:
			f.signAtTheEnd++
		}
	}
	return l.end()
}

// inserted reports whether an answer says that the call is in the database.
func inserted(e entry) bool {
	return e.Code == signum.RequestOK || e.Code == signum.WrongParam || isOutcome(e.Code)
}

// maybe reports whether a call with this answer can be in the database.
func maybe(e entry) bool { return inserted(e) || e.Code == 0 || e.Code == signum.InternalError }
