package check

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// watchSQL notes each event table that is emptied although a consumer has not
// yet been told of all its events. By then nothing else would show it.
const watchSQL = `
create table if not exists lost_events (event_table text, consumer text);
create or replace function note_lost_events() returns trigger language plpgsql as $$
declare
	reader record;
	needed bool;
begin
	for reader in
		select co_name, tick_snapshot from pgq.subscription
		join pgq.consumer on co_id = sub_consumer
		join pgq.tick on tick_queue = sub_queue and tick_id = sub_last_tick
		where sub_queue = tg_argv[0]::int
	loop
		execute format('select exists (select from only %s where not txid_visible_in_snapshot(ev_txid, $1))', tg_relid::regclass)
			into needed using reader.tick_snapshot;
		if needed then
			insert into public.lost_events values (tg_relid::regclass, reader.co_name);
		end if;
	end loop;
	return null;
end $$`

// WatchRotation lets [Pair.Invariants] know of event tables emptied too early.
// conn is of the role that installed the queue.
func WatchRotation(ctx context.Context, t testing.TB, conn *pgx.Conn, queue string) {
	t.Helper()
	_, err := conn.Exec(ctx, watchSQL)
	must(t, err)
	var id, tables int
	var prefix string
	must(t, conn.QueryRow(ctx, "select queue_id, queue_ntables, queue_data_pfx from pgq.queue where queue_name = $1", queue).
		Scan(&id, &tables, &prefix))
	for n := range tables {
		_, err := conn.Exec(ctx, fmt.Sprintf(`create or replace trigger note_lost_events before truncate on %s_%d
			for each statement execute function note_lost_events(%d)`, prefix, n, id))
		must(t, err)
	}
}

func (p Pair) rotation(ctx context.Context, t testing.TB) {
	t.Helper()
	rows, err := p.Provider.Query(ctx, "select event_table || ' needed by ' || consumer from public.lost_events")
	must(t, err)
	lost, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err) // it also fails where nobody watched
	if len(lost) > 0 {
		t.Errorf("event tables were emptied too early: %q", lost)
	}
}
