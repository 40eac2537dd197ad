package admin

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/simcards"
)

// readingCards counts the lines of a file.
type readingCards struct{ Cards }

func (readingCards) Import(_ context.Context, file io.Reader, _ simcards.ImportOptions) (simcards.Summary, error) {
	data, err := io.ReadAll(file)
	return simcards.Summary{Rows: bytes.Count(data, []byte("\n"))}, err
}

// A body above the limit is cut off; the answer says how many rows were processed before.
func TestCardsLimit(t *testing.T) {
	c := &cards{Cards: readingCards{}, most: 100_000, calls: &jsonapi.Calls{Log: slog.New(slog.DiscardHandler)}}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, part := range [][2]string{{"options", `{"plain_keys":true}`}, {"cards", "1\n2\n" + strings.Repeat("x", 100_000)}} {
		if err := form.WriteField(part[0], part[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/cards", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	w := httptest.NewRecorder()
	c.handlers()["cards"](w, r)
	if answer := w.Body.String(); w.Code != 400 || !strings.Contains(answer, "too large") || !strings.Contains(answer, "of 2 rows before that, 0 failed") {
		t.Errorf("%d %s", w.Code, answer)
	}
}
