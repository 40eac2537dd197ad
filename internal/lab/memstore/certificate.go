package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// certificate returns a certificate as callers see it, nil if there is none of this number.
func (d *data) certificate(serial string) *mssp.Certificate {
	c := d.certificates[serial]
	if c == nil {
		return nil
	}
	out := *c
	out.DER, out.Issuer = octets(c.DER), ""
	return &out
}

// IntendCertificate implements mssp.Store.
func (s *Store) IntendCertificate(ctx context.Context, c *mssp.Certificate) error {
	if err := storable.Keys(storable.F("certificate serial", c.Serial), storable.F("device ID", c.DeviceID)); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		if s.certificates[c.Serial] != nil {
			return fmt.Errorf("store: certificate %s exists", c.Serial)
		}
		set(&s.certificates, c.Serial, &mssp.Certificate{
			Serial: c.Serial, DeviceID: c.DeviceID, Issuer: c.Issuer, State: mssp.CertificateIntended,
			NotBefore: precise(c.NotBefore), NotAfter: precise(c.NotAfter),
		})
		return nil
	})
}

// CompleteCertificate implements mssp.Store.
func (s *Store) CompleteCertificate(ctx context.Context, serial string, der []byte) error {
	if !storable.IsKey(serial) {
		return mssp.ErrNotFound
	}
	if len(der) == 0 {
		return fmt.Errorf("store: certificate %s is empty", serial)
	}
	return s.write(ctx, func() error {
		c := s.certificates[serial]
		if c == nil || c.State != mssp.CertificateIntended {
			return mssp.ErrNotFound
		}
		c.DER, c.State = octets(der), mssp.CertificateGood
		return nil
	})
}

// RevokeCertificate implements mssp.Store.
func (s *Store) RevokeCertificate(ctx context.Context, serial string, at time.Time, reason int) error {
	return s.write(ctx, func() error {
		c := s.certificates[serial]
		switch {
		case c == nil || c.State == mssp.CertificateIntended:
			return mssp.ErrNotFound
		case c.State == mssp.CertificateGood:
			c.State, c.RevokedAt, c.Reason = mssp.CertificateRevoked, precise(at), reason
		}
		return nil
	})
}

// Certificate implements mssp.Store.
func (s *Store) Certificate(ctx context.Context, serial string) (c *mssp.Certificate, err error) {
	err = s.read(ctx, func() error {
		if c = s.certificate(serial); c == nil {
			return mssp.ErrNotFound
		}
		return nil
	})
	return c, err
}

// RevokedCertificates implements mssp.Store.
func (s *Store) RevokedCertificates(ctx context.Context, at time.Time) (list []mssp.Certificate, err error) {
	err = s.read(ctx, func() error {
		for serial, kept := range s.certificates {
			if kept.State != mssp.CertificateRevoked || kept.NotAfter.UnixMicro() < at.UnixMicro() {
				continue
			}
			c := s.certificate(serial)
			if c.Issuer = kept.Issuer; c.Issuer != "" {
				c.DER = nil
			}
			list = append(list, *c)
		}
		slices.SortFunc(list, func(a, b mssp.Certificate) int {
			return cmp.Or(cmp.Compare(len(a.Serial), len(b.Serial)), cmp.Compare(a.Serial, b.Serial))
		})
		return nil
	})
	return list, err
}
