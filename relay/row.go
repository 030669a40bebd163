package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/skytools-go/skytools/pgq"
)

// decodeRow reads the row in an event's data: urlencoded, as logutriga writes
// it, or a JSON object, as jsontriga does. A nil value is NULL.
func decodeRow(ev pgq.Event) (map[string]*string, error) {
	data := bytes.TrimSpace(ev.Data)
	if bytes.HasPrefix(data, []byte("{")) {
		return decodeObject(data)
	}
	row := map[string]*string{}
	if len(data) == 0 {
		return row, nil
	}
	for pair := range strings.SplitSeq(string(ev.Data), "&") {
		name, value, given := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, fmt.Errorf("its data is not urlencoded: %w", err)
		}
		if row[name] = nil; given {
			row[name] = &value
		}
	}
	return row, nil
}

func decodeObject(data []byte) (map[string]*string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("its data is no JSON object: %w", err)
	}
	row := map[string]*string{}
	for name, raw := range fields {
		value := string(raw)
		switch {
		case value == "null":
			row[name] = nil
			continue
		case strings.HasPrefix(value, `"`):
			if err := json.Unmarshal(raw, &value); err != nil {
				return nil, err
			}
		}
		row[name] = &value
	}
	return row, nil
}
