package node

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/config"
)

// TestCheckSeveralNodes: config check says where a configuration of one node errs when others use
// its database, or a balancer stands in front of it.
func TestCheckSeveralNodes(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")}
	good := config.Default()
	good.Store.URL = config.NewSecret("postgres://signum:secret@database/signum")
	good.TrustedProxies = proxies
	good.Listen.Ops.Address = "192.0.2.1:9464"
	for _, l := range []*config.Connections{&good.Listen.MSS.Connections, &good.Listen.Web.Connections, &good.Listen.PKI.Connections} {
		l.ProxyProtocol = true
	}
	for name, row := range map[string]struct {
		change func(*config.Config)
		want   map[string]string // by key
	}{
		"good": {func(*config.Config) {}, nil},
		"alone, and nobody in front of it": {func(c *config.Config) {
			*c = config.Default()
			c.Store.URL = config.NewSecret("sqlite:signum.db")
		}, nil},
		"each node its own CA": {func(c *config.Config) { c.CA.Create = true }, map[string]string{
			"ca.create": "make it once",
		}},
		"stops without a word": {func(c *config.Config) { c.Drain.Announce = 0 }, map[string]string{
			"drain.announce": "before a balancer knows",
		}},
		"the balancer is a stranger to parties": {func(c *config.Config) { c.Listen.MSS.Connections.ProxyProtocol = false }, map[string]string{
			"listen.mss.connections.proxy_protocol": "limits and the log go by the address of the proxy",
		}},
		"a proxy that ends TLS names parties itself": {func(c *config.Config) {
			c.Listen.MSS.Connections.ProxyProtocol, c.Listen.MSS.ClientCert.From = false, proxies
		}, nil},
		"a proxy for the pages only": {func(c *config.Config) {
			for _, l := range []*config.Connections{&c.Listen.MSS.Connections, &c.Listen.Web.Connections, &c.Listen.PKI.Connections} {
				l.ProxyProtocol = false
			}
		}, nil},
		"health out of reach": {func(c *config.Config) { c.Listen.Ops.Address = "127.0.0.1:9464" }, map[string]string{
			"listen.ops.address": "cannot ask /readyz",
		}},
		"no health": {func(c *config.Config) { c.Listen.Ops.Address = "" }, map[string]string{
			"listen.ops.address": "cannot ask /readyz",
		}},
		"a balancer on this machine": {func(c *config.Config) {
			c.Listen.Ops.Address, c.TrustedProxies = "127.0.0.1:9464", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			row.change(&c)
			k := checker{now: time.Now()}
			k.others(c)
			if len(k.problems) > 0 || len(k.warnings) != len(row.want) {
				t.Errorf("%v, %v", k.problems, k.warnings)
			}
			for _, w := range k.warnings {
				if text := row.want[w.Path]; text == "" || !strings.Contains(w.Text, text) {
					t.Errorf("%s: %s", w.Path, w.Text)
				}
			}
		})
	}
}
