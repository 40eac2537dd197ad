//go:build unix

package daemon

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// toJournal reports whether w is the stream to the journal that $JOURNAL_STREAM names. The variable
// alone does not tell: standard error may have been redirected to a file.
func toJournal(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
