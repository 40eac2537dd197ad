package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Secret is a string that is never printed. The zero value means no secret.
type Secret struct{ value string }

// NewSecret returns a Secret with this value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value. The caller must not print it.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.value == "" }

const redacted = "REDACTED"

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter: no verb prints the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML implements yaml.Marshaler.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Secret) UnmarshalText(b []byte) error {
	s.value = string(b)
	return nil
}

// Address is host:port of a listener or a peer. The host may be absent on a
// listener; its port 0 picks a free one.
type Address string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Address) UnmarshalText(b []byte) error {
	*a = Address(b)
	return a.valid()
}

func (a Address) valid() error {
	if a == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(string(a))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not host:port with a port from 0 to 65535", string(a))
	}
	return nil
}

// loopback reports whether the address can be reached from this machine only.
func (a Address) loopback() bool {
	host, _, err := net.SplitHostPort(string(a))
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// Host is a DNS name or an IP address at which others reach the node.
type Host string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Host) UnmarshalText(b []byte) error {
	*h = Host(b)
	return h.valid()
}

func (h Host) valid() error {
	if h == "" {
		return nil
	}
	if ip, err := netip.ParseAddr(string(h)); err == nil {
		ip = ip.Unmap()
		if ip.IsUnspecified() || ip.Zone() != "" {
			return fmt.Errorf("%q is no address at which anybody can reach the node", string(h))
		}
		return nil
	}
	// DNS names of machines (RFC 1123), and the underscores of container names.
	if len(h) > 253 || !hostName.MatchString(string(h)) {
		return fmt.Errorf("%q is not a host name or an IP address, without a port", string(h))
	}
	return nil
}

var hostName = regexp.MustCompile(`^(?i:[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(?i:\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

// URL is an absolute http or https address without a slash at its end.
type URL string

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *URL) UnmarshalText(b []byte) error {
	*u = URL(strings.TrimRight(string(b), "/"))
	return u.valid()
}

func (u URL) valid() error {
	if u == "" {
		return nil
	}
	p, err := url.Parse(string(u))
	if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Hostname() == "" || p.User != nil || p.RawQuery != "" || p.Fragment != "" {
		return errors.New("must be an address such as https://signum.example.com, without user, query and fragment")
	}
	return nil
}

// Size is a number of bytes. As text it has a unit: B, KiB, MiB or GiB.
type Size int64

var units = []struct {
	name  string
	bytes Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(b []byte) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(string(b), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || Size(n) > (1<<62)/u.bytes {
			break
		}
		*s = Size(n) * u.bytes
		return nil
	}
	return fmt.Errorf("%q is not a size such as 64KiB; the units are B, KiB, MiB and GiB", b)
}

// String implements fmt.Stringer, with the largest unit that fits.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return "0B"
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// KeyPair names the PEM files of a TLS certificate, with its chain, and of its
// private key.
type KeyPair struct {
	CertificateFile string `yaml:"certificate_file"`
	KeyFile         string `yaml:"key_file"`
}

// IsZero reports whether no files are named.
func (k KeyPair) IsZero() bool { return k == KeyPair{} }

// Load reads the files.
func (k KeyPair) Load() (tls.Certificate, error) {
	return tls.LoadX509KeyPair(k.CertificateFile, k.KeyFile)
}
