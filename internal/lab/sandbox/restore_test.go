package sandbox

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/backup"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// TestRestoredBackup: phones sign after a backup was restored that is several signatures
// old, although the cards and the Apps remember them. The backup was made while the
// service was in use, and on PostgreSQL it is also restored into SQLite.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	users := map[string]string{"+41791000001": signum.ProfileSTK, "+41791000005": signum.ProfileSTK, "+41791000002": signum.ProfileDevice}
	for engine, url := range map[string]string{"sqlite": "", "postgres": pgtest.URL(t)} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			// The same address in all runs, or the Apps would get other certificates for that.
			cfg := Config{Dir: dir, Store: url, PublicURL: "http://pki.invalid"}
			box, stop := runUntil(t, cfg)
			sign := func(box *Sandbox, times int) {
				t.Helper()
				for number, profile := range users {
					for range times {
						if err := signOnce(t, box, number, profile); err != nil {
							t.Error(err)
						}
					}
				}
			}
			sign(box, 1)
			key, err := masterKey(dir)
			if err != nil {
				t.Fatal(err)
			}
			files := instance.Files{Directory: filepath.Join(dir, privateDir, caDir), MasterKey: key}
			file, from := filepath.Join(t.TempDir(), "backup"), url
			if from == "" {
				from = "sqlite:" + filepath.Join(dir, "private", databaseFile)
			}
			signing := make(chan struct{})
			go func() {
				defer close(signing)
				sign(box, 3)
			}()
			if _, err := backup.WriteFile(t.Context(), file, from, "test", nil); err != nil {
				t.Fatal(err)
			}
			<-signing
			stop()
			targets := []string{url}
			if url != "" {
				targets = append(targets, "") // from PostgreSQL to SQLite
			}
			for _, target := range targets {
				to := target
				if to == "" {
					to = "sqlite:" + filepath.Join(dir, "private", databaseFile)
				}
				report, err := backup.Restore(t.Context(), file, backup.Options{
					URL: to, Files: files, Replace: true, Log: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				if report.Cards.Moved < 2 || report.Cards.Refused > 0 {
					t.Errorf("%+v", report.Cards)
				}
				cfg.Store = target
				box, stop := runUntil(t, cfg)
				sign(box, 1)
				stop()
			}
		})
	}
}

// signOnce has a phone of the sandbox sign, and verifies the signature.
func signOnce(t *testing.T, box *Sandbox, number, profile string) error {
	c, _ := clientOf(t, box.Dir)
	resp, err := c.Sign(t.Context(), client.SignRequest{MSISDN: number, Text: "Sandbox: Pay?", Profile: profile})
	if err != nil {
		return fmt.Errorf("%s: %w", number, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(box.CA.Root())
	_, err = client.Verify(resp.Signature, roots)
	return err
}
