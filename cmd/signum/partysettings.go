package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// partySettings are the flags that describe a party.
type partySettings struct {
	apID string // from the arguments

	name, prefix, lang, password, passwordFile, authProfile, newCert, logo string
	profiles, services, limits, networks, otpPrefixes, certs, addCerts     []string

	image      []byte // of the logo
	removeLogo bool

	fence   geofenceFlags
	verbose bool
	bools   map[string]*bool // by flag
}

// sharedCerts is the flag that only parties of a sandbox have.
const sharedCerts = "shared-certs"

// partyBools are the flags that are true or false, and the members of a party for which they
// stand. A party of a node has what is given; one of a sandbox has some that are not.
var partyBools = []struct {
	flag, member, help string
	sandbox            bool // the default of a sandbox
}{
	{"unprefixed-receipts", "unprefixed_receipts", "the prefix need not start the texts of receipts", false},
	{"base64-subjects", "subject_name_base64", "X509SubjectName of profile answers is in Base64", false},
	{"auto-activation", "auto_activation", "a request to a SIM that is not active activates it", true},
	{"test-numbers", "test_numbers", "the party may use the test numbers", true},
	{"encrypted-receipts", "encrypted_receipts", "it may send receipts that only the SIM can read", true},
	{sharedCerts, "shared_certificates", "the certificates of a sandbox's directory identify it, too", true},
}

func (s *partySettings) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&s.name, "name", "", "what users see; default the AP_ID")
	fl.StringVar(&s.prefix, "prefix", "", "must start every text")
	fl.StringVar(&s.lang, "lang", "", "language of requests without one; default: they are refused")
	fl.StringVar(&s.password, "password", "", "AP_PWD; safer with --password-file")
	fl.StringVar(&s.passwordFile, "password-file", "", "file whose first line is the AP_PWD")
	fl.StringArrayVar(&s.profiles, "profile", nil, "profile that it may ask for, or none; repeatable")
	fl.StringVar(&s.authProfile, "auth-profile", "", "profile for which AuthProfile1 stands; default stk")
	fl.StringArrayVar(&s.services, "service", nil, "additional service that it may ask for, or none; repeatable")
	fl.StringArrayVar(&s.limits, "limit", nil, "how often it may ask, such as requests=60/10; repeatable; default the service's")
	fl.StringArrayVar(&s.networks, "from", nil, "network from which it may call, such as 10.0.0.0/8; repeatable; default all")
	fl.StringArrayVar(&s.otpPrefixes, "otp-prefix", nil, "how numbers begin that may get one-time passwords, such as +41; repeatable")
	fl.StringArrayVar(&s.certs, "cert", nil, "client certificate of its own (PEM); repeatable")
	fl.StringVar(&s.logo, "logo", "", "image that users of a node see beside the name (PNG, at most 256 x 256)")
	fl.StringVar(&s.newCert, "new-cert", "", "file to which a new key and certificate of its own are written (PEM)")
	s.fence.register(cmd)
	fl.BoolVar(&s.verbose, "geofence-verbose", false, "faults say which rule of the geofence was broken")
	s.bools = make(map[string]*bool)
	for _, b := range partyBools {
		if b.flag != sharedCerts || withLab {
			s.bools[b.flag] = fl.Bool(b.flag, false, b.help+inSandboxes(b.sandbox))
		}
	}
	for _, f := range []struct{ name, usage string }{
		{"geofence", "check where the phone is"}, {"geofence-min-confidence", "minimum confidence in device and location, 0 to 1"},
	} {
		fl.Lookup(f.name).Usage = f.usage
	}
	cmd.MarkFlagsMutuallyExclusive("password", "password-file")
}

// inSandboxes says that a flag need not be given to a sandbox.
func inSandboxes(preset bool) string {
	if preset && withLab {
		return "; preset in a sandbox"
	}
	return ""
}

// body returns the members that the flags set.
func (s *partySettings) body(cmd *cobra.Command) (map[string]any, error) {
	body := make(map[string]any)
	changed := cmd.Flags().Changed
	for flag, member := range map[string]struct {
		name  string
		value string
	}{"name": {"name", s.name}, "prefix": {"dtbd_prefix", s.prefix}, "lang": {"default_lang", s.lang}, "password": {"password", s.password}} {
		if changed(flag) {
			body[member.name] = member.value
		}
	}
	for _, b := range partyBools {
		if changed(b.flag) {
			body[b.member] = *s.bools[b.flag]
		}
	}
	for _, add := range []func(*cobra.Command, map[string]any) error{s.readLogo, s.addPassword, s.addRights, s.addLimits, s.addGeofence, s.addCertificates} {
		if err := add(cmd, body); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func (s *partySettings) addPassword(cmd *cobra.Command, body map[string]any) error {
	if !cmd.Flags().Changed("password-file") {
		return nil
	}
	data, err := os.ReadFile(s.passwordFile)
	if err != nil {
		return fmt.Errorf("--password-file: %w", err)
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
		return fmt.Errorf("--password-file: the first line of %s is empty", s.passwordFile)
	}
	body["password"] = string(line)
	return nil
}

// noneOf stands for an empty list.
const noneOf = "none"

func (s *partySettings) addRights(cmd *cobra.Command, body map[string]any) error {
	changed := cmd.Flags().Changed
	if changed("profile") {
		list := []string{}
		for _, p := range s.profiles {
			if p == noneOf {
				continue
			}
			uri, err := profileURI(p)
			if err != nil {
				return err
			}
			list = append(list, uri)
		}
		body["profiles"] = list
	}
	if changed("auth-profile") {
		uri, err := profileURI(s.authProfile)
		if err != nil {
			return fmt.Errorf("--auth-profile: %w", err)
		}
		body["auth_profile"] = uri
	}
	if changed("service") {
		list := []string{}
		for _, name := range s.services {
			if name != noneOf {
				list = append(list, serviceURI(name))
			}
		}
		body["services"] = list
	}
	return nil
}

// serviceURI returns the URI of an additional service that ends with #name. Other names
// stay, and the sandbox says which there are.
func serviceURI(name string) string {
	for _, uri := range []string{
		signum.ServiceUserLang, signum.ServiceValidate, signum.ServiceGeofencing, signum.ServiceApp2App, signum.ServiceSubscriberInfo, signum.ServiceVerification,
	} {
		if _, short, _ := strings.Cut(uri, "#"); strings.EqualFold(short, name) {
			return uri
		}
	}
	return name
}

func (s *partySettings) addLimits(cmd *cobra.Command, body map[string]any) error {
	limits := make(map[string]any)
	for _, l := range s.limits {
		name, value, _ := strings.Cut(l, "=")
		perMinute, burst, isRate := strings.Cut(value, "/")
		first, err := strconv.Atoi(perMinute)
		second := 0
		if err == nil && isRate {
			second, err = strconv.Atoi(burst)
		}
		switch {
		case err != nil || isRate == (name == "max_open"):
			return fmt.Errorf("--limit %s: must be NAME=PER_MINUTE/BURST such as requests=60/10, or max_open=N", l)
		case isRate:
			limits[name] = map[string]int{"per_minute": first, "burst": second}
		default:
			limits[name] = first
		}
	}
	if cmd.Flags().Changed("from") {
		limits["networks"] = s.networks
	}
	if cmd.Flags().Changed("otp-prefix") {
		limits["otp_prefixes"] = s.otpPrefixes
	}
	if len(limits) > 0 {
		body["limits"] = limits
	}
	return nil
}

func (s *partySettings) addGeofence(cmd *cobra.Command, body map[string]any) error {
	changed := cmd.Flags().Changed
	rules := make(map[string]any)
	if changed("geofence-verbose") {
		rules["verbose"] = s.verbose
	}
	for flag, list := range map[string][]string{"allow": s.fence.allow, "deny": s.fence.deny} {
		if changed("geofence-" + flag) {
			rules[map[string]string{"allow": "country_whitelist", "deny": "country_blacklist"}[flag]] = list
		}
	}
	if changed("geofence-min-confidence") {
		rules["min_device_confidence"], rules["min_location_confidence"] = s.fence.minConfidence, s.fence.minConfidence
	}
	if changed("geofence-max-age") {
		if s.fence.maxAge < 0 || s.fence.maxAge%time.Minute != 0 {
			return fmt.Errorf("--geofence-max-age %s: not whole minutes", s.fence.maxAge)
		}
		rules["max_timestamp_minutes"] = int(s.fence.maxAge / time.Minute)
	}
	if changed("geofence-max-accuracy") {
		rules["max_accuracy_meters"] = s.fence.maxAccuracy
	}
	if len(rules) > 0 || changed("geofence") {
		rules["enabled"] = s.fence.locate || !changed("geofence")
		body["geofence"] = rules
	}
	return nil
}

// addCertificates reads those that exist, and makes the new one last, so that no other
// fault leaves its file behind.
func (s *partySettings) addCertificates(cmd *cobra.Command, body map[string]any) error {
	var list []string
	for _, file := range append(s.certs, s.addCerts...) {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("--cert: %w", err)
		}
		if i := bytes.Index(text, []byte("-----BEGIN CERTIFICATE")); i >= 0 {
			text = text[i:] // a key in front of it stays here
		}
		certificate, _, found := strings.Cut(string(text), "-----END CERTIFICATE-----")
		if !found {
			return fmt.Errorf("--cert: %s has no certificate in PEM", file)
		}
		list = append(list, certificate+"-----END CERTIFICATE-----\n")
	}
	if s.newCert != "" {
		text, err := newCertificate(s.newCert, s.apID)
		if err != nil {
			return fmt.Errorf("--new-cert: %w", err)
		}
		list = append(list, text)
	}
	if list != nil {
		body["certificates"] = list
	}
	return nil
}

// unsettable are the members that --unset empties, by flag.
func unsettable() map[string]string {
	all := map[string]string{
		"name": "name", "prefix": "dtbd_prefix", "lang": "default_lang", "password": "password", "profile": "profiles",
		"auth-profile": "auth_profile", "service": "services", "limit": "limits", "geofence": "geofence", "cert": "certificates",
		"pins": "pins", "profiles": "profiles", "services": "services", "limits": "limits", "certs": "certificates",
	}
	for _, b := range partyBools {
		all[b.flag] = b.member
	}
	return all
}

// forget empties the settings that --unset names.
func (s *partySettings) forget(body map[string]any, unset []string) error {
	all := unsettable()
	for _, name := range unset {
		if name == "logo" {
			s.removeLogo = true
			continue
		}
		member, ok := all[strings.TrimPrefix(name, "--")]
		if !ok {
			return fmt.Errorf("--unset %s: not one of %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		}
		if _, both := body[member]; both {
			return errors.New("--unset " + name + ": the same setting is given by its flag")
		}
		body[member] = nil
	}
	return nil
}

// registerAddCert is for parties that exist.
func (s *partySettings) registerAddCert(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.addCerts, "add-cert", nil, "further client certificate (PEM) of a party of a node; repeatable")
	cmd.MarkFlagsMutuallyExclusive("cert", "add-cert")
}

// keepPins adds the certificates that the party has, if others are added to them.
func (s *partySettings) keepPins(ctx context.Context, f *adminFlags, apID string, body map[string]any) error {
	if len(s.addCerts) == 0 {
		return nil
	}
	var now struct {
		Certificates []string `json:"certificates"`
		Pins         []string `json:"pins"`
	}
	if err := f.call(ctx, http.MethodGet, partyPath(apID), nil, &now); err != nil {
		return err
	}
	if len(now.Pins) > 0 {
		body["pins"] = now.Pins
	}
	added, _ := body["certificates"].([]string)
	body["certificates"] = append(now.Certificates, added...)
	return nil
}

// readLogo reads the file early, so that one that cannot be read changes nothing.
func (s *partySettings) readLogo(*cobra.Command, map[string]any) (err error) {
	if s.logo == "" {
		return nil
	}
	if s.image, err = os.ReadFile(s.logo); err != nil {
		return fmt.Errorf("--logo: %w", err)
	}
	return nil
}

// sendLogo sets the logo or removes it, if a flag says so.
func (s *partySettings) sendLogo(ctx context.Context, f *adminFlags, apID string) error {
	c := controlCall{
		method: http.MethodPut, path: partyPath(apID) + "/logo", contentType: "application/octet-stream", body: bytes.NewReader(s.image), size: int64(len(s.image)),
		timeout: client.DefaultRequestTimeout, limit: maxControlAnswer,
	}
	switch {
	case s.removeLogo:
		c.method = http.MethodDelete
	case s.image == nil:
		return nil
	}
	return f.send(ctx, c, nil)
}
