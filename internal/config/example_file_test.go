package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// read decodes a file over the defaults, without checking it.
func read(t *testing.T, data []byte) (Config, map[string]int) {
	t.Helper()
	c := Default()
	d := decoder{source: "example.yaml"}
	d.decode(data, &c)
	if err := d.err(); err != nil {
		t.Fatal(err)
	}
	return c, d.lines
}

var commentedOut = regexp.MustCompile(`(?m)^( *)#((?:- )?[a-z_]+:)`)

// uncommented is the example with every key.
func uncommented() []byte { return commentedOut.ReplaceAll(Example(), []byte("$1$2")) }

// TestExampleHasDefaults: a file that somebody copies changes nothing, and what
// it says about defaults is true.
func TestExampleHasDefaults(t *testing.T) {
	got, lines := read(t, Example())
	if want := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("the example is\n%+v\nand the defaults are\n%+v", got, want)
	}
	// A key whose default is not empty is not commented out.
	c := Default()
	for _, k := range keys(reflect.ValueOf(&c).Elem(), "") {
		if _, there := lines[k.path]; !there && !k.value.IsZero() {
			t.Errorf("%s has a default that the example does not show", k.path)
		}
	}
}

// TestExampleHasEveryKey, with a comment for each key or for the group of keys
// that it stands in.
func TestExampleHasEveryKey(t *testing.T) {
	data := uncommented()
	c, lines := read(t, data)
	text := strings.Split(string(data), "\n")
	for _, k := range keys(reflect.ValueOf(&c).Elem(), "") {
		line, there := lines[k.path]
		if !there {
			t.Errorf("%s is not in the example", k.path)
			continue
		}
		for line--; line > 0 && !strings.Contains(text[line], "#"); line-- {
			if strings.TrimSpace(text[line]) == "" {
				t.Errorf("%s has no comment", k.path)
				break
			}
		}
	}
}

// TestExampleIsValid once the files it names exist and each secret is given
// once.
func TestExampleIsValid(t *testing.T) {
	cert, key := keyPair(t)
	data := string(uncommented())
	data = strings.ReplaceAll(data, "/etc/signum/smsc-ca.pem", cert)
	for _, name := range []string{"mss", "web", "smsc", "proxies"} {
		data = strings.ReplaceAll(data, "/etc/signum/"+name+".pem", cert)
		data = strings.ReplaceAll(data, "/etc/signum/"+name+".key", key)
	}
	data = regexp.MustCompile(`(?m)^.*\$\{CREDENTIALS_DIRECTORY\}/.*\n`).ReplaceAllString(data, "")
	c, warnings, err := Read("example.yaml", []byte(data), nil)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, warnings)
	}
	if c.SIM.HomeNetwork.MNC != "01" {
		t.Errorf("the network code is %q", c.SIM.HomeNetwork.MNC)
	}
}

// TestExampleShowsDefaultsOfEntries: an entry of a list shows every default that is not
// empty.
func TestExampleShowsDefaultsOfEntries(t *testing.T) {
	c, _ := read(t, uncommented())
	for _, list := range lists(reflect.ValueOf(&c).Elem(), "") {
		entry := reflect.New(list.value.Type().Elem())
		if d, ok := entry.Interface().(defaulted); ok {
			d.setDefaults()
		}
		shown := keys(list.value.Index(0), list.path)
		for i, k := range keys(entry.Elem(), list.path) {
			if !k.value.IsZero() && !reflect.DeepEqual(k.value.Interface(), shown[i].value.Interface()) {
				t.Errorf("%s is %v in the example, the default is %v", k.path, shown[i].value, k.value)
			}
		}
	}
}

// TestKeys: names in the file, in the environment and of secrets' files.
func TestKeys(t *testing.T) {
	c, _ := read(t, uncommented())
	byEnv, paths := make(map[string]string), make(map[string]bool)
	all := keys(reflect.ValueOf(&c).Elem(), "")
	for _, k := range all {
		paths[k.path] = true
		if other, taken := byEnv[k.env()]; taken {
			t.Errorf("%s and %s have the same variable", other, k.path)
		}
		byEnv[k.env()] = k.path
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*(\.([0-9]|[a-z]+(_[a-z]+)*))*$`).MatchString(k.path) {
			t.Errorf("%q is no path of a key", k.path)
		}
	}
	for _, k := range all {
		if _, ok := k.value.Addr().Interface().(*Secret); ok && !paths[k.path+fileSuffix] {
			t.Errorf("the secret %s has no key %s", k.path, k.path+fileSuffix)
		}
	}
}

func TestExampleIsACopy(t *testing.T) {
	clear(Example())
	onDisk, err := os.ReadFile("example.yaml")
	if err != nil || string(Example()) != string(onDisk) {
		t.Errorf("the example was changed: %v", err)
	}
}
