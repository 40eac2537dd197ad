//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// texters ask for one-time passwords, each for the number of another user.
type texters struct {
	mu  sync.Mutex
	all []password
}

const (
	texterCount = 4
	// passwordID begins the AP_TransID of these calls, which are not in the ledger.
	passwordID = "P"
)

// texter asks for one password after the other until the load ends.
func (t *texters) texter(ctx context.Context, l *load, number int, seed uint64) {
	u := &user{load: l, number: number, rand: rand.New(rand.NewPCG(seed, uint64(1<<24+number)))}
	for n := 1; ; n++ {
		select {
		case <-l.stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(u.rand.Int64N(int64(400 * time.Millisecond)))):
		}
		p := password{text: fmt.Sprintf("%sYour code is %d.%d", l.service.prefix(), number, n), began: time.Now()}
		at := p.began.Truncate(time.Millisecond)
		answer := u.untilKnown(ctx, func() entry {
			l.sent.Add(1)
			_, err := u.client(at).Sign(ctx, client.SignRequest{
				MSISDN: msisdn(number), Text: p.text, Lang: "en", Profile: signum.ProfileOTPText, APTransID: fmt.Sprintf("%s%d.%d", passwordID, number, n),
			})
			e := outcome(0, err)
			if err == nil {
				e.Code = signum.RequestOK
			}
			return e
		})
		p.ended, p.accepted = time.Now(), answer.Code == signum.RequestOK
		t.mu.Lock()
		t.all = append(t.all, p)
		t.mu.Unlock()
	}
}
