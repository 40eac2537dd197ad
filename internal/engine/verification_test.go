package engine

import (
	"errors"
	"slices"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

var verification = service(signum.AdditionalService{URI: signum.ServiceVerification})

// TestVerificationCode: the first answer has the code, and the App offers
// three. Only the right choice leads to a signature.
func TestVerificationCode(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParty(func(p *mssp.Party) { p.Services = everything })
		w.run()
		s := w.addUser(1, silent, signum.EC, signum.SIM, signum.App)
		device, err := w.phones.Device(s.Devices[1].ID)
		if err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct {
			choose func(code string, choices []string) string
			want   signum.Code
		}{
			"right":   {func(code string, _ []string) string { return code }, signum.SignatureMade},
			"none":    {func(string, []string) string { return "" }, signum.UserCancel},
			"no code": {func(string, []string) string { return "xx" }, signum.UserCancel},
			"a wrong": {func(code string, all []string) string { return all[(slices.Index(all, code)+1)%3] }, signum.UserCancel},
			"another": {func(code string, all []string) string { return all[(slices.Index(all, code)+2)%3] }, signum.UserCancel},
		} {
			resp, err := w.ask(s, async, verification)
			if err != nil || resp.Profile != signum.ProfileDevice || len(resp.Services) != 1 || resp.Services[0].URI != signum.ServiceVerification {
				t.Fatalf("%s: got %+v, %v", name, resp, err)
			}
			code := resp.Services[0].VerificationCode
			list, err := w.Pending(t.Context(), s.Devices[1].ID)
			if err != nil || len(list) != 1 || list[0].TransID != resp.TransID {
				t.Fatalf("%s: pending %+v, %v", name, list, err)
			}
			choices := list[0].Choices
			sorted := slices.Compact(slices.Sorted(slices.Values(choices)))
			if len(sorted) != 3 || !slices.Contains(choices, code) || len(code) != 2 {
				t.Errorf("%s: code %q among %q", name, code, choices)
			}
			w.awaitShown(resp.TransID)
			// Recovery may hand the request over again, and the phone then repeats its
			// answer. That must not turn a wrong choice into the right one.
			device.Choose(choices[(slices.Index(choices, code)+1)%3])
			if tc.want == signum.SignatureMade {
				device.Choose(code)
			}
			answer, err := device.Act(resp.TransID, phonetest.Approve)
			if err != nil {
				t.Fatal(err)
			}
			answer.Choice = tc.choose(code, choices)
			if err := w.Answer(t.Context(), answer); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := w.await(resp.TransID); got != tc.want {
				t.Errorf("%s: outcome %d, want %d", name, got, tc.want)
			}
			if list, err := w.Pending(t.Context(), s.Devices[1].ID); err != nil || len(list) != 0 {
				t.Errorf("%s: still pending %+v, %v", name, list, err)
			}
		}
	})
}

// TestVerificationRefused: a request that could not show a code, or reach an
// App, is refused.
func TestVerificationRefused(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParty(func(p *mssp.Party) { p.Services = everything })
		both, sim := w.addUser(1, silent, signum.EC, signum.SIM, signum.App), w.addUser(2, silent, signum.EC, signum.SIM)
		if _, err := w.ask(both, verification); w.code(err) != signum.WrongParam {
			t.Errorf("synchronous: %v", err)
		}
		if _, err := w.ask(both, async, verification, profile(signum.ProfileSTK)); err == nil {
			t.Error("a SIM cannot show choices")
		}
		if _, err := w.ask(sim, async, verification); err == nil {
			t.Error("there is no App")
		}
		w.putParty(func(p *mssp.Party) { p.Services = everything[:1] })
		if _, err := w.ask(both, async, verification); w.code(err) != signum.UnauthorizedAccess {
			t.Errorf("not subscribed: %v", err)
		}
	})
}

// TestSignatureOfDevice: an App gets its own signatures, and no others.
func TestSignatureOfDevice(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.run()
		s := w.addUser(1, approves, signum.EC, signum.SIM, signum.App)
		resp, err := w.ask(s, profile(signum.ProfileDevice))
		if err != nil {
			t.Fatal(err)
		}
		der, err := w.Signature(t.Context(), s.Devices[1].ID, resp.TransID)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.verify(der); got.Serial != s.Serial {
			t.Errorf("signed by %s", got.Serial)
		}
		for _, other := range [][2]string{{s.Devices[0].ID, resp.TransID}, {"", resp.TransID}, {s.Devices[1].ID, "h0"}} {
			if _, err := w.Signature(t.Context(), other[0], other[1]); !errors.Is(err, mssp.ErrNotFound) {
				t.Errorf("%q: %v", other, err)
			}
		}
		refused := w.addUser(2, phonetest.Cancel, signum.EC, signum.App)
		id := w.begin(refused)
		if got := w.await(id); got != signum.UserCancel {
			t.Errorf("cancelled: %d", got)
		}
		if _, err := w.Signature(t.Context(), refused.Devices[0].ID, id); !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("of a cancelled one: %v", err)
		}
	})
}
