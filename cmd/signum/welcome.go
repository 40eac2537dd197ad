//go:build !nolab

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
)

// title is the first line that a sandbox prints.
const title = "Signum sandbox: a Mobile Signature Service for development\n"

// welcome says where everything is. It fits on one screen together with the example;
// the rest is in the directory's README.txt.
var welcome = template.Must(template.New("").Funcs(template.FuncMap{"quote": quote, "add": func(a, b int) int { return a + b }}).Parse(`
Service   {{.Info.BaseURL}}{{if .Unnamed}}
          (on all addresses; --host NAME is how other machines call it){{end}}
Pages     {{.Info.WebURL}}/phone/sim  a phone with a SIM (/phone: an App)
{{if .OpsAddr}}Metrics   {{.Info.OpsURL}}/metrics
{{end}}Party     {{.Info.APID}}, whose texts start with "{{.Info.DTBDPrefix}}"
Users     {{range $i, $u := .Shown}}{{if $i}}
          {{end}}{{$u}}{{end}}
Files     {{.Dir}}
          README.txt lists all addresses, files, parties and users

Now you, in another terminal:

{{.Sign}}
  sh {{quote .RESTFile}}

`))

// maxShownUsers is how many of the users that a developer added are listed.
const maxShownUsers = 8

// describe says where everything is. Metrics are shown if an address was given for
// them.
func describe(w io.Writer, box *sandbox.Sandbox, f *sandboxFlags) {
	sign := fold(selfProgram()+" sign --sandbox "+quote(box.Dir), `+41791000001 "Hello"`)
	var text bytes.Buffer // one write, because phones may have something to say, too
	if err := welcome.Execute(&text, struct {
		*sandbox.Sandbox
		OpsAddr, RESTFile, Sign string
		Shown                   []string
	}{box, f.opsAddr, box.Path(sandbox.RESTFile), sign, shownUsers(box, f.who == phonesWeb)}); err != nil {
		panic(err) // a template of our own
	}
	_, _ = text.WriteTo(w)
}

// shownUsers describes a user of each kind, and those that the developer added.
func shownUsers(box *sandbox.Sandbox, web bool) (lines []string) {
	own := box.OwnUsers()
	first := box.Info.Users[:min(len(box.Info.Users), 3)]
	users := slices.Concat(first, own[:min(len(own), maxShownUsers)])
	for _, u := range users {
		var methods []string
		for _, m := range u.Methods {
			text := string(m)
			if m == signum.App && web {
				text += " (once a person has enrolled)"
			}
			methods = append(methods, text)
		}
		lines = append(lines, fmt.Sprintf("%s  %s", u.MSISDN, strings.Join(methods, " and ")))
	}
	if more := len(box.Info.Users) - len(users); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// quote returns a word as a shell reads it.
func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// invite lets a person become one of the users right away: those that the developer added,
// or the first with an App.
func invite(ctx context.Context, w io.Writer, box *sandbox.Sandbox) error {
	if len(box.Retired) > 0 {
		fmt.Fprint(w, "\nThe Apps that answered by themselves are removed (--phones auto makes new ones):\n")
		for line := range slices.Chunk(box.Retired, 5) {
			fmt.Fprintf(w, "  %s\n", strings.Join(line, ", "))
		}
	}
	users := box.OwnUsers()
	if len(users) == 0 {
		first := slices.IndexFunc(box.Info.Users, func(u sandbox.User) bool { return slices.Contains(u.Methods, signum.App) })
		users = box.Info.Users[first : first+1]
	}
	for _, u := range users {
		i, err := box.InviteTrusted(ctx, u.MSISDN)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\nBe the phone of %s: open\n  %s\n(code %s, until %s)\n", i.MSISDN, i.URL, i.Code, i.Expires.Local().Format(time.TimeOnly))
	}
	fmt.Fprintf(w, "More with:\n%s\n", fold(selfProgram()+" user invite --sandbox "+quote(box.Dir), "NUMBER"))
	return nil
}
