package pgq

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Stream calls fn for each event of the batch after prev up to cur, in the
// order of event ids. Events of the retry queue, which belong to one consumer,
// are left out. Memory is that of the largest event, whatever the batch's
// size. An error of fn ends the stream, is returned as it stands, and costs
// the connection, because the rest of the batch would have to be read from it.
//
// The batch is what cur's snapshot sees and prev's does not. It is found by
// transaction id in the index of every one of the queue's tables:
//
//	range  from prev's xmax, where nothing was visible, to cur's xmax
//	list   the transactions open in prev's snapshot and done in cur's
//
// so it costs by its own size even while some transaction stays open for
// hours. A large batch is read in parts by event id, so that its first events
// come before the server has sorted all. No table is left out by the time of
// its use: a REPEATABLE READ writer may still fill the table that its old
// snapshot calls the current one.
//
// Where AsFound is set, [ErrOutOfOrder] takes back what was told.
func (r *Reader) Stream(ctx context.Context, prev, cur Tick, fn func(*RawEvent) error) error {
	if r.tables == nil { // a reader that has not read a tick itself
		if _, err := r.Tick(ctx, cur.ID); err != nil {
			return err
		}
	}
	low, rest := r.lowest(prev, cur), ""
	if r.AsFound && cur.EventSeq-low > r.chunk {
		var err error
		if rest, low, err = r.asFound(ctx, prev, cur, low, fn); err != nil || rest == nothing {
			return err
		}
	}
	parts := idRanges(rest, low, cur.EventSeq, r.chunk)
	for _, ids := range parts {
		if err := r.copyOut(ctx, prev, cur, r.sortedSQL(prev.Snapshot, cur.Snapshot, ids), fn); err != nil {
			return err
		}
	}
	if rest == "" && len(parts) == 1 {
		return nil
	}
	// Between statements no lock keeps rotation off the tables; while the tick
	// is there nothing after it is gone.
	_, err := r.Tick(ctx, prev.ID)
	return err
}

// copyOut streams the events that the statement finds. An error of fn is
// returned as it stands.
func (r *Reader) copyOut(ctx context.Context, prev, cur Tick, sql string, fn func(*RawEvent) error) error {
	r.decode.reset(fn)
	settings := streamSettings
	if r.decode.whole {
		settings += "set local statement_timeout = 0; "
	}
	tag, err := r.conn.PgConn().CopyTo(ctx, &r.decode, settings+"copy ("+sql+") to stdout (format binary)")
	if r.decode.fnErr != nil {
		return r.decode.fnErr
	}
	if err == nil {
		err = r.decode.end(tag.RowsAffected())
	}
	if err != nil {
		return fmt.Errorf("queue %s, batch %d to %d: %w", r.queue, prev.ID, cur.ID, err)
	}
	return nil
}

// scattered is how many large batches are sorted unseen after one of which
// less than half lay in order.
const scattered = 50

// nothing is the condition of what is left when all has been told.
const nothing = " and false"

// asFound tells events in the order in which the server finds them, that of
// the index: by transaction, then by place in the table. Where one transaction
// follows the other that is the order of ids, and to sort them would be most
// of the provider's work. Each event has to be the one after the event before;
// the first that is not is left, with all that follow, to be read sorted. rest
// is the condition of their ids and from about where they begin. An event that
// belongs before one that was told, because its transaction is the younger one,
// comes too late.
func (r *Reader) asFound(ctx context.Context, prev, cur Tick, low EventID, fn func(*RawEvent) error) (rest string, from EventID, err error) {
	if r.sorts > 0 {
		r.sorts--
		return "", low, nil
	}
	var first, next, found EventID // found is a number of events
	straight, late := true, false
	err = r.copyOut(ctx, prev, cur, r.eventSQL(prev.Snapshot, cur.Snapshot, ""), func(ev *RawEvent) error {
		if found++; found == 1 {
			first, next = ev.ID, ev.ID
		}
		late = late || ev.ID < next
		if straight = straight && ev.ID == next; !straight {
			return nil
		}
		next++
		return fn(ev)
	})
	if err != nil {
		return "", 0, err
	}
	if late || next-first < found/2 {
		r.sorts = scattered
	}
	switch {
	case late:
		return "", 0, fmt.Errorf("queue %s, batch %d to %d: %w", r.queue, prev.ID, cur.ID, ErrOutOfOrder)
	case straight:
		return nothing, 0, nil
	}
	return fmt.Sprintf(" and ev_id >= %d", next), next, nil
}

// firstChunk is how many ids the first part of a batch spans; each part spans
// chunkGrowth times as many as the one before. Every part has the server look
// at all rows of the batch, at 0.25 us each, so they are to be few; but sorting
// a part must take no longer than applying the one before.
const (
	firstChunk  = 25_000
	chunkGrowth = 4
)

// lowest estimates below which id the batch has few events, or none: ticks
// pass while a long transaction takes its ids, and see its events last of all.
// Told all batches one after another it knows; else it may guess too high.
func (r *Reader) lowest(prev, cur Tick) EventID {
	low := prev.EventSeq
	for _, id := range prev.Snapshot.Active {
		if at, known := r.begun[id]; known && cur.Snapshot.Sees(id) {
			low = min(low, at)
		}
	}
	begun := make(map[TxID]EventID, len(cur.Snapshot.Active))
	for _, id := range cur.Snapshot.Active {
		if at, known := r.begun[id]; known {
			begun[id] = at
		} else if id >= prev.Snapshot.Xmax {
			begun[id] = prev.EventSeq
		}
	}
	r.begun = begun
	return low
}

// idRanges cuts what is left of a batch, as the condition lower has it, into
// conditions on ev_id, which together let every id pass once. from and to tell
// about where its events lie; some may lie outside.
func idRanges(lower string, from, to, chunk EventID) []string {
	var ranges []string
	for at := from + chunk; to-at > chunk/2; at += chunk {
		ranges = append(ranges, lower+fmt.Sprintf(" and ev_id < %d", at))
		lower = fmt.Sprintf(" and ev_id >= %d", at)
		chunk *= chunkGrowth
	}
	return append(ranges, lower)
}

// The settings hold for the statement's own transaction, so a pooler between
// us and the server is no danger. Event tables have no statistics: the planner
// would think of seq scans for small ones, and compile machine code for an
// estimate that is far off. work_mem stays: events come nearly sorted, and to
// sort them in a large memory cost twice the CPU of merging small runs
// (200,000 events, us each: 1.0 at 4 MB, 1.3 at 16 MB, 2.3 at 32 MB).
// Several processes would mix the order of what is not sorted.
const streamSettings = "set local enable_seqscan = off; set local jit = off; set local max_parallel_workers_per_gather = 0; "

// eventSQL is the select of a batch's events with these ids, columns as
// [RawEvent] has them.
func (r *Reader) eventSQL(prev, cur Snapshot, ids string) string {
	conds := batchConditions(prev, cur)
	for i := range conds {
		conds[i] += ids
	}
	columns := "ev_id, ev_txid, ev_type, ev_data, ev_extra1, ev_extra2"
	if r.decode.whole {
		columns += ", ev_time, ev_retry, ev_extra3, ev_extra4"
	}
	return unionSQL(columns, r.tables, r.owners(), conds)
}

// owners is whose events are read: everybody's, and those brought back for one
// consumer. The rest of them may be another member's.
func (r *Reader) owners() string {
	owners := "ev_owner is null"
	if r.owner != 0 {
		owners = fmt.Sprintf("(ev_owner is null or ev_owner = %d)", r.owner)
	}
	if r.filter != "" {
		owners += " and " + r.filter
	}
	return owners
}

func (r *Reader) sortedSQL(prev, cur Snapshot, ids string) string {
	return r.eventSQL(prev, cur, ids) + " order by 1"
}

// batchConditions are the conditions of a batch, each one for the index of
// ev_txid; an event fulfils at most one. The list comes first: what was open
// before has the lower ids.
func batchConditions(prev, cur Snapshot) []string {
	var conds []string
	from, list := split(prev, cur)
	if len(list) > 0 {
		conds = append(conds, "ev_txid = any ('{"+joinIDs(list)+"}'::bigint[])")
	}
	for _, r := range ranges(from, cur) {
		cond := fmt.Sprintf("ev_txid >= %d and ev_txid < %d", r.from, r.to)
		if r.from < prev.Xmax {
			cond += fmt.Sprintf(" and not txid_visible_in_snapshot(ev_txid, '%s')", prev)
		}
		if len(openIn(cur, r)) > 0 {
			cond += fmt.Sprintf(" and txid_visible_in_snapshot(ev_txid, '%s')", cur)
		}
		conds = append(conds, cond)
	}
	if len(conds) == 0 {
		conds = append(conds, "false")
	}
	return conds
}

// txRange is the transactions from one up to, without, another.
type txRange struct{ from, to TxID }

// ranges are the transactions from one on that cur may see. What is open at
// cur may have written much already, all of which would be read in vain; a
// few such transactions are left out, many are told apart one event at a time.
func ranges(from TxID, cur Snapshot) []txRange {
	const few = 4
	if from >= cur.Xmax {
		return nil
	}
	var found []txRange
	if open := openIn(cur, txRange{from, cur.Xmax}); len(open) <= few {
		for _, id := range open {
			found = append(found, txRange{from, id})
			from = id + 1
		}
	}
	found = append(found, txRange{from, cur.Xmax})
	return slices.DeleteFunc(found, func(r txRange) bool { return r.from >= r.to })
}

func unionSQL(columns string, tables []string, owners string, conds []string) string {
	var b strings.Builder
	for i, table := range tables {
		for j, cond := range conds {
			if i+j > 0 {
				b.WriteString(" union all ")
			}
			b.WriteString("select " + columns + " from only " + table)
			b.WriteString(" where " + owners + " and " + cond)
		}
	}
	return b.String()
}

// Wrote tells whether transactions below limit that cur sees and prev does
// not have written events, be they everybody's or one consumer's. It is for
// the ticker, as Newest is.
func (r *Reader) Wrote(ctx context.Context, prev, cur Snapshot, limit TxID) (bool, error) {
	cur = cur.Below(limit)
	if cur.Covers(prev) && prev.Covers(cur) {
		return false, nil
	}
	found, err := r.conn.PgConn().Exec(ctx, streamSettings+"select 1 from ("+
		unionSQL("1", r.tables, "true", batchConditions(prev, cur))+") e limit 1").ReadAll()
	if err != nil {
		return false, fmt.Errorf("queue %s, late events: %w", r.queue, err)
	}
	return len(found[len(found)-1].Rows) > 0, nil
}

// nearby is how far below the range's start a listed transaction may lie to
// be read with the range: some visible rows passed over cost less than a probe
// of every table.
const nearby = 16

// split returns where the range begins and which transactions are looked up
// one by one, all of them below it.
func split(prev, cur Snapshot) (from TxID, list []TxID) {
	for _, id := range prev.Active {
		if cur.Sees(id) {
			list = append(list, id)
		}
	}
	from = prev.Xmax
	for n := len(list); n > 0 && list[n-1]+nearby >= from; n-- {
		from = list[n-1]
		list = list[:n-1]
	}
	return from, list
}

// openIn returns the transactions of the range that are open at the snapshot.
func openIn(s Snapshot, r txRange) []TxID {
	i, _ := slices.BinarySearch(s.Active, r.from)
	j, _ := slices.BinarySearch(s.Active, r.to)
	return s.Active[i:j]
}

func joinIDs(ids []TxID) string {
	var b []byte
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(id), 10)
	}
	return string(b)
}
