package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// PutConsent implements mssp.Store.
func (s *Store) PutConsent(ctx context.Context, c *mssp.Consent) error {
	if err := storable.Consent(c); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		kept := *c
		kept.Given, kept.Expires = precise(c.Given), precise(c.Expires)
		set(&s.consents, consentKey{c.MSISDN, c.Kind, c.Subject}, &kept)
		for _, k := range expired(s.consents, c.Given, func(c *mssp.Consent) time.Time { return c.Expires }) {
			delete(s.consents, k)
		}
		return nil
	})
}

// consent returns a consent that counts; nil if there is none.
func (d *data) consent(msisdn string, k mssp.ConsentKind, subject string, now time.Time) *mssp.Consent {
	c := d.consents[consentKey{msisdn, k, subject}]
	if c == nil || c.Expires.UnixMicro() <= now.UnixMicro() {
		return nil
	}
	if c.DeviceID != "" {
		dev := d.devices[c.DeviceID]
		if dev == nil || dev.msisdn != msisdn || dev.State != signum.DeviceActive {
			return nil
		}
		if cert := d.certificates[dev.certificate]; cert == nil || cert.State != mssp.CertificateGood {
			return nil
		}
	}
	out := *c
	return &out
}

// Consent implements mssp.Store.
func (s *Store) Consent(ctx context.Context, msisdn string, k mssp.ConsentKind, subject string, now time.Time) (c *mssp.Consent, err error) {
	err = s.read(ctx, func() error {
		if c = s.consent(msisdn, k, subject, now); c == nil {
			return mssp.ErrNotFound
		}
		return nil
	})
	return c, err
}

// TakeConsent implements mssp.Store.
func (s *Store) TakeConsent(ctx context.Context, msisdn string, k mssp.ConsentKind, subject string, now time.Time) (c *mssp.Consent, err error) {
	err = s.write(ctx, func() error {
		if c = s.consent(msisdn, k, subject, now); c == nil {
			return mssp.ErrNotFound
		}
		delete(s.consents, consentKey{msisdn, k, subject})
		return nil
	})
	return c, err
}

// VoidChanges implements mssp.Store.
func (s *Store) VoidChanges(ctx context.Context, msisdn string) error {
	return s.write(ctx, func() error { s.dropChanges(msisdn); return nil })
}

func copyNotice(n *mssp.Notice) *mssp.Notice {
	out := *n
	out.CodeHash, out.Created, out.Expires = octets(n.CodeHash), precise(n.Created), precise(n.Expires)
	return &out
}

// PutNotice implements mssp.Store.
func (s *Store) PutNotice(ctx context.Context, n *mssp.Notice) error {
	if err := storable.Notice(n); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		for k, other := range s.notices {
			if k == (noticeKey{n.MSISDN, n.ID}) || bytes.Equal(other.CodeHash, n.CodeHash) {
				return fmt.Errorf("store: notice: %w", mssp.ErrExists)
			}
		}
		set(&s.notices, noticeKey{n.MSISDN, n.ID}, copyNotice(n))
		for _, k := range expired(s.notices, n.Created, func(n *mssp.Notice) time.Time { return n.Expires }) {
			delete(s.notices, k)
		}
		return nil
	})
}

// Notices implements mssp.Store.
func (s *Store) Notices(ctx context.Context, msisdn string, now time.Time) (list []*mssp.Notice, err error) {
	err = s.read(ctx, func() error {
		for _, n := range s.notices {
			if n.MSISDN == msisdn && n.Expires.UnixMicro() > now.UnixMicro() {
				list = append(list, copyNotice(n))
			}
		}
		slices.SortFunc(list, func(a, b *mssp.Notice) int { return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID)) })
		return nil
	})
	return list, err
}

// NoticeByCode implements mssp.Store.
func (s *Store) NoticeByCode(ctx context.Context, codeHash []byte, now time.Time) (found *mssp.Notice, err error) {
	err = s.read(ctx, func() error {
		for _, n := range s.notices {
			if bytes.Equal(n.CodeHash, codeHash) && n.Expires.UnixMicro() > now.UnixMicro() {
				found = copyNotice(n)
				return nil
			}
		}
		return mssp.ErrNotFound
	})
	return found, err
}

// TakeNotice implements mssp.Store.
func (s *Store) TakeNotice(ctx context.Context, msisdn, id string, now time.Time) (n *mssp.Notice, err error) {
	err = s.write(ctx, func() error {
		kept := s.notices[noticeKey{msisdn, id}]
		if kept == nil || kept.Expires.UnixMicro() <= now.UnixMicro() {
			return mssp.ErrNotFound
		}
		delete(s.notices, noticeKey{msisdn, id})
		n = copyNotice(kept)
		return nil
	})
	return n, err
}
