package config

// Connections are how many connections a listener may have.
type Connections struct {
	// Max is for all together; 0: a share of the files that the process may open. The
	// listeners together, and Limits.ReservedFiles, must fit into that limit.
	Max int `yaml:"max"`
	// PerAddress is for one client address, an IPv6 address by its /64. Connections that
	// showed the certificate of a party or belong to an enrolled App do not count, nor
	// do those from Listen.Exempt and TrustedProxies.
	PerAddress int `yaml:"per_address"`
}

func (c Connections) check(l *problems, path string) {
	if c.Max != 0 {
		l.atLeast(path+".max", c.Max, leastConnections)
	}
	l.atLeast(path+".per_address", c.PerAddress, 1)
}

// leastConnections is what a listener needs to be of any use.
const leastConnections = 8
