package node

import (
	"strings"

	"github.com/signum-mssp/signum/internal/config"
)

// testSMSC is an SMSC at an address.
func testSMSC(name, address string) config.SMSC {
	c := config.DefaultSMSC()
	c.Name, c.Address, c.SystemID, c.Password = name, config.Address(address), "signum", config.NewSecret("secret")
	return c
}

// withSMSCs adds SMSCs and what they need.
func withSMSCs(c config.Config, list ...config.SMSC) config.Config {
	c.SIM.SMSCs, c.SIM.ServiceNumber = list, "41791234567"
	c.SIM.MasterKey = config.NewSecret(strings.Repeat("0f1e", 16))
	return c
}
