package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/lab/softapp"
)

const (
	codesFile = "codes" // activation codes, one per line, next to sandbox.json

	appRequests = 2000 // at most, each to another App
	appWarmUp   = 32   // further requests, before the others, to make the TLS handshakes
	appWait     = 10 * time.Second
)

// invite creates accounts and writes their activation codes to a file.
func invite(ctx context.Context, box *sandbox.Sandbox, n int) error {
	codes := make([]string, n)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for i := range n {
		g.Go(func() error {
			in, err := box.Invite(gctx, msisdn(i))
			if err == nil {
				codes[i] = in.Code
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return os.WriteFile(box.Path(codesFile), []byte(strings.Join(codes, "\n")), 0o600)
}

// appHolder holds the Apps of a process, and the party that sends them requests.
type appHolder struct {
	apps    *softapp.Apps
	numbers []string

	mu     sync.Mutex
	shown  map[string]chan time.Time // by number; gets the time when a request is on the screen
	failed chan error                // of Run
}

// runApps enrols an App for each code and prints "enrolled". It then obeys the commands
// "connect" and "ask" until its standard input ends.
func runApps(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("apps", flag.ExitOnError)
	dir := fs.String("dir", "", "directory of the sandbox")
	fs.Parse(args)
	debug.SetGCPercent(400) // the Apps share the machine with the service
	h := &appHolder{shown: make(map[string]chan time.Time), failed: make(chan error, 1)}
	if err := h.enrol(ctx, *dir); err != nil {
		return err
	}
	fmt.Println("enrolled")
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var result any
		var err error
		switch f := strings.Fields(in.Text()); {
		case len(f) == 1 && f[0] == "connect":
			result, err = h.connect(ctx)
		case len(f) == 4 && f[0] == "ask":
			perSecond := 0
			if _, err = fmt.Sscan(f[3], &perSecond); err == nil {
				result, err = h.ask(ctx, *dir, f[1], f[2], perSecond)
			}
		default:
			err = fmt.Errorf("apps: unknown command %q", in.Text())
		}
		if err == nil {
			err = out.Encode(result)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *appHolder) enrol(ctx context.Context, dir string) error {
	box, err := client.LoadSandbox(dir)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, codesFile))
	if err != nil {
		return err
	}
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}} // as many calls as Apps make at a time
	h.apps, err = softapp.New(softapp.Config{Base: box.WebURL + softapp.Path, HTTPClient: c, FastKDF: true, Observe: h.observe})
	if err != nil {
		return err
	}
	codes := strings.Fields(string(text))
	h.numbers = make([]string, len(codes))
	var done atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for i, code := range codes {
		g.Go(func() error {
			info, err := h.apps.Enrol(gctx, code, softapp.EnrolOptions{})
			if err != nil {
				return err
			}
			h.numbers[i] = info.MSISDN
			if n := done.Add(1); n%2500 == 0 {
				fmt.Fprintf(os.Stderr, "%d of %d Apps are enrolled\n", n, len(codes))
			}
			return nil
		})
	}
	err = g.Wait()
	c.CloseIdleConnections() // otherwise the service would hold them until the Apps connect
	return err
}

// connect opens all inboxes and returns how long that took.
func (h *appHolder) connect(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	go func() { h.failed <- h.apps.Run(ctx) }()
	progress := time.Now()
	for h.apps.Connected() < len(h.numbers) {
		select {
		case err := <-h.failed:
			return 0, errors.Join(errors.New("the Apps ended"), err)
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if time.Since(progress) > 5*time.Second {
			progress = time.Now()
			fmt.Fprintf(os.Stderr, "%d of %d Apps are connected\n", h.apps.Connected(), len(h.numbers))
		}
	}
	return time.Since(begin), nil
}

func (h *appHolder) observe(e person.Event) {
	if e.Kind != person.Shown {
		return
	}
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.shown[e.MSISDN]; c != nil {
		c <- now // the channel has room for the only event
		delete(h.shown, e.MSISDN)
	}
}

// ask measures requests to Apps whose users do nothing, and echoes in between. Both start at
// fixed times, whether or not the previous ones have ended: a client that waits for each
// answer would not see the effect of a pause.
func (h *appHolder) ask(ctx context.Context, dir, url, echo string, perSecond int) (*asked, error) {
	party, apID, err := httpClient(dir, false)
	if err != nil {
		return nil, err
	}
	if len(h.numbers) <= appWarmUp || perSecond < 1 {
		return nil, errors.New("too few Apps, or requests per second, to measure")
	}
	plain := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	n := min(appRequests, len(h.numbers)-appWarmUp)
	for _, number := range h.numbers[:n+appWarmUp] {
		if err := h.apps.Behave(number, person.Behaviour{Do: person.Silent}); err != nil {
			return nil, err
		}
	}
	answers, screens, echoes := make([]time.Duration, n), make([]time.Duration, n), make([]time.Duration, n)
	toApp := func(number string, answer, screen *time.Duration) (err error) {
		*answer, *screen, err = h.toScreen(ctx, party, url, requestTo(apID, number, "asynch", signum.ProfileDevice), number)
		return err
	}
	sample := requestTo(apID, h.numbers[0], "asynch", signum.ProfileDevice)
	toEcho := func(took *time.Duration) error {
		begin := time.Now()
		_, err := exchange(ctx, plain, echo, sample)
		*took = time.Since(begin)
		return err
	}
	warm := new(errgroup.Group)
	for _, number := range h.numbers[n : n+appWarmUp] {
		warm.Go(func() error {
			var a, s, e time.Duration
			return errors.Join(toApp(number, &a, &s), toEcho(&e))
		})
	}
	if err := warm.Wait(); err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(512) // reached only if the service has stopped answering
	half := time.NewTicker(time.Second / time.Duration(2*perSecond))
	defer half.Stop()
	for i := range 2 * n {
		select {
		case <-half.C:
		case <-gctx.Done():
			return nil, g.Wait()
		}
		g.Go(func() error {
			if i%2 == 0 {
				return toEcho(&echoes[i/2])
			}
			return toApp(h.numbers[i/2], &answers[i/2], &screens[i/2])
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return &asked{n, len(sample), quantilesOf(echoes), quantilesOf(answers), quantilesOf(screens)}, nil
}

// toScreen sends a request, and waits for its answer and until an App shows it. Both times
// start before the request is sent.
func (h *appHolder) toScreen(ctx context.Context, c *http.Client, url string, body []byte, number string) (answer, screen time.Duration, err error) {
	shown := make(chan time.Time, 1)
	h.mu.Lock()
	h.shown[number] = shown
	h.mu.Unlock()
	begin := time.Now()
	b, err := exchange(ctx, c, url, body)
	answer = time.Since(begin)
	if err != nil {
		return 0, 0, err
	}
	if !strings.Contains(string(b), `"Value":"100"`) {
		return 0, 0, fmt.Errorf("not REQUEST_OK: %.300s", b)
	}
	select {
	case at := <-shown:
		return answer, at.Sub(begin), nil
	case <-time.After(appWait):
		return 0, 0, fmt.Errorf("a request was not shown within %s", appWait)
	}
}

// runEcho is the baseline of a request to an App: one exchange over loopback.
func runEcho(context.Context, []string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b) // an error means that the client is gone
	})}
	go func() {
		obey("", nil)
		srv.Close()
	}()
	fmt.Println("http://" + l.Addr().String() + "/")
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
