package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// User is an account as the administration shows it.
type User struct {
	MSISDN  string          `json:"msisdn"`
	Serial  string          `json:"serial,omitempty"` // names the account in certificates
	State   State           `json:"state"`
	Methods []signum.Method `json:"methods"` // with which the user can sign now
	Phones  []Phone         `json:"phones"`
}

// Phone is a SIM or an App.
type Phone struct {
	ID          string             `json:"id"`
	Name        string             `json:"name,omitempty"` // of an App
	Method      signum.Method      `json:"method"`
	State       signum.DeviceState `json:"state"`
	Ended       mssp.DeviceEnd     `json:"ended,omitempty"` // why, if it has
	KeyType     signum.KeyType     `json:"key_type,omitempty"`
	PINBlocked  bool               `json:"pin_blocked,omitempty"`
	Certificate *Certificate       `json:"certificate,omitempty"`
}

// Certificate is that of a phone.
type Certificate struct {
	Serial   string                `json:"serial"`
	State    mssp.CertificateState `json:"state"`
	NotAfter time.Time             `json:"not_after"`
}

// State is the state of an account.
type State string

// The states.
const (
	Active    State = "ACTIVE"
	Suspended State = "SUSPENDED" // requests get 403
)

// cessationOfOperation is the CRLReason of certificates whose phone is gone (RFC 5280,
// clause 5.3.1).
const cessationOfOperation = 5

// maxUsers is how many users a list has at most.
const maxUsers = 1000

func parseNumber(text string) (string, error) {
	msisdn, ok := policy.ParseMSISDN(text)
	if !ok {
		return "", fmt.Errorf("%s: not a phone number with its country code, such as +41791234567", text)
	}
	return msisdn, nil
}

// subscriber returns the account that the address of a call names.
func (a *admin) subscriber(r *jsonapi.Request) (*mssp.Subscriber, error) {
	return a.account(r.Context(), r.PathValue("msisdn"))
}

func (a *admin) account(ctx context.Context, number string) (*mssp.Subscriber, error) {
	msisdn, err := parseNumber(number)
	if err != nil {
		return nil, err
	}
	s, err := a.Store.Subscriber(ctx, msisdn)
	return s, orMissing(err, "%s has no account", msisdn)
}

// listUsers returns a page of accounts: ?after=NUMBER&limit=N.
func (a *admin) listUsers(r *jsonapi.Request) (any, error) {
	q := r.URL.Query()
	limit := 100
	if text := q.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxUsers {
			return nil, fmt.Errorf("limit: must be a number from 1 to %d", maxUsers)
		}
	}
	numbers, err := a.Store.Numbers(r.Context(), q.Get("after"), limit)
	if err != nil {
		return nil, err
	}
	users := []User{}
	for _, msisdn := range numbers {
		s, err := a.Store.Subscriber(r.Context(), msisdn)
		if errors.Is(err, mssp.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		users = append(users, describe(s))
	}
	answer := map[string]any{"users": users}
	if len(numbers) == limit {
		answer["next"] = numbers[limit-1]
	}
	return answer, nil
}

func (a *admin) getUser(r *jsonapi.Request) (any, error) {
	s, err := a.subscriber(r)
	if err != nil {
		return nil, err
	}
	return a.withNames(r.Context(), s)
}

// describe lists the phones of an account, without the names of its Apps.
func describe(s *mssp.Subscriber) User {
	u := User{MSISDN: s.MSISDN, Serial: s.Serial, State: Active, Methods: []signum.Method{}, Phones: []Phone{}}
	if s.State != mssp.SubscriberActive {
		u.State = Suspended
	}
	can := make(map[signum.Method]bool)
	for _, d := range s.Devices {
		p := Phone{ID: d.ID, Method: d.Method, State: d.State, Ended: d.Ended, KeyType: d.KeyType, PINBlocked: d.PINBlocked}
		if c := d.Certificate; c != nil {
			p.Certificate = &Certificate{Serial: c.Serial, State: c.State, NotAfter: c.NotAfter}
		}
		if d.State == signum.DeviceActive && !can[d.Method] {
			can[d.Method] = true
			u.Methods = append(u.Methods, d.Method)
		}
		u.Phones = append(u.Phones, p)
	}
	return u
}

func (a *admin) withNames(ctx context.Context, s *mssp.Subscriber) (User, error) {
	u := describe(s)
	for i := range u.Phones {
		if u.Phones[i].Method != signum.App {
			continue
		}
		app, err := a.Store.App(ctx, u.Phones[i].ID)
		if err != nil && !errors.Is(err, mssp.ErrNotFound) {
			return u, err
		}
		if err == nil {
			u.Phones[i].Name = app.Name
		}
	}
	return u, nil
}

// putUser makes an account without a phone, which an invite or a card gives it. An account
// that exists stays as it is.
func (a *admin) putUser(r *jsonapi.Request) (any, error) {
	var in struct{}
	if err := jsonapi.Decode(r.Body, &in); err != nil {
		return nil, fmt.Errorf("%w; an operator adds a number only, and phones by an invite or a card", err)
	}
	msisdn, err := parseNumber(r.PathValue("msisdn"))
	if err != nil {
		return nil, err
	}
	s, err := a.ensure(r.Context(), msisdn)
	if err != nil {
		return nil, err
	}
	return a.withNames(r.Context(), s)
}

// ensure returns the account of a number, and makes it if there is none.
func (a *admin) ensure(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	s, err := a.Store.Subscriber(ctx, msisdn)
	if !errors.Is(err, mssp.ErrNotFound) {
		return s, err
	}
	s = &mssp.Subscriber{MSISDN: msisdn, Serial: a.NewSerial(), State: mssp.SubscriberActive}
	return s, a.Store.PutSubscriber(ctx, s)
}

// patchUser suspends an account, or ends its suspension: {"state": …}.
func (a *admin) patchUser(r *jsonapi.Request) (any, error) {
	var in struct {
		State State `json:"state"`
	}
	if err := jsonapi.Decode(r.Body, &in); err != nil {
		return nil, fmt.Errorf("%w; an operator sets only the state", err)
	}
	state, ok := map[State]mssp.SubscriberState{Active: mssp.SubscriberActive, Suspended: mssp.SubscriberInactive}[in.State]
	if !ok {
		return nil, fmt.Errorf("state %q: must be active or suspended", in.State)
	}
	s, err := a.subscriber(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	if err := a.Store.SetSubscriberState(ctx, s.MSISDN, state); err != nil {
		return nil, orMissing(err, "%s has no account", s.MSISDN)
	}
	if state == mssp.SubscriberInactive && s.State != state {
		a.EndSessions(s.MSISDN)
		if err := a.Recheck(ctx, s.MSISDN); err != nil {
			return nil, err
		}
		a.Notifier.Notify(ctx, mssp.Change{Kind: mssp.NoticeSuspended, MSISDN: s.MSISDN})
	}
	return a.getUser(r)
}

// deleteUser removes an account. Its certificates are revoked first, so that a call that
// fails can be repeated.
func (a *admin) deleteUser(r *jsonapi.Request) (any, error) {
	s, err := a.subscriber(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	for _, d := range s.Devices {
		if err := a.endDevice(ctx, &d); err != nil {
			return nil, err
		}
	}
	a.EndSessions(s.MSISDN)
	if err := a.Store.RemoveSubscriber(ctx, s.MSISDN, a.Clock.Now()); err != nil {
		return nil, orMissing(err, "%s has no account", s.MSISDN)
	}
	r.Status = http.StatusNoContent
	return nil, a.Recheck(ctx, s.MSISDN)
}

func (a *admin) endDevice(ctx context.Context, d *mssp.Device) error {
	if d.Method == signum.App {
		if err := a.Apps.Remove(ctx, d.ID); !errors.Is(err, mssp.ErrNotFound) {
			return err
		}
		return nil
	}
	if c := d.Certificate; c != nil && c.State == mssp.CertificateGood {
		return a.Revoke(ctx, c.Serial, cessationOfOperation)
	}
	return nil
}

// deleteApp removes one App of an account, such as that of a phone that is lost.
func (a *admin) deleteApp(r *jsonapi.Request) (any, error) {
	s, err := a.subscriber(r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	for _, d := range s.Devices {
		if d.ID != id || d.Method != signum.App {
			continue
		}
		if err := a.Apps.Remove(r.Context(), id); err != nil {
			return nil, orMissing(err, "%s has no App %s", s.MSISDN, id)
		}
		a.Notifier.Notify(r.Context(), mssp.Change{Kind: mssp.NoticeAppRemoved, MSISDN: s.MSISDN, DeviceID: id})
		r.Status = http.StatusNoContent
		return nil, a.Recheck(r.Context(), s.MSISDN)
	}
	return nil, &missing{fmt.Sprintf("%s has no App %s", s.MSISDN, id)}
}

// invitation lets a person enrol an App.
type invitation struct {
	MSISDN  string    `json:"msisdn"`
	Code    string    `json:"code"`
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
}

// invite makes an activation code: {"msisdn": …, "trusted": bool}. A number without an
// account gets one.
func (a *admin) invite(r *jsonapi.Request) (any, error) {
	var in struct {
		MSISDN  string `json:"msisdn"`
		Trusted bool   `json:"trusted"`
	}
	if err := jsonapi.Decode(r.Body, &in); err != nil {
		return nil, err
	}
	msisdn, err := parseNumber(in.MSISDN)
	if err != nil {
		return nil, err
	}
	r.SetPathValue("msisdn", msisdn) // for the log
	if _, err := a.ensure(r.Context(), msisdn); err != nil {
		return nil, err
	}
	i := invitation{MSISDN: msisdn}
	if i.Code, i.Expires, err = a.Apps.Invite(r.Context(), msisdn, in.Trusted); err != nil {
		return nil, err
	}
	i.URL = a.PhonePage(i.Code)
	return i, nil
}
