package pgq

import "time"

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
}
