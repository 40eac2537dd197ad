package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/signum-mssp/signum/internal/lab/control"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/lab/worlds"
)

// Invitation is an activation code of a user.
type Invitation = control.Invitation

// tokenFile holds the token of the control addresses.
const tokenFile = "token"

// openToken keeps the token that the developer chose, or that of an earlier run, or makes
// one.
func (b *Sandbox) openToken(context.Context) error {
	path := filepath.Join(b.Dir, privateDir, tokenFile)
	if b.cfg.Token != "" {
		if err := control.CheckToken(b.cfg.Token); err != nil {
			return &OptionError{"Token", err}
		}
		b.token = b.cfg.Token
		return writeFile(path, []byte(b.token+"\n"), 0o600)
	}
	old, err := readSecret(path)
	b.token = string(bytes.TrimSpace(old))
	switch {
	case err == nil:
		if err := control.CheckToken(b.token); err != nil {
			return damaged(path, err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if info, err := ReadInfo(b.Dir); err == nil && control.CheckToken(info.Token) == nil {
		b.token = info.Token // programs have it
		return writeFile(path, []byte(b.token+"\n"), 0o600)
	}
	b.token = control.NewToken()
	return writeFile(path, []byte(b.token+"\n"), 0o600)
}

// openControl adds the control addresses, which only a sandbox has.
func (b *Sandbox) openControl(context.Context) error {
	c := control.New(control.Config{
		Ready: b.ready, BaseURL: b.Info.BaseURL, Token: b.token, IsParty: b.IsParty, Health: b.health,
		World:  control.World{Phones: controlled{b}, Cards: b.Cards, Traces: b, Files: controlled{b}, Parties: b, Scenarios: b, Users: b, Requests: b},
		Worlds: controlled{b}, Missing: func(err error) bool { return world.Missing(err) || errors.Is(err, worlds.ErrNoWorld) }, Log: b.cfg.Logger,
	})
	b.HandlePKI("/sandbox/files/", c.PublicFiles())
	for pattern, h := range c.Handlers() {
		b.HandleMSS(pattern, h)
	}
	return nil
}

// controlled is a sandbox as package control sees it.
type controlled struct{ *Sandbox }

// Tap implements control.Phones.
func (c controlled) Tap(ctx context.Context, authURI string) (string, error) {
	return c.SoftApps.Open(ctx, authURI)
}
