package londiste

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

func (s *session) subscriberStatus(ctx context.Context, st *Status) error {
	list, err := s.localTables(ctx)
	if err != nil {
		return err
	}
	for _, t := range list {
		row := st.table(t.Name.String())
		row.Here, row.State, row.Parked, row.Resync = true, t.Shown(), t.Parked, t.Part
	}
	if err := s.workerStatus(ctx, st); err != nil {
		return err
	}
	known := make([]ident.Name, len(list))
	for i, t := range list {
		known[i] = t.Name
	}
	if st.Fkeys, err = s.pendingForeignKeys(ctx, known); err != nil {
		return err
	}
	if err := s.tableDetails(ctx, st); err != nil {
		return err
	}
	copies, err := set.ReadProgress(ctx, s.conn, s.queue)
	if err != nil {
		return err
	}
	for name, p := range copies {
		st.table(name.String()).Copy = p
	}
	values, err := s.sequenceValues(ctx)
	if err != nil {
		return err
	}
	for _, v := range values {
		i := slices.IndexFunc(st.Sequences, func(q SequenceStatus) bool { return q.Name == v.name.String() })
		if i < 0 {
			i = len(st.Sequences)
			st.Sequences = append(st.Sequences, SequenceStatus{Name: v.name.String()})
		}
		st.Sequences[i].Here, st.Sequences[i].Subscriber = true, v.value
	}
	return s.errorStatus(ctx, st)
}

// workerStatus reads how far the worker is and whether it lives: then it holds
// an advisory lock beside its lease.
func (s *session) workerStatus(ctx context.Context, st *Status) error {
	var err error
	if st.Position, err = s.position(ctx, st.Consumer); err != nil {
		return err
	}
	st.Ahead, err = set.One[bool](ctx, s.conn, `select exists (select from skytools.worker_state
		where queue_name = $1 and consumer_name = $2 and rows_snapshot is not null)`, s.queue, st.Consumer)
	if err != nil {
		return err
	}
	var w WorkerStatus
	var applied *time.Time
	err = s.conn.QueryRow(ctx, `
		select l.holder, l.taken_at, s.last_tick_time, exists (
		    select from pg_locks k
		    where k.locktype = 'advisory' and k.granted and k.objsubid = 1
		      and k.database = (select oid from pg_database where datname = current_database())
		      and (k.classid::bigint << 32) | k.objid::bigint = `+set.LockKeySQL+`)
		from skytools.lease l left join skytools.worker_state s using (queue_name, consumer_name)
		where queue_name = $1 and consumer_name = $2`, s.queue, st.Consumer).
		Scan(&w.Holder, &w.Since, &applied, &w.Running)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("read worker: %w", err)
	}
	st.Worker = &w
	if applied != nil {
		st.applied = *applied
	}
	return nil
}

// comparedTables reads what comparisons have found of the tables shown.
func (s *session) comparedTables(ctx context.Context, st *Status) error {
	rows, err := s.conn.Query(ctx, `select table_name, equal_at, different_since, extra from skytools.compared_table
		where queue_name = $1`, s.queue)
	if err != nil {
		return fmt.Errorf("read comparisons: %w", err)
	}
	var name string
	var equal, different *time.Time
	var extra int64
	_, err = pgx.ForEachRow(rows, []any{&name, &equal, &different, &extra}, func() error {
		if _, known := st.places[name]; !known {
			return nil
		}
		if t := st.table(name); t.Here {
			t.Verified, t.Different, t.Extra = equal, different, extra
		}
		return nil
	})
	return err
}

func (s *session) tableDetails(ctx context.Context, st *Status) error {
	if err := s.comparedTables(ctx, st); err != nil {
		return err
	}
	rows, err := s.conn.Query(ctx, `
		select table_name, events, applied, coalesced, filtered, skipped, by_sets, fallbacks, diverged
		from skytools.table_counter where queue_name = $1 and consumer_name = $2`, s.queue, st.Consumer)
	if err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	var name string
	var c TableCounters
	fields := []any{&name, &c.Events, &c.Applied, &c.Coalesced, &c.Filtered, &c.Skipped, &c.BySets, &c.Fallbacks, &c.Diverged}
	if _, err := pgx.ForEachRow(rows, fields, func() error {
		st.table(name).Counters = c
		return nil
	}); err != nil {
		return err
	}
	rows, err = s.conn.Query(ctx, `select table_name, count(*) from skytools.skipped_event
		where queue_name = $1 group by table_name`, s.queue)
	if err != nil {
		return fmt.Errorf("read skipped events: %w", err)
	}
	var passed int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &passed}, func() error {
		st.table(name).Passed = passed
		return nil
	}); err != nil {
		return err
	}
	rows, err = s.conn.Query(ctx, `
		select table_name, kind, object_name from skytools.pending_ddl
		where queue_name = $1 order by pending_id`, s.queue)
	if err != nil {
		return fmt.Errorf("read pending objects: %w", err)
	}
	var kind, object string
	_, err = pgx.ForEachRow(rows, []any{&name, &kind, &object}, func() error {
		t := st.table(name)
		if kind == "trigger" {
			t.Disabled = append(t.Disabled, object)
		} else {
			t.Waiting++
		}
		return nil
	})
	return err
}

// errorStatus reports what the worker and its copies wrote down last.
func (s *session) errorStatus(ctx context.Context, st *Status) error {
	rows, err := s.conn.Query(ctx, `
		select consumer_name, cur_error from pgq_node.local_state
		where queue_name = $1 and cur_error is not null
		order by consumer_name`, s.queue)
	if err != nil {
		return fmt.Errorf("read errors: %w", err)
	}
	var consumer, text string
	_, err = pgx.ForEachRow(rows, []any{&consumer, &text}, func() error {
		text, advice := set.ErrorParts(text)
		mend := cmp.Or(advice, "londiste INI subscriber check; mend what it names, replay tries again by itself")
		if consumer == st.Consumer && st.Worker != nil {
			st.Worker.Error = text
		}
		if table, ok := strings.CutPrefix(consumer, st.Consumer+".copy."); ok {
			mend = cmp.Or(advice, "mend the cause") + "; the copy tries again by itself; londiste INI subscriber resync " + hint.Shell(table) + " starts it anew"
		}
		st.problem(Failing, mend, "%s: %s", consumer, text)
		return nil
	})
	return err
}
