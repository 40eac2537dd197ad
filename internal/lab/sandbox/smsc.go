package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/signum-mssp/signum/internal/config"
)

// The names of the SMSCs in logs, metrics and traces.
const (
	ownSMSC   = "sandbox"
	otherSMSC = "external"
)

// smppPorts are the usual ports by scheme; the second is registered as smpps.
var smppPorts = map[string]string{"smpp": "2775", "smpps": "3550"}

// ParseSMSC parses the address of an SMSC, with what is needed to bind to it:
// smpp://USER:PASSWORD@HOST:PORT, or smpps: for TLS, with the options
// system_type, binds and window (per bind), for example
// smpps://signum:secret@smsc.example.com:3550?binds=4&window=20. The error does
// not repeat the password.
func ParseSMSC(address string) (c config.SMSC, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return c, errors.New("must be an address such as smpp://user:password@host:2775")
	}
	wrong := func(format string, args ...any) (config.SMSC, error) {
		return config.SMSC{}, fmt.Errorf("%s: %s", u.Redacted(), fmt.Sprintf(format, args...))
	}
	port := smppPorts[u.Scheme]
	if port == "" || u.Hostname() == "" || u.User.Username() == "" || u.Path != "" && u.Path != "/" {
		return wrong("must be an address such as smpp://user:password@host:2775, or smpps: for TLS")
	}
	c = config.DefaultSMSC()
	c.Name = otherSMSC
	c.Address, c.SystemID = config.Address(net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))), u.User.Username()
	password, _ := u.User.Password()
	c.Password = config.NewSecret(password)
	c.TLS.Enabled = u.Scheme == "smpps"
	for name, values := range u.Query() {
		value := values[len(values)-1]
		n, err := strconv.Atoi(value)
		switch {
		case name == "system_type":
			c.SystemType = value
		case name != "binds" && name != "window":
			return wrong("unknown option %q; the options are binds, window and system_type", name)
		case err != nil || n < 1 || n > 1000:
			return wrong("%s must be a number from 1 to 1000", name)
		case name == "binds":
			c.Transceivers = n
		default:
			c.Window = n
		}
	}
	return c, nil
}
