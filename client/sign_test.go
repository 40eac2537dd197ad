package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

var apTransID = regexp.MustCompile(`AP_TransID(?:":|=)"(\w+)"`)

// script answers each request with the next step, in the form of its wire, and all
// further requests with the last one. A step gets the AP_TransID to repeat.
func script(f form, steps ...func(id string) (int, string)) (rt roundTrip, calls *int) {
	calls = new(int)
	return func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		step := steps[min(*calls, len(steps)-1)]
		*calls++
		status, answer := step(string(apTransID.FindSubmatch(body)[1]))
		if status == 0 { // silence
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return canned(status, f.contentType(), answer)(r)
	}, calls
}

func TestSign(t *testing.T) {
	for _, f := range forms[:2] {
		signed := func(id string) (int, string) { return 200, f.signature(id, 500, testCMS) }
		accepted := func(id string) (int, string) { return 200, f.signature(id, 100, nil) }
		outstanding := func(id string) (int, string) { return 200, f.signature(id, 504, nil) }
		nameless := func(id string) (int, string) {
			return 200, strings.Replace(f.signature(id, 100, nil), "h4iof", "", 1)
		}
		for _, tc := range []struct {
			name  string
			step  func(string) (int, string)
			async bool
			ok    bool
		}{
			{"synchronous", signed, false, true},
			{"asynchronous", accepted, true, true},
			{"asynchronous, at once", signed, true, true},
			{"synchronous, accepted only", accepted, false, false},
			{"synchronous, outstanding", outstanding, false, false},
			{"asynchronous, no name", nameless, true, false},
		} {
			rt, _ := script(f, tc.step)
			resp, err := newTestClient(t, f.soap, rt).Sign(t.Context(), SignRequest{MSISDN: testMSISDN, Text: "x", Async: tc.async})
			var bad *AnswerError
			if tc.ok && (err != nil || resp.TransID != "h4iof") || !tc.ok && !errors.As(err, &bad) {
				t.Errorf("%s %s: %v, %v", f.name, tc.name, resp, err)
			}
		}
	}
}

func TestSignAndWait(t *testing.T) {
	for _, f := range forms[:2] {
		accepted := func(id string) (int, string) { return 200, f.signatureWith(id, 100, nil, f.services()) }
		outstanding := func(id string) (int, string) { return 200, f.statusResp(id, 504, nil) }
		broken := func(string) (int, string) { return 503, "" }
		silence := func(string) (int, string) { return 0, "" }
		done := func(id string) (int, string) { return 200, f.statusResp(id, 500, testCMS) }
		cancelled := func(string) (int, string) { return 500, f.fault(401, "User cancelled the request") }
		var timeout *TimeoutError
		var bad *AnswerError
		for _, tc := range []struct {
			name    string
			steps   []func(string) (int, string)
			check   func(error) bool
			calls   int
			elapsed time.Duration
		}{
			{"signed", []func(string) (int, string){accepted, outstanding, outstanding, done}, nil, 4, 9 * time.Second},
			{"at once", []func(string) (int, string){func(id string) (int, string) { return 200, f.signature(id, 500, testCMS) }}, nil, 1, 0},
			{"a node goes away", []func(string) (int, string){accepted, broken, silence, broken, outstanding, broken, done}, nil, 7, 18*time.Second + 30*time.Second},
			{"all nodes gone", []func(string) (int, string){accepted, broken}, func(err error) bool { return errors.As(err, &bad) && bad.HTTPStatus == 503 }, 5, 12 * time.Second},
			{"cancelled by the user", []func(string) (int, string){accepted, outstanding, cancelled},
				func(err error) bool { return errors.Is(err, signum.NewFault(401)) }, 3, 6 * time.Second},
			{"refused", []func(string) (int, string){cancelled},
				func(err error) bool { return errors.Is(err, signum.NewFault(401)) }, 1, 0},
			{"no outcome ever", []func(string) (int, string){accepted, outstanding}, func(err error) bool {
				return errors.As(err, &timeout) && strings.HasPrefix(timeout.Limit, "transaction timeout") && timeout.After == 130*time.Second
			}, 44, 130 * time.Second},
		} {
			synctest.Test(t, func(t *testing.T) {
				rt, calls := script(f, tc.steps...)
				c := newTestClient(t, f.soap, rt)
				start := time.Now()
				var seen []Progress
				resp, err := c.SignAndWait(t.Context(), SignRequest{MSISDN: testMSISDN, Text: "x", Timeout: 100 * time.Second},
					3*time.Second, func(p Progress) { seen = append(seen, p) })
				if tc.check != nil {
					if resp != nil || !tc.check(err) {
						t.Errorf("%s %s: %v, %v", f.name, tc.name, resp, err)
					}
				} else if err != nil || !bytes.Equal(resp.Signature, testCMS) || resp.Status != 500 ||
					resp.TransID != "h4iof" || resp.Profile != signum.ProfileSTK {
					t.Errorf("%s %s: %+v, %v", f.name, tc.name, resp, err)
				}
				if *calls != tc.calls || time.Since(start) != tc.elapsed {
					t.Errorf("%s %s: %d calls in %s", f.name, tc.name, *calls, time.Since(start))
				}
				if tc.name == "signed" {
					want := []Progress{{"h4iof", 0, 100, wantServices}, {"h4iof", 3 * time.Second, 504, nil}, {"h4iof", 6 * time.Second, 504, nil}}
					if d := cmp.Diff(want, seen); d != "" {
						t.Error(d)
					}
					if d := cmp.Diff(wantServices, resp.Services); d != "" {
						t.Error(d)
					}
				}
			})
		}
	}
}

func TestSignAndWaitOtherUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := forms[0]
		rt, _ := script(f,
			func(id string) (int, string) { return 200, f.signature(id, 100, nil) },
			func(id string) (int, string) {
				return 200, strings.ReplaceAll(f.statusResp(id, 500, testCMS), testMSISDN, "+41790000000")
			})
		resp, err := newTestClient(t, false, rt).SignAndWait(t.Context(), SignRequest{MSISDN: testMSISDN, Text: "x"}, 0, nil)
		var bad *AnswerError
		if resp != nil || !errors.As(err, &bad) || !strings.Contains(err.Error(), `MSISDN "+41790000000"`) {
			t.Errorf("%v, %v", resp, err)
		}
	})
}

func TestPoll(t *testing.T) {
	f := forms[0]
	outstanding := func(id string) (int, string) { return 200, f.statusResp(id, 504, nil) }
	for _, tc := range []struct {
		name  string
		ctx   func(context.Context) (context.Context, context.CancelFunc)
		check func(error) bool
	}{
		{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(5*time.Second, cancel)
			return ctx, cancel
		}, func(err error) bool { return errors.Is(err, context.Canceled) }},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 5*time.Second)
		}, func(err error) bool {
			var te *TimeoutError
			return errors.Is(err, context.DeadlineExceeded) && errors.As(err, &te) && te.After == 5*time.Second
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := tc.ctx(t.Context())
			defer cancel()
			rt, calls := script(f, outstanding)
			start := time.Now()
			_, err := newTestClient(t, false, rt).Poll(ctx, "h4iof", 0, nil)
			if !tc.check(err) || *calls != 3 || time.Since(start) != 5*time.Second {
				t.Errorf("%s: %v, %d calls in %s", tc.name, err, *calls, time.Since(start))
			}
		})
	}
}

// TestLimits: how long each call waits for a service that does not answer, and which
// error it returns then.
func TestLimits(t *testing.T) {
	sync := func(timeOut string) *signum.SignatureRequest {
		return &signum.SignatureRequest{MessagingMode: signum.Synch, TimeOut: timeOut}
	}
	for _, tc := range []struct {
		req  signum.Request
		want time.Duration
		name string
	}{
		{sync(""), 110 * time.Second, "synchronous request timeout (transaction 1m20s and margin 30s)"},
		{sync("300"), 330 * time.Second, "synchronous request timeout (transaction 5m0s and margin 30s)"},
		{sync("15"), 45 * time.Second, "synchronous request timeout (transaction 15s and margin 30s)"},
		{sync("soon"), 110 * time.Second, "synchronous request timeout"},
		{sync("-5"), 110 * time.Second, "synchronous request timeout"},
		{sync("9000000000"), 3630 * time.Second, "synchronous request timeout"},
		{&signum.SignatureRequest{}, 110 * time.Second, "synchronous request timeout"},
		{&signum.SignatureRequest{MessagingMode: signum.Asynch, TimeOut: "300"}, 30 * time.Second, "request timeout"},
		{&signum.SignatureRequest{MessagingMode: signum.AsynchClientServer}, 30 * time.Second, "request timeout"},
		{&signum.StatusRequest{}, 30 * time.Second, "request timeout"},
		{&signum.ProfileRequest{}, 30 * time.Second, "request timeout"},
		{&signum.ReceiptRequest{}, 110 * time.Second, "receipt timeout (phone 1m20s and margin 30s)"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newTestClient(t, false, roundTrip(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}))
			start := time.Now()
			_, err := c.Do(t.Context(), tc.req)
			var te *TimeoutError
			if !errors.As(err, &te) || !te.Timeout() || te.After != tc.want || time.Since(start) != tc.want ||
				!strings.HasPrefix(te.Limit, tc.name) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v after %s, want %s %s", err, time.Since(start), tc.name, tc.want)
			}
		})
	}
}
