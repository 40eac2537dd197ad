package config

// Connections are those of a listener: how many there may be, and who is behind them.
type Connections struct {
	// Max is for all together; 0: a share of the files that the process may open. The
	// listeners together, and Limits.ReservedFiles, must fit into that limit.
	Max int `yaml:"max"`
	// PerAddress is for one client address, an IPv6 address by its /64. Connections that
	// showed the certificate of a party or belong to an enrolled App do not count, nor
	// do those from Listen.Exempt and TrustedProxies.
	PerAddress int `yaml:"per_address"`
	// ProxyProtocol says that the trusted proxies name their client in a header of PROXY
	// protocol version 2.
	ProxyProtocol bool `yaml:"proxy_protocol"`
}

func (c Connections) check(l *problems, path string) {
	if c.Max != 0 {
		l.atLeast(path+".max", c.Max, leastConnections)
	}
	l.atLeast(path+".per_address", c.PerAddress, 1)
}

// leastConnections is what a listener needs to be of any use.
const leastConnections = 8

// Bounds of MSSListener.Streams. Clients may rely on the least (RFC 9113, clause
// 6.5.2), and with the most one connection takes gigabytes.
const (
	leastStreams = 100
	mostStreams  = 100_000
)
