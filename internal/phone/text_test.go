package phone_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

func TestSendText(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	ota := mssp.ErrUnreachable
	for _, m := range []mssp.TextMessage{{MSISDN: msisdn, Text: "code 1234"}, {MSISDN: "+41790000000", Text: "code 5678", Flash: true}} {
		if err := l.SendText(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		events := l.diary.all()
		e := events[len(events)-1]
		if e.Kind != phone.Text || e.MSISDN != m.MSISDN || e.Text != m.Text || e.Flash != m.Flash || e.Method != "" || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
	}
	l.behave(t, phone.Behaviour{Do: phone.Unreachable}, signum.App)
	err := l.SendText(t.Context(), mssp.TextMessage{MSISDN: msisdn, Text: "a"})
	if !errors.Is(err, ota) || strings.Contains(err.Error(), msisdn) {
		t.Error(err)
	}
	if e := l.diary.all()[2]; e.Kind != phone.Undelivered || e.Code != signum.OTAError || e.Text != "a" {
		t.Errorf("%+v", e)
	}
	l.behave(t, phone.Behaviour{Do: phone.Silent})
	if err := l.SendText(t.Context(), mssp.TextMessage{MSISDN: msisdn, Text: "a"}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.SendText(ctx, mssp.TextMessage{MSISDN: msisdn}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	l.Close()
	if err := l.SendText(t.Context(), mssp.TextMessage{MSISDN: msisdn}); !errors.Is(err, ota) || !errors.Is(err, phone.ErrClosed) {
		t.Error(err)
	}
	if n := len(l.diary.all()); n != 4 {
		t.Errorf("%d events", n)
	}
}
