package pgq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Transaction is one that is running and has changed something. The rotation
// of all queues waits for the oldest of the server.
type Transaction struct {
	Age  Seconds `json:"age"`
	Who  string  `json:"who"`  // "" where this role may not see it
	Mend string  `json:"mend"` // how it is ended, or seen
}

// Seconds is a duration that is a number of seconds in JSON, and short as text.
type Seconds time.Duration

// MarshalJSON rounds to milliseconds.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(fine(time.Duration(s))) }

// The server's statistics hide other roles' transactions from an ordinary one.
// Then the ticks tell at least since when the oldest has been running: it is
// open in their snapshots.
const oldestSQL = `
	select age, who, mend from (
		select extract(epoch from clock_timestamp() - xact_start)::float8 as age,
			format('process %s of %s, %s', pid, usename, state) as who,
			format('at that server: select pg_terminate_backend(%s) ends it', pid) as mend
		from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
		union all
		select extract(epoch from clock_timestamp() - prepared), format('prepared transaction %s of %s', gid, owner),
			format('in database %I: rollback prepared %L, or commit prepared', database, gid)
		from pg_prepared_xacts
		union all
		select extract(epoch from clock_timestamp() - min(t.tick_time)), '', format('grant pg_read_all_stats to %I shows whose it is', current_user)
		from pgq.tick t, txid_current_snapshot() now (snapshot)
		where txid_snapshot_xmin(now.snapshot) < txid_snapshot_xmax(now.snapshot)
			and txid_snapshot_xmax(t.tick_snapshot) > txid_snapshot_xmin(now.snapshot)
	) o where age is not null order by age desc limit 1`

// String is in whole seconds, or with parts where it is short.
func (s Seconds) String() string { return short(time.Duration(s)) }

func fine(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// short is a duration in whole seconds, or with parts where it is short.
func short(d time.Duration) string {
	if d%time.Second == 0 || d > 10*time.Second {
		return fmt.Sprintf("%ds", int64(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// OldestTransaction finds the oldest running transaction of the server that
// has changed something; nil if there is none.
func OldestTransaction(ctx context.Context, conn DB) (*Transaction, error) {
	var t Transaction
	var age float64
	err := conn.QueryRow(ctx, oldestSQL).Scan(&age, &t.Who, &t.Mend)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the oldest transaction: %w", err)
	}
	t.Age = Seconds(seconds(age))
	return &t, nil
}

// Long tells that it has been running for so long that somebody should look.
func (t *Transaction) Long() bool { return t != nil && time.Duration(t.Age) >= 5*time.Minute }

// String is a sentence for `status`.
func (t *Transaction) String() string {
	who := t.Who
	if who == "" {
		who = "this role may not see whose it is"
	}
	return fmt.Sprintf("the oldest transaction has been running for %s, and rotation waits for it: %s",
		time.Duration(t.Age).Round(time.Second), who)
}
