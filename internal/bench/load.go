package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// result is the outcome of one load.
type result struct {
	Requests int
	Elapsed  time.Duration
	P50, P99 time.Duration
	Size     int // bytes of the last answer
	Refused  int // requests that were refused because of overload, and sent again
}

func (r result) rate() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

var serial atomic.Int64

// requestTo returns a request as clients send it.
func requestTo(apID, msisdn, mode, profile string) []byte {
	return requestFor(apID, msisdn, mode, profile, 300)
}

// requestFor is the same with a TimeOut in seconds.
func requestFor(apID, msisdn, mode, profile string, timeout int) []byte {
	return fmt.Appendf(nil, `{"MSS_SignatureReq":{"AP_Info":{"AP_ID":%q,"AP_PWD":"disabled","AP_TransID":"B%d.%d","Instant":%q},`+
		`"MSSP_Info":{"MSSP_ID":{"URI":"http://mid.swisscom.ch/"}},"MajorVersion":"1","MinorVersion":"2","MessagingMode":%q,`+
		`"MobileUser":{"MSISDN":%q},"SignatureProfile":%q,"TimeOut":"%d",`+
		`"DataToBeSigned":{"MimeType":"text/plain","Encoding":"UTF-8","Data":"Sandbox: Log in to example.com?"},`+
		`"AdditionalServices":[{"Description":"http://mss.ficom.fi/TS102204/v1.0.0#userLang","UserLang":{"Value":"en"}}]}}`,
		apID, os.Getpid(), serial.Add(1), signum.FormatInstant(time.Now()), mode, msisdn, profile, timeout)
}

// httpClient returns an HTTP client with the party's certificate.
func httpClient(dir string, h2 bool) (*http.Client, string, error) {
	box, err := client.LoadSandbox(dir)
	if err != nil {
		return nil, "", err
	}
	conf := box.Config.TLS.Clone()
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	tr := &http.Transport{TLSClientConfig: conf, MaxIdleConnsPerHost: 20000, ForceAttemptHTTP2: h2, DisableCompression: true}
	return &http.Client{Transport: tr}, box.APID, nil
}

// post sends a request, and returns an error unless the answer has a signature.
func post(ctx context.Context, c *http.Client, url string, body []byte) ([]byte, error) {
	b, err := exchange(ctx, c, url, body)
	if err == nil && !bytes.Contains(b, []byte(`"Value":"500"`)) {
		err = fmt.Errorf("not a signature: %.300s", b)
	}
	return b, err
}

func exchange(ctx context.Context, c *http.Client, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("answer %d: %.300s", resp.StatusCode, b)
	}
	return b, err
}

// isBusy reports whether a request was refused because of overload.
func isBusy(err error) bool { return err != nil && strings.Contains(err.Error(), signum.DetailBusy) }

// runLoad sends requests as fast as answers come, one at a time per connection.
func runLoad(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("load", flag.ExitOnError)
	dir := fs.String("dir", "", "directory of the sandbox")
	url := fs.String("url", "", "where to post")
	workers := fs.Int("workers", 32, "connections")
	length := fs.Duration("time", 5*time.Second, "how long")
	profile := fs.String("profile", signum.ProfileSTK, "signature profile")
	first := fs.Int("first", 0, "number of the first user; each connection has one of its own")
	party := fs.String("party", "", "AP_ID; default the one of the sandbox")
	fs.Parse(args)
	c, apID, err := httpClient(*dir, false)
	if err != nil {
		return err
	}
	apID = cmp.Or(*party, apID)
	took := make([][]time.Duration, *workers)
	size := make([]int, *workers)
	var refused atomic.Int64
	ask := func(n int) error {
		begin := time.Now()
		b, err := post(ctx, c, *url, requestTo(apID, msisdn(*first+n), "synch", *profile))
		for isBusy(err) {
			refused.Add(1)
			time.Sleep(time.Second) // the least Retry-After
			b, err = post(ctx, c, *url, requestTo(apID, msisdn(*first+n), "synch", *profile))
		}
		took[n], size[n] = append(took[n], time.Since(begin)), len(b)
		return err
	}
	each := func(f func(n int) error) error {
		g := new(errgroup.Group)
		for n := range *workers {
			g.Go(func() error { return f(n) })
		}
		return g.Wait()
	}
	// Connect first, so that the handshakes are not measured.
	if err := each(ask); err != nil {
		return err
	}
	clear(took)
	begin := time.Now()
	if err := each(func(n int) error {
		for time.Since(begin) < *length {
			if err := ask(n); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	elapsed := time.Since(begin)
	all := slices.Concat(took...)
	slices.Sort(all)
	return json.NewEncoder(os.Stdout).Encode(result{
		Requests: len(all), Elapsed: elapsed, P50: all[len(all)/2], P99: all[len(all)*99/100], Size: size[0], Refused: int(refused.Load()),
	})
}

// runHold sends requests that nobody answers, reports it, and holds them until its standard
// input ends.
func runHold(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("hold", flag.ExitOnError)
	dir := fs.String("dir", "", "directory of the sandbox")
	url := fs.String("url", "", "where to post")
	n := fs.Int("n", 1000, "requests")
	h2 := fs.Bool("h2", false, "HTTP/2")
	fs.Parse(args)
	c, apID, err := httpClient(*dir, *h2)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	failed := make(chan error, *n)
	var sent atomic.Int64
	// A few at a time, so that handshakes do not time out.
	slots := make(chan bool, 64)
	for i := range *n {
		slots <- true
		wg.Go(func() {
			b := &readToEnd{Reader: bytes.NewReader(requestTo(apID, msisdn(i), "synch", signum.ProfileSTK)), done: func() { sent.Add(1); <-slots }}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, *url, b)
			if err != nil {
				failed <- err
				return
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := c.Do(req)
			if err == nil {
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				err = fmt.Errorf("an answer to a request that should wait: %.300s", text)
			}
			if !errors.Is(err, context.Canceled) {
				failed <- err
			}
		})
	}
	for sent.Load() < int64(*n) {
		select {
		case err := <-failed:
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
	fmt.Println("holding")
	io.Copy(io.Discard, os.Stdin)
	select {
	case err := <-failed:
		return err
	default:
	}
	stop()
	wg.Wait()
	return nil
}

// readToEnd reports when a body has been read to its end.
type readToEnd struct {
	io.Reader
	once sync.Once
	done func()
}

func (s *readToEnd) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		s.once.Do(s.done)
	}
	return n, err
}
