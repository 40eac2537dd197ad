package sandbox

import (
	"context"
	"encoding/json"
	"os"

	"github.com/signum-mssp/signum/internal/lab/control"
)

// servedFiles are what a client in another container can fetch. README.txt and the scripts
// are for people who sit in front of the directory.
var servedFiles = []control.File{
	{Name: InfoFile}, {Name: ServerCAFile}, {Name: UserCAFile}, {Name: IssuingCAFile}, {Name: UserCAChainFile}, {Name: TruststoreFile},
	{Name: APCertFile}, {Name: APKeyFile, Access: true}, {Name: APP12File, Access: true},
	{Name: APRSACertFile}, {Name: APRSAKeyFile, Access: true}, {Name: APRSAP12File, Access: true},
	{Name: JavaFile, Access: true}, // it has passwords
}

// Files implements control.Files: the files that exist.
func (c controlled) Files() (all []control.File) {
	for _, f := range servedFiles {
		// Until the sandbox is ready, these two are those of the last run.
		if written := f.Name != InfoFile && f.Name != JavaFile || c.isReady(); written && exists(c.Path(f.Name)) {
			all = append(all, f)
		}
	}
	return all
}

// ReadFile implements control.Files. Only those with access see the token.
func (c controlled) ReadFile(name string, access bool) ([]byte, error) {
	data, err := os.ReadFile(c.Path(name))
	if err != nil || name != InfoFile || access {
		return data, err
	}
	var info Info
	if err := json.Unmarshal(data, &info); err != nil {
		return nil, err
	}
	info.Token = ""
	return info.encode()
}

func (b *Sandbox) isReady() bool {
	select {
	case <-b.ready:
		return true
	default:
		return false
	}
}

// health says whether tests can begin.
func (b *Sandbox) health(ctx context.Context) control.Health {
	err := b.NotReady(ctx)
	switch {
	case b.Stopping():
		return control.Health{Status: control.Stopping, Reason: "the sandbox was told to end"}
	case !b.isReady():
		return control.Health{Status: control.Starting, Reason: "the users get their Apps"}
	case b.cfg.Announces && !b.announced.Load():
		return control.Health{Status: control.Starting, Reason: "the example uses the phones"}
	case err != nil:
		return control.Health{Status: control.Failing, Reason: err.Error()}
	}
	return control.Health{Status: control.Ready}
}
