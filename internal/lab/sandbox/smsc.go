package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"crypto/tls"

	"github.com/signum-mssp/signum/internal/smpp"
)

// ports of SMPP by scheme; the second is what Internet registries know as
// smpps.
var smppPorts = map[string]string{"smpp": "2775", "smpps": "3550"}

// ParseSMSC reads the address of an SMSC and how to bind to it:
// smpp://USER:PASSWORD@HOST:PORT, or smpps: for TLS, with the options
// system_type, binds and window (per bind), for example
// smpps://signum:secret@smsc.example.com:3550?binds=4&window=20. The error does
// not repeat the password.
func ParseSMSC(address string) (c smpp.ClientConfig, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return c, errors.New("SMSC: not an address such as smpp://user:password@host:2775")
	}
	wrong := func(format string, args ...any) (smpp.ClientConfig, error) {
		return smpp.ClientConfig{}, fmt.Errorf("SMSC %s: %s", u.Redacted(), fmt.Sprintf(format, args...))
	}
	port := smppPorts[u.Scheme]
	if port == "" || u.Hostname() == "" || u.User.Username() == "" || u.Path != "" && u.Path != "/" {
		return wrong("an address such as smpp://user:password@host:2775 is needed, smpps: for TLS")
	}
	c = smpp.ClientConfig{Addr: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)), SystemID: u.User.Username()}
	c.Password, _ = u.User.Password()
	if u.Scheme == "smpps" {
		c.TLS = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	for name, values := range u.Query() {
		value := values[len(values)-1]
		n, err := strconv.Atoi(value)
		switch {
		case name == "system_type":
			c.SystemType = value
		case name != "binds" && name != "window":
			return wrong("there is no option %q, only binds, window and system_type", name)
		case err != nil || n < 1 || n > 1000:
			return wrong("%s is a number from 1 to 1000", name)
		case name == "binds":
			c.Binds = n
		default:
			c.Window = n
		}
	}
	return c, nil
}
