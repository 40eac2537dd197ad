package config

import (
	"cmp"
	"errors"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
)

// ContactURI returns the address of a person or of a page in the form in which push
// services take it (RFC 8292, clause 2.1): mailto: or https:. They refuse all
// messages of a service whose contact cannot exist.
func ContactURI(contact string) (string, error) {
	if strings.HasPrefix(contact, "https:") {
		u, err := url.Parse(contact)
		if err != nil || u.User != nil || !public(u.Hostname()) {
			return "", errors.New("must be the https address of a page that is public")
		}
		return contact, nil
	}
	address := strings.TrimPrefix(contact, "mailto:")
	a, err := mail.ParseAddress(address)
	if err != nil || a.Address != address || strings.ContainsAny(address, " \"?&%") {
		return "", errors.New("must be an e-mail address such as operator@example.com, or the https address of a page")
	}
	if !public(address[strings.LastIndexByte(address, '@')+1:]) {
		return "", errors.New("must be an e-mail address that can exist: push services refuse all others")
	}
	return "mailto:" + address, nil
}

// PushContact is whom push services may contact: what is configured, else the origin
// of the pages, if that is.
func (c *Config) PushContact() string {
	return cmp.Or(c.App.VAPID.Contact, string(c.Listen.Web.URL))
}

// reserved lists the top-level domains that never exist in the public DNS (RFC 6761,
// RFC 6762, ICANN).
var reserved = map[string]bool{"example": true, "internal": true, "invalid": true, "local": true, "localhost": true, "test": true}

// public reports whether a host name can exist in the public DNS.
func public(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	dot := strings.LastIndexByte(host, '.')
	return dot > 0 && dot < len(host)-1 && !strings.Contains(host, "..") && !reserved[host[dot+1:]]
}
