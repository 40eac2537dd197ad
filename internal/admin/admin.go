package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Path is where all calls are.
const Path = "/admin/v1/"

// maxBody leaves room for the certificates of a party.
const maxBody = 64 << 10

// Store is the part of mssp.Store that is needed.
type Store interface {
	Party(ctx context.Context, id string) (*mssp.Party, error)
	PartyIDs(ctx context.Context) ([]string, error)
	PutParty(ctx context.Context, p *mssp.Party) error
	UpdateParty(ctx context.Context, id string, change func(*mssp.Party) error) error
	RemoveParty(ctx context.Context, id string) error
	PutLogo(ctx context.Context, l *mssp.Logo) error

	Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error)
	Numbers(ctx context.Context, after string, limit int) ([]string, error)
	PutSubscriber(ctx context.Context, s *mssp.Subscriber) error
	SetSubscriberState(ctx context.Context, msisdn string, s mssp.SubscriberState) error
	RemoveSubscriber(ctx context.Context, msisdn string, at time.Time) error
	App(ctx context.Context, deviceID string) (*mssp.AppDevice, error)
}

// Apps invites and removes Apps; see app.Server.
type Apps interface {
	Invite(ctx context.Context, msisdn string, trusted bool) (code string, expires time.Time, err error)
	Remove(ctx context.Context, deviceID string) error
}

// Config is what the administration acts on. Everything but Log is required.
type Config struct {
	Store  Store
	Apps   Apps
	Cards  Cards
	Traces Traces
	// NewSerial returns a serial number for a new account.
	NewSerial func() string
	// Revoke revokes a certificate with a CRLReason of RFC 5280, clause 5.3.1.
	Revoke func(ctx context.Context, serial string, reason int) error
	// Recheck ends what waits for a phone that must not sign any more; see mssp.Inbox.
	Recheck func(ctx context.Context, msisdn string) error
	// EndSessions ends the sessions of a number on the self-care pages.
	EndSessions func(msisdn string)
	Notifier    mssp.Notifier
	// PhonePage returns the address at which a person enrols an App with a code.
	PhonePage func(code string) string
	Clock     mssp.Clock
	Log       *slog.Logger // nil: nothing is logged
}

type admin struct {
	Config
	calls jsonapi.Calls
}

// Handler serves all calls. Its caller decides who may call.
func Handler(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	a := &admin{Config: c, calls: jsonapi.Calls{Missing: isMissing, MaxBody: maxBody, Log: c.Log}}
	mux := http.NewServeMux()
	for pattern, do := range map[string]func(*jsonapi.Request) (any, error){
		"GET parties": a.listParties, "GET parties/{ap_id}": a.getParty, "PUT parties/{ap_id}": a.putParty, "PATCH parties/{ap_id}": a.patchParty,
		"DELETE parties/{ap_id}": a.deleteParty, "PUT parties/{ap_id}/logo": a.putLogo, "DELETE parties/{ap_id}/logo": a.deleteLogo,
		"GET users": a.listUsers, "GET users/{msisdn}": a.getUser, "PUT users/{msisdn}": a.putUser, "PATCH users/{msisdn}": a.patchUser,
		"DELETE users/{msisdn}": a.deleteUser, "DELETE users/{msisdn}/apps/{id}": a.deleteApp, "POST invite": a.invite,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+Path+path, func(w http.ResponseWriter, r *http.Request) { a.calls.Serve(w, r, a.logged(do)) })
	}
	for name, h := range CardHandlers(c.Cards, c.Traces, &a.calls) {
		mux.HandleFunc("POST "+Path+name, h)
	}
	return mux
}

// logged writes a line about each change, so that an operator finds out who was added or
// removed, and when.
func (a *admin) logged(do func(*jsonapi.Request) (any, error)) func(*jsonapi.Request) (any, error) {
	return func(r *jsonapi.Request) (any, error) {
		answer, err := do(r)
		if r.Method != http.MethodGet && err == nil {
			a.Log.InfoContext(r.Context(), "administration", "method", r.Method, "object", object(r))
		}
		return answer, err
	}
}

// missing is an error about something that does not exist.
type missing struct{ what string }

func (e *missing) Error() string { return e.what }

func isMissing(err error) bool {
	_, ok := errors.AsType[*missing](err)
	return ok
}

// orMissing says what mssp.ErrNotFound is about.
func orMissing(err error, format string, args ...any) error {
	if errors.Is(err, mssp.ErrNotFound) {
		return &missing{fmt.Sprintf(format, args...)}
	}
	return err
}
