package pgq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/loop"
)

// The members of a cooperative consumer have batches side by side, so the
// target keeps what is done as intervals of ticks: the position, below which
// all is done, and a row for each interval above it.
//
//	position      rows               not done: open at the queue
//	────────┤ 40  [41 … 42] [43 … 44]  40 … 41, 42 … 43
//
// A member claims its interval first, in the transaction in which its handler
// writes. The table's constraint has no two rows overlap: whoever claims one
// that another transaction holds waits for its end, finds it done if that
// committed, and does it if not. So it does not matter who is taken for dead:
// the fence is the target's, and what the queue believes comes second.
//
// The queue is told afterwards, under the number that the batch has by then. A
// row stays until the queue says that its batch is not open any more, and until
// the position has come to it; then the position passes over it.

// memberSQL makes the table of intervals.
const memberSQL = `create table if not exists %s (
    queue_name text not null,
    consumer_name text not null,
    prev_tick bigint not null, -- the events that tick_id sees and this one does not are done
    tick_id bigint not null,
    tick_time timestamptz,
    tick_snapshot text not null,
    batch_id bigint not null, -- under which they were done
    wishes jsonb, -- of that batch, for single events; the queue may not know yet
    updated timestamptz not null default now(),
    primary key (queue_name, consumer_name, prev_tick),
    -- Names as numbers, because gist has no text of its own.
    exclude using gist (
        int8range(hashtextextended(queue_name, 0), hashtextextended(queue_name, 0), '[]') with =,
        int8range(hashtextextended(consumer_name, 0), hashtextextended(consumer_name, 0), '[]') with =,
        int8range(prev_tick, tick_id) with &&)
)`

// interval is a row of that table.
type interval struct {
	prev, tick TickID
	snapshot   string
	batch      BatchID
	wishes     *string
}

// openings is what the queue has handed out at a moment.
type openings struct {
	next TickID            // what begins here or later nobody has had
	at   map[TickID]string // snapshots of the ticks where an open batch, or the next one, begins
}

const openingsSQL = `select s.sub_consumer = m.sub_consumer, s.sub_last_tick, t.tick_snapshot::text
	from pgq.queue q
		join pgq.consumer c on c.co_name = $2
		join pgq.subscription m on m.sub_queue = q.queue_id and m.sub_consumer = c.co_id
		join pgq.subscription s on s.sub_queue = m.sub_queue and s.sub_id = m.sub_id
		join pgq.tick t on t.tick_queue = s.sub_queue and t.tick_id = s.sub_last_tick
	where q.queue_name = $1 and (s.sub_consumer = m.sub_consumer or s.sub_batch is not null)`

func (p *position) openings(ctx context.Context, b *Batch) (openings, error) {
	open := openings{at: map[TickID]string{b.Prev.ID: b.Prev.Snapshot.String()}}
	rows, err := b.reader.conn.Query(ctx, openingsSQL, p.consumer.Queue, p.consumer.Name)
	if err != nil {
		return open, err
	}
	var main bool
	var tick TickID
	var snapshot string
	_, err = pgx.ForEachRow(rows, []any{&main, &tick, &snapshot}, func() error {
		if open.at[tick] = snapshot; main {
			open.next = tick
		}
		return nil
	})
	return open, err
}

// first is the earliest of them.
func (o openings) first() (TickID, string) {
	least := o.next
	for tick := range o.at {
		least = min(least, tick)
	}
	return least, o.at[least]
}

// sharing is the delivery of one batch of a member.
type sharing struct {
	*position
	tx   pgx.Tx
	b    *Batch
	open openings // before the target was looked at
	base interval // up to tick all is done
	done []interval
}

// claim takes the batch's interval, or tells that there is nothing to do.
func (s *sharing) claim(ctx context.Context) (todo bool, err error) {
	if s.b.reader.filter != "" {
		return false, loop.Permanent(hint.With(errors.New("the slots of a consumer that keeps the order of keys have no position in the target"),
			"end the batch by skytools.coop_finish_batch in the transaction that writes, or keep pgq_ext.set_last_tick(consumer, slot, tick) there"))
	}
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	tag, err := s.tx.Exec(ctx, `insert into `+s.members.SQL()+` (queue_name, consumer_name, prev_tick, tick_id, tick_time, tick_snapshot, batch_id)
		values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`, s.consumer.Queue, s.consumer.Name,
		int64(s.b.Prev.ID), int64(s.b.Cur.ID), s.b.Cur.Time, s.b.Cur.Snapshot.String(), int64(s.b.ID))
	if err != nil {
		return false, err
	}
	// Read now: what was done while this one waited for its claim counts.
	if err := s.read(ctx); err != nil {
		return false, err
	}
	if err := s.sameHistory(ctx); err != nil {
		return false, err
	}
	if s.b.Cur.ID <= s.base.tick {
		return false, nil
	}
	if tag.RowsAffected() == 1 && s.b.Prev.ID >= s.base.tick {
		return true, nil
	}
	for _, one := range s.done {
		if one.prev == s.b.Prev.ID && one.tick == s.b.Cur.ID && one.snapshot == s.b.Cur.Snapshot.String() {
			return false, s.adopt(ctx, one)
		}
	}
	return false, s.lost("is in the middle of what batch %d has, ticks %d to %d", s.b.ID, s.b.Prev.ID, s.b.Cur.ID)
}

// begin writes where the target begins, unless it has begun.
func (s *sharing) begin(ctx context.Context) error {
	var isolation string
	if err := s.tx.QueryRow(ctx, `select current_setting('transaction_isolation')`).Scan(&isolation); err != nil {
		return err
	}
	if isolation != "read committed" {
		return loop.Permanent(hint.With(fmt.Errorf("the target's transaction is %s", isolation),
			"it has to be read committed, to see what another member has done while this one waited"))
	}
	tick, snapshot := s.open.first()
	_, err := s.tx.Exec(ctx, `insert into `+s.table.SQL()+` (queue_name, consumer_name, tick_id, tick_snapshot)
		values ($1, $2, $3, $4) on conflict do nothing`, s.consumer.Queue, s.consumer.Name, int64(tick), snapshot)
	return err
}

func (s *sharing) read(ctx context.Context) error {
	rows, err := s.tx.Query(ctx, `select 0, tick_id, tick_snapshot, 0, null::text from `+s.table.SQL()+`
			where queue_name = $1 and consumer_name = $2
		union all
		select prev_tick, tick_id, tick_snapshot, batch_id, wishes::text from `+s.members.SQL()+`
			where queue_name = $1 and consumer_name = $2
		order by 1`, s.consumer.Queue, s.consumer.Name)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (i interval, err error) {
		err = row.Scan(&i.prev, &i.tick, &i.snapshot, &i.batch, &i.wishes)
		return i, err
	})
	if err == nil && (len(all) == 0 || all[0].prev != 0) {
		err = errors.New("the consumer's row is gone")
	}
	if err == nil {
		s.base, s.done = all[0], all[1:]
	}
	return err
}

// through walks from the position over the intervals that follow each other
// and that pass accepts, and returns the last.
func (s *sharing) through(pass func(interval) bool) interval {
	at := s.base
	for _, one := range s.done {
		if one.prev == at.tick && pass(one) {
			at = one
		}
	}
	return at
}

// sameHistory compares target and queue where what is done ends. There an open
// batch begins, or the next one; if not, the queue's consumer was moved back, or
// the target has lost what the queue takes for done.
func (s *sharing) sameHistory(ctx context.Context) error {
	at := s.through(func(i interval) bool { return i.batch != s.b.ID })
	snapshot, begins := s.open.at[at.tick]
	if !begins {
		if at.tick < s.open.next {
			return s.lostAt(at, "is behind the queue, where no batch is open that begins there")
		}
		tick, err := s.b.reader.Tick(ctx, at.tick)
		if errors.Is(err, ErrTickNotFound) {
			return s.lostAt(at, "is not in the queue")
		} else if err != nil {
			return err
		}
		snapshot = tick.Snapshot.String()
	}
	if snapshot != at.snapshot {
		return s.lostAt(at, "is not the one that the queue has under this number: %s there, %s here", snapshot, at.snapshot)
	}
	return nil
}

func (s *sharing) lostAt(at interval, format string, args ...any) error {
	return stand{tick: at.tick}.lost(s.b, format, args...)
}

func (s *sharing) lost(format string, args ...any) error { return s.lostAt(s.base, format, args...) }

// adopt takes up what was asked for events of a batch that is done, unless the
// queue has been told: it has if that one is ended.
func (s *sharing) adopt(ctx context.Context, one interval) error {
	same := one.batch == s.b.ID
	if !same {
		err := s.b.reader.conn.QueryRow(ctx, s.b.calls.sql(`select skytools.coop_continues($1, $2)`), int64(s.b.ID), int64(one.batch)).Scan(&same)
		if err = known(err); errors.Is(err, ErrNotInstalled) {
			return loop.Permanent(hint.With(err, "run \"pgqadm INI install\" in the queue's database"))
		} else if err != nil {
			return err
		}
	}
	if same && one.wishes != nil {
		return json.Unmarshal([]byte(*one.wishes), &s.b.wishes)
	}
	return nil
}

// move writes down what was asked for the batch's events, and has the position
// pass over what nobody will ask for again.
func (s *sharing) move(ctx context.Context) error {
	asked, err := s.b.wishes.json()
	if err == nil && asked != nil {
		_, err = s.tx.Exec(ctx, `update `+s.members.SQL()+` set wishes = $4::jsonb
			where queue_name = $1 and consumer_name = $2 and prev_tick = $3`, s.consumer.Queue, s.consumer.Name, int64(s.b.Prev.ID), asked)
	}
	if err != nil {
		return err
	}
	to := s.through(func(i interval) bool {
		_, open := s.open.at[i.prev]
		return !open && i.tick <= s.open.next
	})
	if to.tick == s.base.tick {
		return nil
	}
	// Another member may be about to do the same; nobody waits for that.
	tag, err := s.tx.Exec(ctx, `update `+s.table.SQL()+` p set tick_id = $4, tick_snapshot = $5, tick_time = null, updated = now()
		from (select ctid from `+s.table.SQL()+` where queue_name = $1 and consumer_name = $2 and tick_id = $3
			for no key update skip locked) l
		where p.ctid = l.ctid`, s.consumer.Queue, s.consumer.Name, int64(s.base.tick), int64(to.tick), to.snapshot)
	if err == nil && tag.RowsAffected() == 1 {
		_, err = s.tx.Exec(ctx, `delete from `+s.members.SQL()+`
			where queue_name = $1 and consumer_name = $2 and tick_id <= $3`, s.consumer.Queue, s.consumer.Name, int64(to.tick))
	}
	return err
}

// settle has the position of a consumer that had members take over what those
// have done, before the consumer goes on by itself.
func (p *position) settle(ctx context.Context, tx pgx.Tx, b *Batch) error {
	var members bool
	if err := tx.QueryRow(ctx, `select to_regclass($1) is not null`, p.members.SQL()).Scan(&members); err != nil || !members {
		return err
	}
	open, err := p.openings(ctx, b)
	if err != nil {
		return err
	}
	s := &sharing{position: p, tx: tx, b: b, open: open}
	if err := s.read(ctx); err != nil || len(s.done) == 0 {
		return err
	}
	to := s.through(func(interval) bool { return true })
	if to.tick != s.done[len(s.done)-1].tick || len(open.at) > 1 {
		return loop.Permanent(hint.With(fmt.Errorf("members of consumer %s have batches open", p.consumer.Name),
			"let them end those, or run a member until it has taken them over"))
	}
	_, err = tx.Exec(ctx, `update `+p.table.SQL()+` set tick_id = $3, tick_snapshot = $4, tick_time = null, updated = now()
		where queue_name = $1 and consumer_name = $2`, p.consumer.Queue, p.consumer.Name, int64(to.tick), to.snapshot)
	if err == nil {
		_, err = tx.Exec(ctx, `delete from `+p.members.SQL()+` where queue_name = $1 and consumer_name = $2`, p.consumer.Queue, p.consumer.Name)
	}
	return err
}
