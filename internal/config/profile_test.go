package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCardProfiles: what a profile does not say stays empty, and the environment can
// override or add one.
func TestCardProfiles(t *testing.T) {
	text := minimal(t) + "sim: {card_profiles: [{name: old, tar: b00010, kid_key_set: 3, retry: {silence: 20s}}]}\n"
	c, warnings, err := Read("signum.yaml", []byte(text), []string{
		"SIGNUM_SIM_CARD_PROFILES_0_RETRY_ATTEMPTS=3", "SIGNUM_SIM_CARD_PROFILES_1_NAME=default", "SIGNUM_SIM_CARD_PROFILES_1_SERVICE_NUMBER=555",
	})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, warnings)
	}
	want := []CardProfile{
		{Name: "old", TAR: TAR{0xB0, 0, 0x10}, KIDKeySet: 3, Retry: Retry{Attempts: 3, Silence: 20 * time.Second}},
		{Name: "default", ServiceNumber: "555"},
	}
	if !slices.Equal(c.SIM.CardProfiles, want) {
		t.Errorf("%+v", c.SIM.CardProfiles)
	}
}

func TestCardProfileProblems(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                                 "signum.yaml:10: sim.card_profiles.0.name: is needed",
		"{name: a}, {name: a}":               "sim.card_profiles.1.name: there is another card profile a",
		"{name: a, tar: 53474}":              "sim.card_profiles.0.tar: must be 6 hexadecimal digits",
		"{name: a, tar: 53474X}":             "sim.card_profiles.0.tar: must be 6 hexadecimal digits",
		"{name: a, kid_key_set: 16}":         "sim.card_profiles.0.kid_key_set: must be a number from 0 to 15",
		"{name: a, service_number: Signum}":  "sim.card_profiles.0.service_number: must be 1 to 20 digits",
		"{name: a, validity: -1s}":           "sim.card_profiles.0.validity: must not be negative",
		"{name: a, retry: {attempts: -1}}":   "sim.card_profiles.0.retry.attempts: must be at least 0",
		"{name: a, retry: {silence: -1s}}":   "sim.card_profiles.0.retry.silence: must not be negative",
		"{name: a, retry: {backoff: 9s}}":    "sim.card_profiles.0.retry.max_backoff: is 8s, and must be at least the backoff, 9s",
		"{name: a, retry: {max_backoff: 1}}": `sim.card_profiles.0.retry.max_backoff: "1" is not a duration`,
	} {
		_, _, err := Read("signum.yaml", []byte(minimal(t)+"sim: {card_profiles: ["+text+"]}\n"), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: no %q in\n%v", text, want, err)
		}
	}
}
