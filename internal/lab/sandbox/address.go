package sandbox

import (
	"net"
	"net/url"
	"strconv"
)

// pkiAddr uses the port that the certificates name, if it is free: that of PublicURL, or
// the one of an existing directory.
func pkiAddr(cfg Config, dir, host string) string {
	if cfg.PKIAddr != "" {
		return cfg.PKIAddr
	}
	known := []string{cfg.PublicURL}
	if info, err := ReadInfo(dir); err == nil && cfg.PublicURL == "" {
		known = append(known, info.PKIURL)
	}
	for _, address := range known {
		if addr, ok := kept(address, host); ok {
			return addr
		}
	}
	return net.JoinHostPort(host, "0")
}

// webAddr reuses the port of an existing directory, because what a browser has
// stored belongs to that origin. Otherwise it is the port after the service's, if
// that is free.
func webAddr(cfg Config, dir, host string) string {
	if cfg.WebAddr != "" {
		return cfg.WebAddr
	}
	info, err := ReadInfo(dir)
	if err == nil {
		if addr, ok := kept(info.WebURL, host); ok {
			return addr
		}
	}
	_, port, _ := net.SplitHostPort(cfg.Addr)
	if n, err := strconv.Atoi(port); err == nil && n > 0 {
		if addr := net.JoinHostPort(host, strconv.Itoa(n+1)); free(addr) {
			return addr
		}
	}
	return net.JoinHostPort(host, "0")
}

// kept returns the port of an earlier address, if it is still free.
func kept(address, host string) (addr string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.Port() == "" {
		return "", false
	}
	addr = net.JoinHostPort(host, u.Port())
	return addr, free(addr)
}

func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	l.Close()
	return true
}
