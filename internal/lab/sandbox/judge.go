package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/control"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/policy"
)

// judge checks all options before anything is written: a developer corrects the wrong one
// and starts again, with the directory as it was.
func (b *Sandbox) judge(ctx context.Context) error {
	for _, check := range []func(context.Context) error{b.judgeSettings, b.judgeNumbers, b.judgeAddresses} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// judgeSettings checks what the node's configuration consists of, as far as it comes from
// options.
func (b *Sandbox) judgeSettings(ctx context.Context) (err error) {
	if b.cfg, err = b.cfg.withAddresses(ctx, net.DefaultResolver.LookupNetIP); err != nil {
		return err
	}
	if b.reach, err = newReach(ctx, b.cfg, net.DefaultResolver.LookupNetIP); err != nil {
		return err
	}
	if err := person.CheckDelay(b.cfg.PhoneDelay); err != nil {
		return &OptionError{"PhoneDelay", err}
	}
	if b.cfg.Token != "" {
		if err := control.CheckToken(b.cfg.Token); err != nil {
			return &OptionError{"Token", err}
		}
	}
	if b.cfg.SMSC != "" {
		if _, err := ParseSMSC(b.cfg.SMSC); err != nil {
			return &OptionError{"SMSC", err}
		}
	}
	anyPort := net.JoinHostPort(b.reach.listen, "0")
	c := b.settings(cmp.Or(b.cfg.PKIAddr, anyPort), cmp.Or(b.cfg.WebAddr, anyPort))
	for _, p := range problems(c.Validate()) {
		if p.Err != nil { // a file that is not made yet
			continue
		}
		if wrong := optionError(p); wrong != nil {
			return wrong
		}
	}
	return nil
}

// problems lists those that are joined in an error.
func problems(err error) (list []*config.Problem) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			list = append(list, problems(e)...)
		}
		return list
	}
	if p, ok := errors.AsType[*config.Problem](err); ok {
		list = append(list, p)
	}
	return list
}

// judgeNumbers checks the numbers of Behaviours and Places, and writes them in the form in
// which numbers are stored. Whether a number has a phone is known here only if no earlier
// run can have added users; otherwise Run finds it out.
func (b *Sandbox) judgeNumbers(context.Context) (err error) {
	if b.cfg.Behaviours, err = stored(b.cfg.Behaviours); err != nil {
		return &OptionError{"Behaviours", err}
	}
	if b.cfg.Places, err = stored(b.cfg.Places); err != nil {
		return &OptionError{"Places", err}
	}
	if b.cfg.Store != "" || b.cfg.Dir != "" && exists(filepath.Join(b.cfg.Dir, privateDir)) {
		return nil
	}
	for msisdn := range b.cfg.Behaviours {
		if !b.answers(msisdn) {
			return noPhone("Behaviours", msisdn)
		}
	}
	for msisdn := range b.cfg.Places {
		if !b.answers(msisdn) {
			return noPhone("Places", msisdn)
		}
	}
	return nil
}

// stored returns a map with its numbers in E.164.
func stored[V any](byNumber map[string]V) (map[string]V, error) {
	out := make(map[string]V, len(byNumber))
	for number, v := range byNumber {
		msisdn, ok := policy.ParseMSISDN(number)
		if !ok {
			return nil, fmt.Errorf("%s: not a phone number with its country code, such as +41791234567", number)
		}
		out[msisdn] = v
	}
	return out, nil
}

// answers reports whether a user of Info has a phone that answers by itself.
func (b *Sandbox) answers(msisdn string) bool {
	return slices.ContainsFunc(b.Info.Users, func(u User) bool {
		return u.MSISDN == msisdn && (slices.Contains(u.Methods, signum.SIM) || !b.cfg.WebPhones && slices.Contains(u.Methods, signum.App))
	})
}

func noPhone(option, msisdn string) error {
	return &OptionError{option, fmt.Errorf("%s: no phone that answers by itself has this number", msisdn)}
}

// judgeAddresses binds the addresses that were given, and releases them again.
func (b *Sandbox) judgeAddresses(ctx context.Context) error {
	_, port, err := net.SplitHostPort(b.cfg.Addr)
	if err != nil {
		return &OptionError{"Addr", err}
	}
	var held []string // the options of the addresses that are bound, with their ports
	for _, a := range []struct{ option, address string }{
		{"Addr", net.JoinHostPort(b.reach.listen, port)}, {"WebAddr", b.cfg.WebAddr}, {"PKIAddr", b.cfg.PKIAddr}, {"OpsAddr", b.cfg.OpsAddr},
	} {
		if a.address == "" {
			continue
		}
		_, port, err := net.SplitHostPort(a.address)
		if err != nil {
			return &OptionError{a.option, err}
		}
		if port != "0" && slices.Contains(held, port) {
			return &OptionError{a.option, fmt.Errorf("port %s is that of another address of this sandbox: choose another, port 0 for a free one", port)}
		}
		held = append(held, port)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.address)
		if err != nil {
			return &OptionError{a.option, listenError(err)}
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}
