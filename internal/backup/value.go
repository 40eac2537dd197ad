package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/signum-mssp/signum/internal/store"
)

// appendRow adds a line with the values of a row.
func appendRow(b []byte, values []any) ([]byte, error) {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := v.(type) {
		case nil:
			b = append(b, "null"...)
		case string:
			text, err := json.Marshal(v)
			if err != nil {
				return b, err
			}
			b = append(b, text...)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case bool:
			b = strconv.AppendBool(b, v)
		case []byte:
			b = append(b, `{"b64":"`...)
			b = base64.StdEncoding.AppendEncode(b, v)
			b = append(b, `"}`...)
		default:
			return b, fmt.Errorf("a value of type %T", v)
		}
	}
	return append(b, ']', '\n'), nil
}

// parseRow reads a line. Each value has the type of its column.
func parseRow(line []byte, columns []store.Column) ([]any, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var row []any
	if err := d.Decode(&row); err != nil {
		return nil, err
	}
	if len(row) != len(columns) {
		return nil, fmt.Errorf("%d values for %d columns", len(row), len(columns))
	}
	for i, c := range columns {
		v, err := valueOf(row[i], c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		row[i] = v
	}
	return row, nil
}

func valueOf(v any, kind store.ColumnType) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		if kind == store.Text {
			return v, nil
		}
	case bool:
		if kind == store.Boolean {
			return v, nil
		}
	case json.Number:
		if kind == store.Integer {
			return v.Int64()
		}
	case map[string]any:
		if text, ok := v["b64"].(string); ok && len(v) == 1 && kind == store.Bytes {
			return base64.StdEncoding.DecodeString(text)
		}
	}
	return nil, fmt.Errorf("not of type %s", kind)
}
