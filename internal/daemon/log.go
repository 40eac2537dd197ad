package daemon

import (
	"bytes"
	"io"
	"log/slog"
	"os"

	"github.com/signum-mssp/signum/internal/config"
)

// NewLogger writes lines to w in the format of the configuration. Its level can change while
// the process runs.
func NewLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	stream := w
	if l, ok := w.(*lines); ok {
		stream = l.w
	}
	if toJournal(stream, os.Getenv("JOURNAL_STREAM")) {
		w = priorityWriter{w}
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	if format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// lostLines says that lines were lost.
func lostLines(log *slog.Logger) func(uint64) {
	return func(n uint64) {
		log.Warn("lines of the log were lost, because they could not be written", "count", n)
	}
}

// priorityWriter puts before each line the priority that the journal reads (sd-daemon(3)), so that
// "journalctl -p err" finds errors. A handler writes one line at a time, and without a time
// the level comes first.
type priorityWriter struct{ w io.Writer }

var priorities = []struct{ level, priority string }{
	{"DEBUG", "<7>"}, {"INFO", "<6>"}, {"WARN", "<4>"}, {"ERROR", "<3>"},
}

func (p priorityWriter) Write(line []byte) (int, error) {
	start := bytes.TrimPrefix(bytes.TrimPrefix(line, []byte("level=")), []byte(`{"level":"`))
	for _, l := range priorities {
		if bytes.HasPrefix(start, []byte(l.level)) {
			if _, err := p.w.Write(append([]byte(l.priority), line...)); err != nil {
				return 0, err
			}
			return len(line), nil
		}
	}
	return p.w.Write(line)
}
