package node

import (
	"encoding"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/config"
)

// TestReloadKeys: each key of the configuration either can be taken over by a reload, and
// the manual says so, or the error of the reload names it.
func TestReloadKeys(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "### What a reload takes over\n")
	section, _, _ = strings.Cut(section, "The other keys")
	var patterns []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(section, -1) {
		patterns = append(patterns, strings.ReplaceAll(regexp.QuoteMeta(m[1]), `\*`, `.+`))
	}
	if !ok || len(patterns) < 10 {
		t.Fatalf("the manual names %d keys", len(patterns))
	}
	documented := regexp.MustCompile("^(" + strings.Join(patterns, "|") + ")$")
	now := config.Default()
	now.SIM.SMSCs = []config.SMSC{config.DefaultSMSC()}
	now.Listen.Web.TLS = config.KeyPair{CertificateFile: "crt", KeyFile: "key"}
	seen := 0
	each(reflect.ValueOf(&now).Elem(), "", func(path string, v reflect.Value) {
		before := now
		other(v)
		next := now
		now = before
		if len(config.Changed(&now, &next)) == 0 {
			return // the name of the file of a secret
		}
		seen++
		restart := restartFor(&now, &next)
		switch want := documented.MatchString(path); {
		case want && len(restart) > 0:
			t.Errorf("the manual says that a reload takes over %s: it does not", path)
		case !want && !slices.Equal(restart, []string{path}):
			t.Errorf("%s is not in the manual, and a reload names %q", path, restart)
		}
	})
	if seen < 80 {
		t.Errorf("only %d keys were looked at", seen)
	}
}

// each calls f for each value of a configuration, with its path.
func each(v reflect.Value, path string, f func(string, reflect.Value)) {
	for i := range v.NumField() {
		field := v.Field(i)
		p := strings.TrimPrefix(path+"."+v.Type().Field(i).Tag.Get("yaml"), ".")
		_, leaf := field.Addr().Interface().(encoding.TextUnmarshaler)
		if field.Kind() == reflect.Struct && !leaf {
			each(field, p, f)
			continue
		}
		f(p, field)
	}
}

// other gives a value another one.
func other(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.New(v.Type().Elem()).Elem()))
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Struct: // a secret
		v.Set(reflect.ValueOf(config.NewSecret("another")))
	default:
		panic(v.Type().String() + " has no other value")
	}
}
