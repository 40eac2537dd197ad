package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

func testCertificate(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	c := newCertificate(1, "sim-1")
	notFound := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", what, err)
		}
	}
	_, err := s.Certificate(ctx, c.Serial)
	notFound("unknown", err)
	notFound("complete unknown", s.CompleteCertificate(ctx, c.Serial, []byte{1}))
	notFound("revoke unknown", s.RevokeCertificate(ctx, c.Serial, start, 1))

	must(t, s.IntendCertificate(ctx, c))
	if err := s.IntendCertificate(ctx, newCertificate(1, "sim-2")); err == nil {
		t.Error("a serial number was intended twice")
	}
	check := func(want *mssp.Certificate) {
		t.Helper()
		got, err := s.Certificate(ctx, c.Serial)
		must(t, err)
		same(t, want, got)
	}
	want := *c
	want.State, want.TBS, want.Issuer = mssp.CertificateIntended, nil, ""
	check(&want)
	notFound("revoke intended", s.RevokeCertificate(ctx, c.Serial, start, 1))
	check(&want)

	der := []byte{0x30, 0x00, 0xff}
	must(t, s.CompleteCertificate(ctx, c.Serial, der))
	want.State, want.DER = mssp.CertificateGood, der
	check(&want)
	if err := s.IntendCertificate(ctx, c); err == nil {
		t.Error("the serial number of a good certificate was intended again")
	}
	_ = s.CompleteCertificate(ctx, c.Serial, []byte("another"))
	check(&want)

	must(t, s.RevokeCertificate(ctx, c.Serial, after(7), 4))
	want.State, want.RevokedAt, want.Reason = mssp.CertificateRevoked, after(7), 4
	check(&want)
	must(t, s.RevokeCertificate(ctx, c.Serial, after(9), 1))
	check(&want)
	_ = s.CompleteCertificate(ctx, c.Serial, []byte("another"))
	check(&want)
}

func testRevokedCertificates(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	list := func(at time.Time) []mssp.Certificate {
		t.Helper()
		got, err := s.RevokedCertificates(ctx, at)
		must(t, err)
		return got
	}
	same(t, []mssp.Certificate(nil), list(start))
	var want []mssp.Certificate
	for _, n := range []int{0x0a, 0x90, 0x09, 0xa0} { // not in order
		c := issue(t, s, newCertificate(n, "sim"))
		must(t, s.RevokeCertificate(ctx, c.Serial, after(n), 1))
		c.DER, c.Issuer, c.State, c.RevokedAt, c.Reason = nil, issuer, mssp.CertificateRevoked, after(n), 1
		want = append(want, *c)
	}
	want = []mssp.Certificate{want[2], want[0], want[1], want[3]}
	issue(t, s, newCertificate(0x50, "good"))
	must(t, s.IntendCertificate(ctx, newCertificate(0x51, "intended")))
	early := newCertificate(0x30, "early") // of a version that did not record the issuer
	early.Issuer = ""
	c := issue(t, s, early)
	must(t, s.RevokeCertificate(ctx, c.Serial, after(3), 1))
	c.State, c.RevokedAt, c.Reason = mssp.CertificateRevoked, after(3), 1
	want = []mssp.Certificate{want[0], want[1], *c, want[2], want[3]}
	short := newCertificate(0x60, "short")
	short.NotAfter = after(1000)
	issue(t, s, short)
	must(t, s.RevokeCertificate(ctx, short.Serial, after(1), 5))

	if got := list(after(999)); len(got) != 6 {
		t.Errorf("%d listed before one expires, want 6", len(got))
	}
	same(t, want, list(after(1001)))
	if got := list(start.AddDate(4, 0, 0)); len(got) != 0 {
		t.Errorf("%d listed after all expired", len(got))
	}
}
