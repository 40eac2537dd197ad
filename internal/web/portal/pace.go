package portal

import (
	"crypto/hmac"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/limit"
)

// Limits of log-ins. Each one makes a phone ring, so strangers are slowed down more and
// more, but must not be able to lock the owner of the number out of the portal:
//
//   - A browser in which the owner has logged in before is known by a cookie, and has
//     an allowance of its own.
//   - The pauses of one network become long, those of a number over all networks do not
//     exceed a minute. From another network, the owner waits a minute at most.
//
// The limit by address is checked first, because it bounds how many numbers one client
// can make up. One by site follows, for clients with many networks. In a crowd, which is
// more log-ins than people make, each site gets only a few, so that those who make the
// crowd are slowed down and a person elsewhere is not.
const (
	loginsPerAddress = 20
	loginsPerSite    = 100
	loginsInCrowd    = 5 // of one site
	crowd            = 3000
	loginsOfKnown    = 5
	changesPerNumber = 10
	loginWindow      = 5 * time.Minute
	// barredFor is how long nobody but a known browser reaches a phone whose user said
	// "This was not me".
	barredFor = time.Hour
	// knownDays is how long a browser stays known.
	knownDays = 90
)

var (
	pauseOfNetwork = limit.Growth{Free: 3, First: 15 * time.Second, Longest: time.Hour, Forget: 2 * time.Hour}
	pauseOfNumber  = limit.Growth{Free: 6, First: 10 * time.Second, Longest: time.Minute, Forget: 10 * time.Minute}
)

// pace decides how often the phone of a number may be asked to log in.
type pace struct {
	address, known   *limit.Limiter
	site, crowded    *limit.Limiter
	all              *limit.Limiter // has one key
	network, numbers *limit.Pauses

	mu     sync.Mutex
	barred *simplelru.LRU[string, time.Time]
}

func newPace() *pace {
	p := &pace{
		address: limit.New(limit.PerWindow(loginsPerAddress, loginWindow), limit.DefaultKeys),
		known:   limit.New(limit.PerWindow(loginsOfKnown, loginWindow), limit.DefaultKeys),
		site:    limit.New(limit.PerWindow(loginsPerSite, loginWindow), limit.DefaultKeys),
		crowded: limit.New(limit.PerWindow(loginsInCrowd, loginWindow), limit.DefaultKeys),
		all:     limit.New(limit.PerWindow(crowd, loginWindow), 1),
		network: limit.NewPauses(pauseOfNetwork, limit.DefaultKeys),
		numbers: limit.NewPauses(pauseOfNumber, limit.DefaultKeys),
	}
	p.barred, _ = simplelru.NewLRU[string, time.Time](limit.DefaultKeys, nil)
	return p
}

// take counts a log-in. If it comes too early, it returns how long to wait.
func (p *pace) take(r *http.Request, number string, known bool, now time.Time) time.Duration {
	from := clientaddr.Key(r)
	if wait := p.address.Take(from, now); wait > 0 {
		return wait
	}
	if known {
		return p.known.Take(number, now)
	}
	site := clientaddr.SiteKey(r)
	if wait := p.site.Take(site, now); wait > 0 {
		return wait
	}
	if p.all.Take("", now) > 0 {
		if wait := p.crowded.Take(site, now); wait > 0 {
			return wait
		}
	}
	if wait := p.network.Take(from+" "+number, now); wait > 0 {
		return wait
	}
	return p.numbers.Take(number, now)
}

func (p *pace) bar(number string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.barred.Add(number, now)
}

func (p *pace) isBarred(number string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.barred.Get(number)
	return ok && now.Sub(at) < barredFor
}

// knownCookie makes the browser known to a number. It is no key to anything but an
// allowance of log-ins.
func (p *Portal) knownValue(number string, day int64) string {
	return strconv.FormatInt(day, 10) + "." + base64.RawURLEncoding.EncodeToString(p.mac("known "+strconv.FormatInt(day, 10)+" "+number))
}

// isKnown reports whether the owner of the number has logged in with this browser.
func (c *call) isKnown(number string) bool {
	value := c.cookie(knownCookie)
	of, _, _ := strings.Cut(value, ".")
	day, err := strconv.ParseInt(of, 10, 64)
	age := today(c.p.Clock.Now()) - day
	return err == nil && age >= 0 && age < knownDays && hmac.Equal([]byte(value), []byte(c.p.knownValue(number, day)))
}

func (c *call) know(number string) {
	c.setCookie(knownCookie, "/me/login", c.p.knownValue(number, today(c.p.Clock.Now())))
}

func today(t time.Time) int64 { return t.Unix() / (24 * 3600) }
