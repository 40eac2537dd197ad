package app

import (
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	pushWorkers = 8
	pushQueued  = 4096 // Apps waiting to be woken; beyond that, they have to connect by themselves
	pushTimeout = 10 * time.Second
	pushTTL     = 300 // seconds; longer than any request stays pending
	maxEndpoint = 1024
	wakeMessage = `{"type":"wake"}`
)

// VAPID identifies the service to push services (RFC 8292).
type VAPID struct {
	Contact         string // an e-mail address, or an https address
	Public, Private string // P-256, Base64url: the uncompressed point; the scalar
}

// NewVAPID generates the keys.
func NewVAPID(contact string) (v VAPID, err error) {
	v.Contact = contact
	v.Private, v.Public, err = webpush.GenerateVAPIDKeys()
	return v, err
}

func (v VAPID) check() error {
	private, err := unb64u(v.Private)
	if err != nil {
		return errors.New("app: the private VAPID key is not Base64url")
	}
	k, err := ecdh.P256().NewPrivateKey(private)
	if err != nil || b64u(k.PublicKey().Bytes()) != v.Public {
		return errors.New("app: the VAPID keys are not a pair of P-256 keys")
	}
	return nil
}

// pusher wakes Apps by push.
type pusher struct {
	s     *Server
	vapid VAPID

	mu      sync.Mutex
	waiting map[string]*mssp.PushSubscription // by device, so that each is queued once
	order   []string                          // of waiting, oldest first
	workers int
}

func newPusher(s *Server, v VAPID) (*pusher, error) {
	if v.Public == "" && v.Private == "" {
		var err error
		if v, err = NewVAPID(v.Contact); err != nil {
			return nil, err
		}
	}
	if v.Contact == "" {
		v.Contact = s.site.origin
	}
	return &pusher{s: s, vapid: v, waiting: make(map[string]*mssp.PushSubscription)}, v.check()
}

func (c *call) pushKey() (any, error) {
	return struct {
		Key string `json:"key"`
	}{c.s.push.vapid.Public}, nil
}

// subscription checks a subscription before it is stored, because the service
// will call an address that the App chose.
func (p *pusher) subscription(w wirePush) (*mssp.PushSubscription, error) {
	u, err := url.Parse(w.Endpoint)
	if err != nil || len(w.Endpoint) > maxEndpoint || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("the endpoint is not a valid URL")
	}
	if err := p.s.cfg.AllowPush(u); err != nil {
		return nil, err
	}
	if _, err := ecdh.P256().NewPublicKey(w.P256DH); err != nil {
		return nil, errors.New("p256dh must be an uncompressed P-256 point")
	}
	if len(w.Auth) != 16 {
		return nil, errors.New("auth must have 16 bytes")
	}
	return &mssp.PushSubscription{Endpoint: w.Endpoint, P256DH: w.P256DH, Auth: w.Auth}, nil
}

// wake queues a push to an App, unless one is queued. It does not wait.
func (p *pusher) wake(deviceID string, sub *mssp.PushSubscription) {
	if sub == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.waiting[deviceID]; ok {
		return
	}
	if len(p.order) >= pushQueued {
		p.s.log.Warn("App not woken: the push queue is full", "device", deviceID)
		return
	}
	p.waiting[deviceID] = sub
	p.order = append(p.order, deviceID)
	if p.workers < pushWorkers && p.s.tasks.start(p.work) {
		p.workers++
	}
}

func (p *pusher) work() {
	for {
		deviceID, sub := p.next()
		if sub == nil {
			return
		}
		p.deliver(deviceID, sub)
	}
}

// deliver sends one push. A panic must not end the worker, which would count
// towards pushWorkers for good.
func (p *pusher) deliver(deviceID string, sub *mssp.PushSubscription) {
	defer event.Rescue(p.s.log, "App push")
	err := p.send(sub)
	if err == nil {
		return
	}
	p.s.log.Warn("App not woken", "device", deviceID, "err", err)
	if errors.Is(err, errGone) {
		p.forget(deviceID, sub)
	}
}

func (p *pusher) next() (string, *mssp.PushSubscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.order) == 0 || p.s.tasks.stopping() {
		p.workers--
		return "", nil
	}
	id := p.order[0]
	p.order = p.order[1:]
	sub := p.waiting[id]
	delete(p.waiting, id)
	return id, sub
}

var errGone = errors.New("the subscription is gone")

func (p *pusher) send(sub *mssp.PushSubscription) (err error) {
	defer event.RescueTo(&err, p.s.log, "App push")
	u, err := url.Parse(sub.Endpoint)
	if err != nil {
		return errors.New("the endpoint is not a valid URL")
	}
	if err := p.s.cfg.AllowPush(u); err != nil { // the rule may have changed since it was stored
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), pushTimeout)
	defer cancel()
	resp, err := webpush.SendNotificationWithContext(ctx, []byte(wakeMessage), &webpush.Subscription{
		Endpoint: sub.Endpoint,
		Keys:     webpush.Keys{P256dh: std64(sub.P256DH), Auth: std64(sub.Auth)},
	}, &webpush.Options{
		HTTPClient: p.s.cfg.PushClient, Subscriber: p.vapid.Contact, TTL: pushTTL, Topic: "wake", Urgency: webpush.UrgencyHigh,
		VAPIDPublicKey: p.vapid.Public, VAPIDPrivateKey: p.vapid.Private,
	})
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // so that the connection can be reused
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return errGone
	case resp.StatusCode >= 300:
		return fmt.Errorf("the push service answered %d", resp.StatusCode)
	}
	return nil
}

func std64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// withoutURL keeps the endpoint out of the log: it is a secret, since anyone who
// knows it can call it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// errOtherPush aborts forget: the subscription was replaced or removed.
var errOtherPush = errors.New("the App has a different subscription or none")

// forget deletes a subscription, unless the App has a newer one.
func (p *pusher) forget(deviceID string, sub *mssp.PushSubscription) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	err := p.s.cfg.Store.UpdateApp(ctx, deviceID, func(a *mssp.AppDevice) error {
		if a.Push == nil || a.Push.Endpoint != sub.Endpoint {
			return errOtherPush
		}
		a.Push = nil
		return nil
	})
	if err != nil && !errors.Is(err, errOtherPush) && !errors.Is(err, mssp.ErrNotFound) {
		p.s.log.Warn("expired push subscription not deleted", "device", deviceID, "err", err)
	}
}

// publicPush allows https and public hosts, as push services of browsers are.
func publicPush(u *url.URL) error {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if u.Scheme != "https" {
		return errors.New("the endpoint must be https")
	}
	if a, err := netip.ParseAddr(host); err == nil && !publicAddr(a) {
		return errNotPublic
	}
	if !strings.Contains(host, ".") && !strings.Contains(host, ":") {
		return errNotPublic
	}
	return nil
}

var errNotPublic = errors.New("the endpoint must have a public address")

// notPublic lists the special-purpose networks of RFC 6890 and its registries
// for which netip has no predicate.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("100::/64"),
}

func publicAddr(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// publicClient connects to public addresses only. It checks the address that it
// dials, because a name can resolve to anything, and follows no redirects.
func publicClient() *http.Client {
	dialer := &net.Dialer{Timeout: pushTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !publicAddr(ap.Addr()) {
			return errNotPublic
		}
		return nil
	}}
	return &http.Client{
		Timeout: pushTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: pushWorkers,
			IdleConnTimeout: time.Minute, TLSHandshakeTimeout: pushTimeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
