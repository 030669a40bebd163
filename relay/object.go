package relay

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/skytools-go/skytools/pgq"
)

// object is an event as JSON, under the names of PgQ's columns.
type object struct {
	Key    string      `json:"key"`
	Queue  string      `json:"queue_name"`
	ID     pgq.EventID `json:"ev_id"`
	Time   time.Time   `json:"ev_time"`
	TxID   pgq.TxID    `json:"ev_txid"`
	Retry  int         `json:"ev_retry"`
	Type   string      `json:"ev_type"`
	Data   *string     `json:"ev_data"`
	Extra1 *string     `json:"ev_extra1"`
	Extra2 *string     `json:"ev_extra2"`
	Extra3 *string     `json:"ev_extra3"`
	Extra4 *string     `json:"ev_extra4"`
}

// AppendJSON appends an event as one JSON object, its idempotency key first,
// without a newline.
func AppendJSON(b []byte, keys Keys, ev pgq.Event) ([]byte, error) {
	buf := bytes.NewBuffer(b)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	err := e.Encode(object{
		keys.Of(ev.ID), keys.queue, ev.ID, ev.Time, ev.TxID, ev.Retry, ev.Type,
		text(ev.Data), text(ev.Extra1), text(ev.Extra2), text(ev.Extra3), text(ev.Extra4),
	})
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}
