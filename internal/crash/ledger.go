//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/signum-mssp/signum"
)

// entry is one line of the ledger. The first line of a call says what is going to be
// sent, the others what came of it.
type entry struct {
	Call int `json:"call"`

	// Of the first line.
	Do      string `json:"do,omitempty"`
	User    string `json:"user,omitempty"`
	TransID string `json:"ap_trans_id,omitempty"` // AP_TransID
	Instant int64  `json:"instant,omitempty"`     // AP_Info/Instant, microseconds since the epoch
	About   string `json:"about,omitempty"`       // MSSP_TransID of the signature that a receipt or a query is about

	Twin bool `json:"twin,omitempty"` // there is another call like this one at the same time

	// Of the others. Lost is why there was no answer.
	Code   signum.Code `json:"code,omitempty"`
	MSSPID string      `json:"mssp_trans_id,omitempty"`
	CMS    string      `json:"cms,omitempty"` // SHA-256 of the signature
	Detail string      `json:"detail,omitempty"`
	Lost   string      `json:"lost,omitempty"`
}

// What a call does.
const (
	doSign    = "sign"
	doAsync   = "sign asynchronously"
	doReceipt = "receipt"
	doStatus  = "status"
)

// ledger is what a party knows: a file of one line of JSON for each thing that happened.
// A line is written before the call is sent, and another one before its answer is used,
// so that a check finds what the party knew even if this process was killed, too.
type ledger struct {
	mu    sync.Mutex
	file  *os.File
	calls int
}

func newLedger(path string) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &ledger{file: f}, nil
}

// begin writes what is going to be sent, and returns the number of the call.
func (l *ledger) begin(e entry) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	e.Call = l.calls
	return e.Call, l.write(e)
}

// end writes what came of a call.
func (l *ledger) end(e entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(e)
}

func (l *ledger) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = l.file.Write(append(line, '\n'))
	return err
}

func (l *ledger) close() error { return l.file.Close() }

// call is everything that the ledger knows of a call.
type call struct {
	entry
	answers []entry // in order; those that were lost, too
}

// readLedger returns the calls in order.
func readLedger(path string) ([]*call, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []*call
	byNumber := make(map[int]*call)
	for in := bufio.NewScanner(f); in.Scan(); {
		var e entry
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		switch c := byNumber[e.Call]; {
		case c != nil:
			c.answers = append(c.answers, e)
		case e.Do == "":
			return nil, fmt.Errorf("%s: an answer to call %d, which was not sent", path, e.Call)
		default:
			c = &call{entry: e}
			byNumber[e.Call] = c
			all = append(all, c)
		}
	}
	return all, nil
}
