package app

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// pushOutcome is what came of one message to a push service. It is a label of
// metrics.
type pushOutcome string

const (
	pushSent        pushOutcome = "sent"
	pushGone        pushOutcome = "gone"        // the subscription does not exist any more: 404, 410
	pushRefused     pushOutcome = "refused"     // made for another key, or the contact is refused: 403
	pushBusy        pushOutcome = "busy"        // too many messages: 429
	pushUnavailable pushOutcome = "unavailable" // 5xx
	pushUnreachable pushOutcome = "unreachable" // no answer
	pushOther       pushOutcome = "other"       // another status
	pushNotAllowed  pushOutcome = "not_allowed" // the address of the push service is not public
	pushFailed      pushOutcome = "failed"      // in the service itself
	pushDropped     pushOutcome = "dropped"     // too many Apps are waiting to be woken
)

var pushOutcomes = []pushOutcome{
	pushSent, pushGone, pushRefused, pushBusy, pushUnavailable, pushUnreachable, pushOther, pushNotAllowed, pushFailed, pushDropped,
}

// ends returns why no further message can reach the subscription, "" if one may.
func (o pushOutcome) ends() mssp.PushEndReason {
	switch o {
	case pushGone:
		return mssp.PushGone
	case pushRefused:
		return mssp.PushRefused
	}
	return ""
}

// passes reports whether the same message may be taken a little later.
func (o pushOutcome) passes() bool {
	return o == pushBusy || o == pushUnavailable || o == pushUnreachable
}

// outcomeOf classifies the status of an answer.
func outcomeOf(status int) pushOutcome {
	switch {
	case status < 300:
		return pushSent
	case status == http.StatusNotFound || status == http.StatusGone:
		return pushGone
	case status == http.StatusForbidden:
		return pushRefused
	case status == http.StatusTooManyRequests:
		return pushBusy
	case status >= 500:
		return pushUnavailable
	}
	return pushOther
}

// send sends one message. after is when the push service wants to be asked again;
// 0 if it does not say. The error is nil only if the message was sent.
func (p *pusher) send(sub *mssp.PushSubscription) (outcome pushOutcome, after time.Duration, err error) {
	outcome = pushFailed // if it panics
	defer event.RescueTo(&err, p.s.log, "App push")
	u, err := url.Parse(sub.Endpoint)
	if err != nil {
		return pushNotAllowed, 0, errors.New("the endpoint is not a valid URL")
	}
	if err := p.s.cfg.AllowPush(u); err != nil { // the rule may have changed since it was stored
		return pushNotAllowed, 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), pushTimeout)
	defer cancel()
	resp, err := webpush.SendNotificationWithContext(ctx, []byte(wakeMessage), &webpush.Subscription{
		Endpoint: sub.Endpoint,
		Keys:     webpush.Keys{P256dh: std64(sub.P256DH), Auth: std64(sub.Auth)},
	}, &webpush.Options{
		HTTPClient: p.s.cfg.PushClient, Subscriber: p.vapid.subscriber(), TTL: pushTTL, Topic: "wake", Urgency: webpush.UrgencyHigh,
		VAPIDPublicKey: p.vapid.Public, VAPIDPrivateKey: p.vapid.Private,
	})
	if err != nil {
		return pushUnreachable, 0, withoutURL(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // to the end, so that the connection can be reused
	outcome = outcomeOf(resp.StatusCode)
	switch outcome {
	case pushSent:
		return outcome, 0, nil
	case pushRefused:
		err = fmt.Errorf("the push service answered %d%s: the subscription was made for another key, or it refuses app.vapid", resp.StatusCode, reasonIn(body))
	default:
		err = fmt.Errorf("the push service answered %d%s", resp.StatusCode, reasonIn(body))
	}
	return outcome, retryAfter(resp.Header, p.s.now()), err
}

// reasonIn is the word that some push services, such as Apple's, give as the reason
// of a refusal. The rest of a body is not logged: it may repeat the endpoint.
func reasonIn(body []byte) string {
	var v struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(body, &v) != nil || v.Reason == "" || len(v.Reason) > 40 {
		return ""
	}
	for _, r := range v.Reason {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return ""
		}
	}
	return " " + v.Reason
}

// retryAfter reads Retry-After (RFC 9110, clause 10.2.3): seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(min(n, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
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
