package sim

import (
	"sync/atomic"
	"time"
)

// Stats are counts since the start of the channel; the last four are present values.
type Stats struct {
	Requests     uint64 `json:"requests"`      // from the engine, or found pending when their reply came
	Attempts     uint64 `json:"attempts"`      // including repetitions
	Retries      uint64 `json:"retries"`       // repetitions only
	Parts        uint64 `json:"parts"`         // short messages that the SMSC took
	SubmitErrors uint64 `json:"submit_errors"` // short messages that it did not take
	Full         uint64 `json:"full"`          // messages refused because of load
	Texts        uint64 `json:"texts"`         // text messages that the SMSC took
	TextErrors   uint64 `json:"text_errors"`
	Delivered    uint64 `json:"delivered"`    // deliver_sm received
	Receipts     uint64 `json:"receipts"`     // delivery receipts among them
	Undelivered  uint64 `json:"undelivered"`  // receipts that report a failure
	PoROK        uint64 `json:"por_ok"`       // proofs of receipt, authentic
	PoRErrors    uint64 `json:"por_errors"`   // proofs that report an error, authentic or not
	PoRUnmatched uint64 `json:"por_ignored"`  // proofs about no packet that is waited for
	Advanced     uint64 `json:"advanced"`     // counters that were moved forward, because the card had seen higher ones
	Behind       uint64 `json:"behind"`       // counters that were too low and not moved, because of Advance.Daily
	Replies      uint64 `json:"replies"`      // authentic and new
	Late         uint64 `json:"late"`         // authentic, but nothing waits for them
	Replayed     uint64 `json:"replayed"`     // authentic, but seen before
	Forged       uint64 `json:"forged"`       // wrong checksum
	Malformed    uint64 `json:"malformed"`    // not a packet, or without a payload
	Unknown      uint64 `json:"unknown"`      // from a number without an active card
	Ignored      uint64 `json:"ignored"`      // not meant for the service
	Postponed    uint64 `json:"postponed"`    // to be delivered again by the SMSC
	Answers      uint64 `json:"answers"`      // that the engine took
	AnswerErrors uint64 `json:"answer_errs"`  // attempts to hand one over that failed
	Unreached    uint64 `json:"unreached"`    // requests that ended with 209, 105 or 900
	Locations    uint64 `json:"locations"`    // asked for
	LocateErrors uint64 `json:"locate_errs"`  // not obtained
	Pending      int    `json:"pending"`      // requests in memory
	Queued       int    `json:"queued"`       // those of them that wait for a worker
	Held         int    `json:"held"`         // phones that get nothing for a moment because of load
	Reassembling int    `json:"reassembling"` // parts of incomplete messages
}

// counters are the Stats while they grow.
type counters struct {
	requests, attempts, retries, parts, submitErrors, full, texts, textErrors,
	delivered, receipts, undelivered, porOK, porErrors, porUnmatched, advanced, behind,
	replies, late, replayed, forged, malformed, unknown, ignored, postponed,
	answers, answerErrors, unreached, locations, locateErrors atomic.Uint64
}

// Age returns for how long the request has waited for a worker that has waited longest.
func (c *Channel) Age() time.Duration { return c.submits.age() }

// AgeOf returns the same of the requests of one party.
func (c *Channel) AgeOf(party string) time.Duration { return c.submits.ageOf(party) }

// Stats returns the present counts.
func (c *Channel) Stats() Stats {
	n := &c.n
	s := Stats{
		Requests: n.requests.Load(), Attempts: n.attempts.Load(), Retries: n.retries.Load(),
		Parts: n.parts.Load(), SubmitErrors: n.submitErrors.Load(), Full: n.full.Load(),
		Texts: n.texts.Load(), TextErrors: n.textErrors.Load(),
		Delivered: n.delivered.Load(), Receipts: n.receipts.Load(), Undelivered: n.undelivered.Load(),
		PoROK: n.porOK.Load(), PoRErrors: n.porErrors.Load(), PoRUnmatched: n.porUnmatched.Load(),
		Advanced: n.advanced.Load(), Behind: n.behind.Load(),
		Replies: n.replies.Load(), Late: n.late.Load(), Replayed: n.replayed.Load(),
		Forged: n.forged.Load(), Malformed: n.malformed.Load(), Unknown: n.unknown.Load(),
		Ignored: n.ignored.Load(), Postponed: n.postponed.Load(),
		Answers: n.answers.Load(), AnswerErrors: n.answerErrors.Load(), Unreached: n.unreached.Load(),
		Locations: n.locations.Load(), LocateErrors: n.locateErrors.Load(),
		Queued: c.submits.waiting(), Reassembling: c.parts.Len(),
	}
	c.mu.Lock()
	s.Pending, s.Held = c.table.len(), c.brakes.count(c.now())
	c.mu.Unlock()
	return s
}
