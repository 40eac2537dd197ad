package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// print is a configuration as YAML, without its secrets.
func print(t *testing.T, c Config) string {
	t.Helper()
	b, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSecretsAreNotPrinted in any of the ways in which a configuration may be.
func TestSecretsAreNotPrinted(t *testing.T) {
	c := Default()
	secrets := 0
	for _, k := range keys(reflect.ValueOf(&c).Elem(), "") {
		if s, ok := k.value.Addr().Interface().(*Secret); ok {
			*s = NewSecret("hunter2")
			secrets++
		}
	}
	var log, jsonLog bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "secret", c.Store.URL)
	slog.New(slog.NewJSONHandler(&jsonLog, nil)).Info("x", "config", c, "secret", c.Store.URL)
	js, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", &c), "%#v": fmt.Sprintf("%#v", c), "%q": fmt.Sprintf("%q", c.Store.URL),
		"log": log.String(), "JSON log": jsonLog.String(), "JSON": string(js), "YAML": print(t, c), "error": fmt.Errorf("configuration %v", c).Error(),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s prints a secret: %s", name, text)
		}
		if n := strings.Count(text, redacted); n != secrets && name != "log" && name != "JSON log" && name != "%q" {
			t.Errorf("%s prints %d of %d secrets as %s: %s", name, n, secrets, redacted, text)
		}
	}
	if s := NewSecret(""); !s.IsZero() || s.String() != "" || fmt.Sprint(s) != "" {
		t.Error("an absent secret is printed as one")
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0B": 0, "1B": 1, "64KiB": 64 << 10, "2 MiB": 2 << 20, "1GiB": 1 << 30} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
		var again Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s: printed as %s, read as %d, %v", text, s, again, err)
		}
	}
	for _, text := range []string{"", "1", "KiB", "-1B", "1.5KiB", "9999999999999GiB", "1kB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a size", text)
		}
	}
}

func TestAddressAndURL(t *testing.T) {
	for text, ok := range map[string]bool{":0": true, "[::1]:65535": true, "host:1": true, "": true, "host": false, "host:65536": false, "host:http": false} {
		if err := new(Address).UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("address %q: %v", text, err)
		}
	}
	for text, ok := range map[string]bool{
		"": true, "https://x": true, "http://x:1/y/": true,
		"x": false, "ftp://x": false, "https://": false, "https://u:p@x": false, "https://x?y": false, "https://x#y": false, "/": true,
	} {
		if err := new(URL).UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("URL %q: %v", text, err)
		}
	}
	for address, loopback := range map[Address]bool{"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, ":1": false, "192.0.2.1:1": false, "": false} {
		if address.loopback() != loopback {
			t.Errorf("%s on loopback: %v", address, !loopback)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"address", "url", "tls", "certificate_file"}
	for got, want := range map[string]string{
		"adress": "address", "addr": "", "ulr": "url", "tsl": "tls", "certificate": "", "certificatefile": "certificate_file", "x": "", "": "",
	} {
		if n := nearest(got, names); n != want {
			t.Errorf("%q: %q, want %q", got, n, want)
		}
	}
}

// TestMasterKey: the error of a wrong key does not hold it.
func TestMasterKey(t *testing.T) {
	s := SIM{MasterKey: NewSecret(strings.Repeat("0f", 32))}
	if k, err := s.MasterKeyBytes(); err != nil || len(k) != 32 || k[31] != 0x0f {
		t.Errorf("%x, %v", k, err)
	}
	for _, text := range []string{"0f", strings.Repeat("zz", 32)} {
		s.MasterKey = NewSecret(text)
		if k, err := s.MasterKeyBytes(); err == nil || k != nil || strings.Contains(err.Error(), text) {
			t.Errorf("%q: %x, %v", text, k, err)
		}
	}
}

func TestHost(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "signum": true, "signum.example.com": true, "Host.Docker.Internal": true, "my_service-1": true, "192.0.2.1": true, "::1": true, "xn--bckerei-5wa.ch": true,
		"0.0.0.0": false, "::": false, "::ffff:0.0.0.0": false, "fe80::1%eth0": false, "[::1]": false, "signum:8443": false, "https://signum": false, "a b": false, "a/b": false,
		"*.test": false, "signum.": false, ".test": false, "-a": false, "a\n": false, "bäckerei.ch": false, "user@host": false, "a..b": false,
	} {
		if err := new(Host).UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzHost: what is taken for a host is that of a URL with it, and nothing more.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"signum", "Signum.Example.com", "192.0.2.1", "::1", "a_b", "a@b", "a/b", "a%2fb", "a:1", "[::1]", "*.a", "0x7f.1", "fe80::1%25eth0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || Host(s).valid() != nil {
			return
		}
		u, err := url.Parse("https://" + net.JoinHostPort(s, "8443") + "/x")
		if err != nil || u.Hostname() != s || u.Port() != "8443" || u.Path != "/x" || u.User != nil {
			t.Errorf("%q: %v, %v", s, u, err)
		}
	})
}
