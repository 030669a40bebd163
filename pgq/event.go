package pgq

import (
	"time"
)

// Event is one event. A [Producer] writes Type, Data and the extra fields; the
// others are what the queue gives it.
//
// A nil Data or Extra is SQL's NULL; an empty one is the empty text. The
// fields hold text in the database's encoding, without a zero byte.
type Event struct {
	ID    EventID
	Time  time.Time // when its transaction began
	TxID  TxID      // of the transaction that wrote it, or brought it back
	Retry int       // how often it came back; 0 at its first delivery
	Type  string

	Data                           []byte
	Extra1, Extra2, Extra3, Extra4 []byte
}

// RawEvent is one event as it comes off the wire. Its byte slices belong to
// the reader and are valid only until the function that got it returns; nil
// is SQL's NULL.
type RawEvent struct {
	ID     EventID
	TxID   TxID
	Type   []byte // ev_type
	Data   []byte // ev_data
	Extra1 []byte // ev_extra1
	Extra2 []byte // ev_extra2

	rest restOfEvent
}

// restOfEvent is what only a consumer's stream has.
type restOfEvent struct {
	time           time.Time
	retry          int32
	extra3, extra4 []byte
}

// size is about the memory that the event takes.
func (ev *RawEvent) size() int {
	return 100 + len(ev.Type) + len(ev.Data) + len(ev.Extra1) + len(ev.Extra2) + len(ev.rest.extra3) + len(ev.rest.extra4)
}

// event is a copy that stays when the stream goes on. The texts of one event
// share their memory, and events of one type in a row their type.
func (ev *RawEvent) event(before string) Event {
	if string(ev.Type) != before {
		before = string(ev.Type)
	}
	all := make([]byte, 0, len(ev.Data)+len(ev.Extra1)+len(ev.Extra2)+len(ev.rest.extra3)+len(ev.rest.extra4))
	keep := func(text []byte) []byte {
		if text == nil {
			return nil
		}
		from := len(all)
		all = append(all, text...)
		return all[from:len(all):len(all)]
	}
	return Event{
		ID: ev.ID, Time: ev.rest.time, TxID: ev.TxID, Retry: int(ev.rest.retry), Type: before,
		Data: keep(ev.Data), Extra1: keep(ev.Extra1), Extra2: keep(ev.Extra2),
		Extra3: keep(ev.rest.extra3), Extra4: keep(ev.rest.extra4),
	}
}
