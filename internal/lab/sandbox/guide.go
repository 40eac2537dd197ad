package sandbox

import (
	"bytes"
	"embed"
	"io/fs"
	"path/filepath"
	"strings"
	texttemplate "text/template"
)

// Files of the directory that explain it to a person.
const (
	GuideFile = "README.txt"
	RESTFile  = "rest.sh" // asks for a signature with curl
	SOAPFile  = "soap.sh"
)

//go:embed guide
var guideFiles embed.FS

var guide = texttemplate.Must(texttemplate.ParseFS(guideFiles, "guide/*.tmpl"))

// writeGuide writes the files that explain the directory.
func (i *Info) writeGuide(dir string) error {
	for _, t := range guide.Templates() {
		var text bytes.Buffer
		err := t.Execute(&text, struct {
			*Info
			Password string
		}{i, Password})
		if err != nil {
			return err
		}
		name, mode := strings.TrimSuffix(t.Name(), ".tmpl"), fs.FileMode(0o644)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
		}
		if err := writeFile(filepath.Join(dir, name), text.Bytes(), mode); err != nil {
			return err
		}
	}
	return nil
}
