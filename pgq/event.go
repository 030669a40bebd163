package pgq

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
