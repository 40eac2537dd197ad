package phone_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

type counter struct{ sync.WaitGroup }

func (c *counter) Answer(context.Context, mssp.DeviceAnswer) error {
	c.Done()
	return nil
}

// Answers of phones that approve at once.
func BenchmarkAnswer(b *testing.B) {
	for _, kt := range []signum.KeyType{signum.EC, signum.RSA} {
		b.Run(string(kt), func(b *testing.B) {
			l := newLab(b, kt, 0)
			n := phone.New(phone.Config{Keys: l.keys})
			defer n.Close()
			var c counter
			n.Connect(&c)
			requests := make([]mssp.DeviceRequest, 1024)
			for i := range requests {
				id := fmt.Sprint("d", i)
				l.keys.withKey(b, id, kt)
				d, err := n.Add(phone.DeviceSpec{ID: id, MSISDN: fmt.Sprintf("+4179%07d", i), Method: signum.App, KeyType: kt})
				if err != nil {
					b.Fatal(err)
				}
				requests[i] = request(d, "", "Bank: do you want to log in?")
				requests[i].Expires = time.Time{}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if i%len(requests) == 0 {
					c.Wait() // else an app would replace what is shown
				}
				c.Add(1)
				r := requests[i%len(requests)]
				r.TransID = fmt.Sprint("t", i)
				if err := n.Send(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
			c.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
		})
	}
}

// What a request costs while nobody, or somebody later, answers it.
func BenchmarkPending(b *testing.B) {
	for _, do := range []phone.Behaviour{{Do: phone.Silent}, phone.Delayed(time.Hour)} {
		b.Run(do.String(), func(b *testing.B) {
			const phones = 10_000
			var total, threads float64
			for range b.N {
				n := phone.New(phone.Config{})
				n.Connect(&answers{})
				requests := make([]mssp.DeviceRequest, phones)
				for i := range requests {
					number := fmt.Sprintf("+4179%07d", i)
					d, err := n.Add(phone.DeviceSpec{ID: number, MSISDN: number, Method: signum.SIM})
					if err != nil {
						b.Fatal(err)
					}
					if err := n.Behave(number, do); err != nil {
						b.Fatal(err)
					}
					requests[i] = request(d, fmt.Sprint("t", i), "Bank: do you want to log in?")
				}
				before, running := inUse(), runtime.NumGoroutine()
				for _, r := range requests {
					if err := n.Send(b.Context(), r); err != nil {
						b.Fatal(err)
					}
				}
				total += inUse() - before
				threads += float64(runtime.NumGoroutine() - running)
				runtime.KeepAlive(requests)
				n.Close()
			}
			b.ReportMetric(total/phones/float64(b.N), "bytes/request")
			b.ReportMetric(threads/float64(b.N), "goroutines")
		})
	}
}

func inUse() float64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc)
}
