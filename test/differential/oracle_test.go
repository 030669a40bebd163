package differential

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/test/workload"
)

// oracle makes ticks, and knows the provider's state at each.
type oracle struct {
	lock, look *pgx.Conn
	queue      string
	expected   map[int64]string // tick id to content
	first      int64            // tick from which on all are known
	last       int64            // the newest tick
	watermark  time.Time        // when it was moved
}

// alone pauses the ticker, so that every tick from now on is the oracle's.
func (o *oracle) alone(t *testing.T) {
	t.Helper()
	pgtest.Exec(t, o.lock, "update pgq.queue set queue_ticker_paused = true")
	if err := o.tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.first = o.last
}

// tick makes one tick and notes the content of all tables as of it.
func (o *oracle) tick(ctx context.Context) error {
	tx, err := o.lock.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) // after the commit it does nothing
	var queueID int
	var eventSeq, tickSeq string
	err = tx.QueryRow(ctx, "select queue_id, queue_event_seq, queue_tick_seq from pgq.queue where queue_name = $1", o.queue).
		Scan(&queueID, &eventSeq, &tickSeq)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "select skytools.tick_lock($1)", queueID); err != nil {
		return err
	}
	var events int64
	if err := tx.QueryRow(ctx, "select pgq.seq_getval($1)", eventSeq).Scan(&events); err != nil {
		return err
	}
	view, err := o.look.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer view.Rollback(ctx) // it only reads
	// Locked before the snapshot is taken: a table truncated between the two
	// is empty for every snapshot, also for one from before.
	if _, err := view.Exec(ctx, "lock table "+strings.Join(workload.Tables, ", ")+" in access share mode"); err != nil {
		return err
	}
	var snapshot string
	if err := view.QueryRow(ctx, "select txid_current_snapshot()::text").Scan(&snapshot); err != nil {
		return err
	}
	var id int64
	err = tx.QueryRow(ctx, `insert into pgq.tick (tick_queue, tick_id, tick_snapshot, tick_event_seq)
		values ($1, nextval($2::text::regclass), $3::text::txid_snapshot, $4) returning tick_id`, queueID, tickSeq, snapshot, events).Scan(&id)
	if err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	var content string
	if err := view.QueryRow(ctx, "select content_hash()").Scan(&content); err != nil {
		return err
	}
	o.expected[id], o.last = content, id
	_, err = o.look.Exec(ctx, "rollback; select pg_notify('skytools_tick', '"+o.queue+"')")
	return err
}

// letRotate moves the root's watermark once a second, which maintenance does
// every five minutes: it holds back rotation as any consumer.
func (o *oracle) letRotate(t *testing.T) {
	t.Helper()
	if time.Since(o.watermark) > time.Second {
		o.watermark = time.Now()
		pgtest.Exec(t, o.lock, "select pgq_node.set_global_watermark('"+o.queue+"', null)")
	}
}

// rotated fails if the queue's tables were not truncated again and again.
func (o *oracle) rotated(t *testing.T) {
	t.Helper()
	var written, left int64
	err := o.look.QueryRow(t.Context(), "select max(ev_id), count(*) from pgq.event_1").Scan(&written, &left)
	if err != nil {
		t.Fatal(err)
	}
	if left > written/2 {
		t.Errorf("of %d events %d are still in the queue: it did not rotate", written, left)
	}
}

// watch is what the test adds at the subscriber: each write of the position
// notes the content of all tables as its transaction leaves it.
const watch = `
create table content_seen (seen_id bigserial primary key, tick_id bigint not null, content text not null);
create function content_note() returns trigger language plpgsql as $$
begin
	insert into public.content_seen (tick_id, content) values (new.last_tick_id, public.content_hash());
	return null;
end $$;
create trigger content_note after update on pgq_node.local_state
	for each row when (new.consumer_name not like '%.copy.%') execute function content_note();
alter table pgq_node.local_state enable always trigger content_note;
`

// judge compares every state that the subscriber passed, from the first tick
// on, with the provider's at the same tick, and returns how many.
func (o *oracle) judge(ctx context.Context, t *testing.T, subscriber *pgx.Conn) int {
	t.Helper()
	rows, err := subscriber.Query(ctx, "select tick_id, content from content_seen where tick_id >= $1 order by seen_id", o.first)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	compared, wrong := 0, 0
	for rows.Next() {
		var id int64
		var content string
		if err := rows.Scan(&id, &content); err != nil {
			t.Fatal(err)
		}
		want, known := o.expected[id]
		if !known {
			t.Errorf("the subscriber was at tick %d, which nobody made", id)
			continue
		}
		compared++
		if content != want {
			if wrong++; wrong <= 3 {
				t.Errorf("at tick %d the subscriber differs:\nprovider   %s\nsubscriber %s", id, want, content)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if wrong > 3 {
		t.Errorf("%d of %d ticks differ", wrong, compared)
	}
	return compared
}

// prepare makes tables and content_hash() on one side.
func prepare(ctx context.Context, conn *pgx.Conn, provider bool) error {
	if err := workload.Create(ctx, conn, provider); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	_, err := conn.Exec(ctx, workload.HashFunction)
	return err
}
