package sim_test

import (
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
)

const (
	fullPhones    = 4
	healthyPhones = 50
)

// bank asks phones in a loop, each for itself.
type bank struct {
	p             *path
	healthy, full []*user
}

func newBank(p *path) *bank {
	b := &bank{p: p}
	for n := range healthyPhones + fullPhones {
		u := p.addUser(n+1, userSpec{})
		if n < healthyPhones {
			b.healthy = append(b.healthy, u)
			continue
		}
		b.full = append(b.full, u)
	}
	return b
}

// round asks each healthy phone some times and returns how long the requests took.
func (b *bank) round(t testing.TB, times int) (took []time.Duration) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, u := range b.healthy {
		all.Go(func() {
			for range times {
				c := &call{u: u, text: "Bank: Login?"}
				from := time.Now()
				if err := b.p.sign(c, 0); err != nil || c.told != signum.SignatureMade {
					t.Errorf("%s: %d, %v", u.MSISDN, c.told, err)
				}
				mu.Lock()
				took = append(took, time.Since(from))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	return took
}

// askFull asks the full phones until the function that it returns is called, which waits
// for the outcomes.
func (b *bank) askFull(t testing.TB) (wait func()) {
	var all sync.WaitGroup
	for _, u := range b.full {
		all.Go(func() {
			c := &call{u: u, text: "Bank: Login?"}
			if err := b.p.sign(c, 0); err != nil || c.told != signum.OTAError {
				t.Errorf("full %s: %d, %v; want %d", u.MSISDN, c.told, err, signum.OTAError)
			}
		})
	}
	return all.Wait
}

func (b *bank) numbers(of []*user) (list []string) {
	for _, u := range of {
		list = append(list, u.MSISDN)
	}
	return list
}

// Four phones whose queues at the SMSC are full do not slow fifty others down. The
// time is that of a bubble, in which only waiting takes any.
func TestPathFullPhones(t *testing.T) {
	inBubble(t, func(t *testing.T, p *path) {
		b := newBank(p)
		alone := b.round(t, 1)
		p.smsc.SetFull(b.numbers(b.full)...)
		wait := b.askFull(t)
		with := b.round(t, 8)
		if half, was := with[len(with)/2], alone[len(alone)/2]; half > was*3/2 {
			t.Errorf("the median is %s, alone it is %s", half, was)
		}
		if most := with[len(with)-1]; most > 2*time.Second {
			t.Errorf("the slowest took %s", most)
		}
		wait()
		if n := p.smsc.Counters(0).Injected.Full; n < 4*5 || n > 4*16 {
			t.Errorf("%d messages were refused", n)
		}
	}, func(c *pathConfig) { c.think = 500 * time.Millisecond })
}

// BenchmarkFullPhones measures the median of fifty users over loopback TCP, alone and
// beside four whose queues are full.
func BenchmarkFullPhones(b *testing.B) {
	p := newPath(b, pathConfig{url: "sqlite:" + filepath.Join(b.TempDir(), "db"), think: 100 * time.Millisecond})
	defer p.close()
	p.addParties()
	bank := newBank(p)
	for _, u := range bank.healthy {
		if err := p.handsets.Behave(u.MSISDN, person.Behaviour{}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		alone := bank.round(b, 5)
		p.smsc.SetFull(bank.numbers(bank.full)...)
		wait := bank.askFull(b)
		with := bank.round(b, 50)
		b.ReportMetric(float64(alone[len(alone)/2].Milliseconds()), "ms-alone")
		b.ReportMetric(float64(with[len(with)/2].Milliseconds()), "ms-beside-full")
		b.ReportMetric(float64(with[len(with)-1].Milliseconds()), "ms-slowest-beside-full")
		wait()
		p.smsc.SetFull()
	}
}
