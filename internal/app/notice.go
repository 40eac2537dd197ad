package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/signum-mssp/signum/internal/lang"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Accounts announces changes of accounts and takes objections: see package account.
type Accounts interface {
	mssp.Notifier
	// For lists the notices that an App has to show.
	For(ctx context.Context, a *mssp.AppDevice) ([]*mssp.Notice, error)
	// ObjectFrom takes the objection of an App. mssp.ErrNotFound; mssp.ErrTooNew.
	ObjectFrom(ctx context.Context, a *mssp.AppDevice, id string) error
}

// notice is a mssp.Notice in the protocol.
type notice struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"`
	Created int64  `json:"created"`
	Expires int64  `json:"expires"`
}

func wireNotice(n *mssp.Notice) notice {
	return notice{ID: n.ID, Kind: string(n.Kind), Name: n.Name, Created: n.Created.UnixMilli(), Expires: n.Expires.UnixMilli()}
}

type noticeList struct {
	Notices []notice `json:"notices"`
}

func (c *call) notices() (any, error) {
	list, err := c.s.noticesFor(c.r.Context(), c.device)
	return noticeList{list}, err
}

func (s *Server) noticesFor(ctx context.Context, a *mssp.AppDevice) ([]notice, error) {
	list := []notice{}
	if s.cfg.Accounts == nil {
		return list, nil
	}
	all, err := s.cfg.Accounts.For(ctx, a)
	for _, n := range all {
		list = append(list, wireNotice(n))
	}
	return list, err
}

func (c *call) object() (any, error) {
	var in struct {
		ID string `json:"id"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if c.s.cfg.Accounts == nil {
		return nil, errUnknown
	}
	err := c.s.cfg.Accounts.ObjectFrom(c.r.Context(), c.device, in.ID)
	switch {
	case errors.Is(err, mssp.ErrNotFound):
		return nil, errUnknown
	case errors.Is(err, mssp.ErrTooNew):
		return nil, errTooNew
	case err != nil:
		return nil, err
	}
	c.note = "objected to a change of the account"
	return nil, nil
}

// notify announces a change that an App made.
func (c *call) notify(k mssp.NoticeKind, msisdn, deviceID, name string, byCode bool) {
	if c.s.cfg.Accounts == nil {
		return
	}
	primary, _, _ := strings.Cut(strings.ToLower(c.r.Header.Get("Accept-Language")), "-")
	if primary, _, _ = strings.Cut(primary, ","); !slices.Contains(lang.All, primary) {
		primary = ""
	}
	c.s.cfg.Accounts.Notify(c.r.Context(), mssp.Change{MSISDN: msisdn, Kind: k, DeviceID: deviceID, Name: name, ByCode: byCode, Lang: primary})
}

// Announce tells the Apps of an account that have an inbox open, except the one that
// the notice is about. The others learn of it when they connect, and are woken.
func (s *Server) Announce(ctx context.Context, n *mssp.Notice) {
	sub, err := s.cfg.Store.Subscriber(ctx, n.MSISDN)
	if err != nil {
		s.log.WarnContext(ctx, "Apps not told of a change", "err", err)
		return
	}
	w := wireNotice(n)
	for _, d := range sub.Devices {
		if d.ID == n.DeviceID || mssp.MethodOf(d.Method).Card {
			continue
		}
		if s.queueNotice(d.ID, &w) {
			continue
		}
		if err := s.wake(ctx, d.ID); err != nil && !errors.Is(err, mssp.ErrNotFound) {
			s.log.WarnContext(ctx, "App not woken", "device", d.ID, "err", err)
		}
	}
}

func (s *Server) queueNotice(deviceID string, w *notice) bool {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	mb := s.registry.mailboxes[deviceID]
	if mb == nil || mb.conn == nil {
		return false
	}
	mb.conn.queue(frame{Type: "notice", Notice: w})
	return true
}
