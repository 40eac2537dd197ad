package config

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestChanged: each kind of value, and what is no change.
func TestChanged(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"nothing":          {func(*Config) {}, nil},
		"values":           {func(c *Config) { c.Drain.Wait, c.Listen.MSS.Streams = time.Hour, 5 }, []string{"listen.mss.streams", "drain.wait"}},
		"list":             {func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, []string{"trusted_proxies"}},
		"list of sections": {func(c *Config) { c.SIM.SMSCs = []SMSC{DefaultSMSC()} }, []string{"sim.smscs"}},
		"secret":           {func(c *Config) { c.Store.URL = NewSecret("sqlite:x") }, []string{"store.url"}},
		"file of a secret": {func(c *Config) { c.Store.URLFile, c.SIM.MasterKeyFile = "x", "y" }, nil},
		"file":             {func(c *Config) { c.Listen.MSS.TLS.KeyFile = "x" }, []string{"listen.mss.tls.key_file"}},
	} {
		a, b := Default(), Default()
		tt.change(&b)
		if got := Changed(&a, &b); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
