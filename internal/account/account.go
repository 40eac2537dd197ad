package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lang"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Store is the part of mssp.Store that is needed.
type Store interface {
	mssp.NoticeStore
	Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error)
	SetSubscriberState(ctx context.Context, msisdn string, s mssp.SubscriberState) error
	SetRecoveryHash(ctx context.Context, msisdn string, hash []byte) error
	App(ctx context.Context, deviceID string) (*mssp.AppDevice, error)
	VoidChanges(ctx context.Context, msisdn string) error
}

// Apps shows notices in Apps, and removes one.
type Apps interface {
	// Announce tells the Apps of the account, except the one that the notice is about.
	Announce(ctx context.Context, n *mssp.Notice)
	// Remove deletes an App and revokes its certificate. ErrNotFound.
	Remove(ctx context.Context, deviceID string) error
}

// Config configures a Service. Texts may be nil: then only Apps are told.
type Config struct {
	// Silent reports whether a change is not announced: the account is only being set
	// up, by the sandbox for example. Nil: every change is announced.
	Silent      func(mssp.Change) bool
	Store       Store
	Texts       mssp.TextSender
	ServiceName string
	WebURL      func() string
	Clock       mssp.Clock
	Logger      *slog.Logger
}

// Service announces changes and undoes them. It implements mssp.Notifier.
type Service struct {
	Config
	apps        Apps
	endSessions func(msisdn string)
	work        sync.WaitGroup
}

var _ mssp.Notifier = (*Service)(nil)

// New returns a service. Connect must be called before the first change.
func New(c Config) *Service { return &Service{Config: c} }

// Connect sets what the service acts on. endSessions ends the sessions of a number on
// the pages.
func (s *Service) Connect(a Apps, endSessions func(msisdn string)) {
	s.apps, s.endSessions = a, endSessions
}

// Close waits until everybody has been told. Notify must not be called after it.
func (s *Service) Close() { s.work.Wait() }

const (
	codeLength  = 10 // 50 bits
	letters     = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	tellTimeout = 30 * time.Second
)

// HashCode returns the hash of the code of a text message.
func HashCode(code string) []byte {
	sum := sha256.Sum256([]byte("signum objection " + strings.ToUpper(code)))
	return sum[:]
}

func newCode() string {
	b := make([]byte, codeLength)
	rand.Read(b)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

// Notify implements mssp.Notifier. The first method of an account is not announced:
// there is nobody else to tell.
func (s *Service) Notify(ctx context.Context, c mssp.Change) {
	if s.Silent != nil && s.Silent(c) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	s.work.Go(func() {
		defer event.Rescue(s.Logger, "notice")
		ctx, cancel := context.WithTimeout(ctx, tellTimeout)
		defer cancel()
		if err := s.tell(ctx, &c); err != nil {
			s.Logger.ErrorContext(ctx, "change not announced", "kind", string(c.Kind), "msisdn", signum.MaskMSISDN(c.MSISDN), "err", err)
		}
	})
}

func (s *Service) tell(ctx context.Context, c *mssp.Change) error {
	sub, err := s.Store.Subscriber(ctx, c.MSISDN)
	if err != nil {
		return err
	}
	if (c.Kind == mssp.NoticeAppAdded || c.Kind == mssp.NoticeSIMActivated) && !others(sub, c.DeviceID) {
		return nil
	}
	now, code := s.Clock.Now(), newCode()
	n := &mssp.Notice{
		ID: "n" + rand.Text(), MSISDN: c.MSISDN, Kind: c.Kind, DeviceID: c.DeviceID, Name: c.Name, ByCode: c.ByCode,
		CodeHash: HashCode(code), Created: now, Expires: now.Add(mssp.NoticeFor),
	}
	if err := s.Store.PutNotice(ctx, n); err != nil {
		return err
	}
	s.apps.Announce(ctx, n)
	if s.Texts == nil {
		return nil
	}
	err = s.Texts.SendText(ctx, mssp.TextMessage{MSISDN: c.MSISDN, Text: s.text(c, code)})
	if errors.Is(err, mssp.ErrUnreachable) { // the Apps were told
		s.Logger.InfoContext(ctx, "no text about a change", "kind", string(c.Kind), "msisdn", signum.MaskMSISDN(c.MSISDN), "err", err)
		return nil
	}
	return err
}

// others reports whether an account has, or had, a method besides this one. One that
// has ended counts: perhaps this change ended it.
func others(sub *mssp.Subscriber, deviceID string) bool {
	for _, d := range sub.Devices {
		if d.ID != deviceID && d.State != signum.DeviceRegistered {
			return true
		}
	}
	return false
}

// texts say what happened; the question and the address follow.
var texts = map[mssp.NoticeKind]map[string]string{
	mssp.NoticeAppAdded: {
		"en": "A phone was added to your account.", "de": "Ihrem Konto wurde ein Telefon hinzugefügt.",
		"fr": "Un téléphone a été ajouté à votre compte.", "it": "Un telefono è stato aggiunto al conto.",
	},
	mssp.NoticeAppRemoved: {
		"en": "An App was removed from your account.", "de": "Eine App wurde aus Ihrem Konto entfernt.",
		"fr": "Une application a été supprimée de votre compte.", "it": "Un'app è stata tolta dal conto.",
	},
	mssp.NoticeSIMEnded: {
		"en": "Signing with your SIM was switched off.", "de": "Das Unterschreiben mit der SIM wurde ausgeschaltet.",
		"fr": "La signature avec la SIM a été désactivée.", "it": "La firma con la SIM è stata disattivata.",
	},
	mssp.NoticeSIMActivated: {
		"en": "A SIM was activated for your account.", "de": "Für Ihr Konto wurde eine SIM aktiviert.",
		"fr": "Une SIM a été activée pour votre compte.", "it": "Una SIM è stata attivata per il conto.",
	},
	mssp.NoticeSIMWaiting: {
		"en": "A SIM of your account can now be activated.", "de": "Eine SIM Ihres Kontos kann jetzt aktiviert werden.",
		"fr": "Une SIM de votre compte attend son activation.", "it": "Una SIM del conto ora può essere attivata.",
	},
	mssp.NoticeRecoveryCode: {
		"en": "Your account has a new recovery code.", "de": "Ihr Konto hat einen neuen Wiederherstellungscode.",
		"fr": "Votre compte a un nouveau code de récupération.", "it": "Il conto ha un nuovo codice di recupero.",
	},
	mssp.NoticeRecoveryLogin: {
		"en": "Somebody logged in with your recovery code.", "de": "Jemand hat sich mit Ihrem Wiederherstellungscode angemeldet.",
		"fr": "Quelqu'un s'est connecté avec votre code de récupération.", "it": "Qualcuno ha usato il suo codice di recupero per accedere.",
	},
	mssp.NoticeSuspended: {
		"en": "Your account was suspended.", "de": "Ihr Konto wurde stillgelegt.",
		"fr": "Votre compte a été suspendu.", "it": "Il conto è stato sospeso.",
	},
}

var questions = map[string]string{"en": "Not you?", "de": "Nicht Sie?", "fr": "Pas vous?", "it": "Non è stato lei?"}

func (s *Service) text(c *mssp.Change, code string) string {
	l := c.Lang
	if questions[l] == "" {
		l = lang.Default
	}
	return fmt.Sprintf("%s: %s %s %s/me/no/%s", s.ServiceName, texts[c.Kind][l], questions[l], strings.TrimSuffix(s.WebURL(), "/"), code)
}

// Undone says what an objection did.
type Undone string

// What an objection does.
const (
	AppRemoved       Undone = "removed"   // the new App
	CodeWithdrawn    Undone = "withdrawn" // the new recovery code; the account has no code now
	AccountSuspended Undone = "suspended" // because the change cannot be undone
)

// ByCode finds the notice of a text message; mssp.ErrNotFound.
func (s *Service) ByCode(ctx context.Context, code string) (*mssp.Notice, error) {
	return s.Store.NoticeByCode(ctx, HashCode(code), s.Clock.Now())
}

// For lists what an App has to show.
func (s *Service) For(ctx context.Context, a *mssp.AppDevice) ([]*mssp.Notice, error) {
	all, err := s.Store.Notices(ctx, a.MSISDN, s.Clock.Now())
	if err != nil {
		return nil, err
	}
	var list []*mssp.Notice
	for _, n := range all {
		if n.DeviceID != a.DeviceID && !n.Created.Before(a.Enrolled) {
			list = append(list, n)
		}
	}
	return list, nil
}

// ObjectFrom takes the objection of an App. mssp.ErrNotFound; mssp.ErrTooNew.
func (s *Service) ObjectFrom(ctx context.Context, a *mssp.AppDevice, id string) error {
	list, err := s.For(ctx, a)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(n *mssp.Notice) bool { return n.ID == id })
	if i < 0 {
		return mssp.ErrNotFound
	}
	sub, err := s.Store.Subscriber(ctx, a.MSISDN)
	if err != nil {
		return err
	}
	young, err := Young(ctx, s.Store, sub, a.DeviceID, s.Clock.Now())
	if err != nil {
		return err
	}
	if young {
		return mssp.ErrTooNew
	}
	_, err = s.object(ctx, list[i], a.DeviceID)
	return err
}

// Object undoes a change, or suspends the account if that is impossible. A change that
// the recovery code allowed is not undone: either side may be the owner, and only the
// operator can find out. Changes that are allowed but not made yet, by a consent or an
// activation code, are not made any more: they may be those of the same stranger. A
// failed objection can be repeated.
func (s *Service) Object(ctx context.Context, n *mssp.Notice) (did Undone, err error) {
	return s.object(ctx, n, "")
}

// object is Object by an App, which knows what it has done.
func (s *Service) object(ctx context.Context, n *mssp.Notice, deviceID string) (did Undone, err error) {
	switch {
	case n.Kind == mssp.NoticeAppAdded && !n.ByCode:
		did, err = AppRemoved, s.apps.Remove(ctx, n.DeviceID)
		if errors.Is(err, mssp.ErrNotFound) {
			err = nil
		}
	case n.Kind == mssp.NoticeRecoveryCode:
		did, err = CodeWithdrawn, s.Store.SetRecoveryHash(ctx, n.MSISDN, nil)
	default:
		did, err = AccountSuspended, s.Store.SetSubscriberState(ctx, n.MSISDN, mssp.SubscriberInactive)
	}
	if err != nil {
		return "", fmt.Errorf("objection to %s of %s: %w", n.Kind, signum.MaskMSISDN(n.MSISDN), err)
	}
	s.endSessions(n.MSISDN) // before the next step, because a session can begin further changes
	if err := s.Store.VoidChanges(ctx, n.MSISDN); err != nil {
		return "", fmt.Errorf("ending the open changes of %s: %w", signum.MaskMSISDN(n.MSISDN), err)
	}
	s.Logger.WarnContext(ctx, "owner objected", "kind", string(n.Kind), "msisdn", signum.MaskMSISDN(n.MSISDN), "did", string(did))
	if _, err := s.Store.TakeNotice(ctx, n.MSISDN, n.ID, s.Clock.Now()); err != nil && !errors.Is(err, mssp.ErrNotFound) {
		return "", err
	}
	if did == AccountSuspended && n.Kind != mssp.NoticeSuspended {
		s.Notify(ctx, mssp.Change{MSISDN: n.MSISDN, Kind: mssp.NoticeSuspended, DeviceID: deviceID})
	}
	return did, nil
}
