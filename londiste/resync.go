package londiste

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/londiste/set"
)

// Resync has the named tables copied anew. Where all are meant, those whose
// copy is on its way already are left to it.
func (b *Subscriber) Resync(ctx context.Context, sel Selection) error {
	s, err := b.openSubscriber(ctx, b.Fake)
	if err != nil {
		return err
	}
	defer s.close()
	tables, found, err := s.pickResync(ctx, sel)
	if err != nil {
		return err
	}
	var again []ident.Name
	for _, n := range found.names {
		t := tables[n]
		switch {
		case t.State.Phase == set.OK, t.Parked != nil, t.Part != nil:
			again = append(again, n)
		case found.byGlob[n]:
			s.log.Info("Table " + n.String() + " is being copied already")
		default:
			return hint.With(refusal("Table "+n.String()+" is not in stable state"),
				"its state is %s; it is copied already", t.State)
		}
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		for _, n := range again {
			s.log.Info("Resyncing " + n.String())
			if err := s.needUnshared(ctx, tx, n); err != nil {
				return fmt.Errorf("resync table %s: %w", n, err)
			}
			if _, err := tx.Exec(ctx, `
				update londiste.table_info set merge_state = null, custom_snapshot = null
				where queue_name = $1 and table_name = $2 and local and (merge_state = 'ok' or exists (
					select from skytools.parked_table p where p.queue_name = $1 and p.table_name = $2))`,
				s.queue, n.String()); err != nil {
				return fmt.Errorf("resync table %s: %w", n, err)
			}
			if err := set.Unpark(ctx, tx, s.queue, n, true); err != nil {
				return fmt.Errorf("resync table %s: %w", n, err)
			}
		}
		if err := s.forgetDiverged(ctx, tx, again); err != nil {
			return fmt.Errorf("counters of the tables: %w", err)
		}
		return nil
	})
}

// forgetDiverged: the rows that were found changed go. Counters are locked last,
// and in the order in which the worker adds to those of its batch.
func (s *session) forgetDiverged(ctx context.Context, tx pgx.Tx, tables []ident.Name) error {
	names := make([]string, len(tables))
	for i, n := range tables {
		names[i] = n.String()
	}
	_, err := tx.Exec(ctx, `
		with counted as materialized (
			select consumer_name, table_name from skytools.table_counter
			where queue_name = $1 and table_name = any($2) order by table_name for update)
		update skytools.table_counter t set diverged = 0 from counted c
		where t.queue_name = $1 and t.consumer_name = c.consumer_name and t.table_name = c.table_name`, s.queue, names)
	return err
}

// needUnshared: a copy empties the table, or takes rows of it away.
func (s *session) needUnshared(ctx context.Context, tx pgx.Tx, name ident.Name) error {
	t, found, err := set.OneTable(ctx, tx, s.queue, name)
	if err != nil || !found {
		return err
	}
	err = set.Unshared(ctx, tx, s.queue, t, "its copy")
	if errors.Is(err, set.ErrShared) {
		n := hint.Shell(name.String())
		return hint.With(err, "londiste INI repair %s --apply mends what differs; else delete the rows of this set by hand, then subscriber remove %s; subscriber add --skip-truncate %s", n, n, n)
	}
	return err
}

// pickResync resolves a selection to tables that are replicated.
func (s *session) pickResync(ctx context.Context, sel Selection) (map[ident.Name]*set.Table, picked, error) {
	list, err := s.localTables(ctx)
	if err != nil {
		return nil, picked{}, err
	}
	tables := map[ident.Name]*set.Table{}
	var known []ident.Name
	for i := range list {
		tables[list[i].Name] = &list[i]
		known = append(known, list[i].Name)
	}
	if sel.empty() {
		return nil, picked{}, hint.With(ErrNothingNamed, "type: londiste INI subscriber resync TABLE…, or resync --all (--force means the same) for every table")
	}
	found, err := sel.pick(known)
	switch {
	case err != nil:
	case len(found.absent) > 0:
		err = hint.With(refusal("Table "+joinNames(found.absent)+" not found"), "subscriber tables lists those that are replicated")
	case len(found.unknown) > 0:
		err = hint.With(refusal("Table "+found.unknown[0]+" not found: nothing matches"), "subscriber tables lists those that are replicated")
	}
	return tables, found, err
}

// ResyncWhere has the rows of one table copied anew for which a condition is true
// at either side. The table stays in the set, and the others are not held up.
func (b *Subscriber) ResyncWhere(ctx context.Context, sel Selection, where string) error {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	defer prov.close()
	defer sub.close()
	_, found, err := sub.pickResync(ctx, sel)
	if err != nil {
		return err
	}
	if len(found.names) != 1 {
		return hint.With(refusal("A condition is one table's"), "name the table, not a pattern of several")
	}
	name := found.names[0]
	if err := b.needKey(ctx, prov, name); err != nil {
		return err
	}
	for _, s := range []*session{prov, sub} {
		if err := s.checkCondition(ctx, &b.Pair, name, where); err != nil {
			return err
		}
	}
	return sub.change(ctx, func(tx pgx.Tx) error {
		if err := sub.askPart(ctx, tx, name, &where); err != nil {
			return err
		}
		sub.log.Info("Resyncing " + name.String() + ": rows where " + where)
		return nil
	})
}

// needKey refuses a table whose rows cannot be told apart.
func (b *Subscriber) needKey(ctx context.Context, prov *session, name ident.Name) error {
	t, found, err := set.OneTable(ctx, prov.conn, b.Queue, name)
	if err == nil && (!found || !t.Local) {
		err = hint.With(refusal("Table "+name.String()+" not attached to queue"), "register it at the provider first: londiste INI provider add %s", hint.Shell(name.String()))
	}
	if err != nil {
		return err
	}
	key, _, err := set.EventKey(ctx, prov.conn, b.Queue, t.Dest)
	if err == nil && len(key) == 0 {
		err = hint.With(refusal("Table "+name.String()+" has no key: its rows cannot be told apart"),
			"copy it as a whole: londiste INI subscriber resync %s", hint.Shell(name.String()))
	}
	return err
}

// checkCondition has the server parse a condition, which does nothing else.
func (s *session) checkCondition(ctx context.Context, p *set.Pair, name ident.Name, where string) error {
	t, _, err := set.OneTable(ctx, s.conn, s.queue, name)
	if err != nil {
		return err
	}
	tx, err := s.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if err := set.BeginDDL(ctx, tx, p); err != nil {
		return err
	}
	question, err := tx.Prepare(ctx, "", "select from "+t.Dest.SQL()+" where ("+where+"\n)")
	if err == nil && len(question.ParamOIDs) > 0 {
		err = errors.New("it has parameters")
	}
	if lockFailed(err) {
		return hint.With(fmt.Errorf("table %s at the %s is held against readers: %w", t.Dest, s.side, err),
			"end the transaction that holds it, or raise lock_timeout in the ini")
	}
	if err != nil {
		return hint.With(fmt.Errorf("condition %q cannot be asked of table %s at the %s: %w", where, t.Dest, s.side, err),
			"it is an SQL expression over the table's columns; names outside pg_catalog need their schema")
	}
	return nil
}

// askPart writes down that a part of a table is to be copied anew: the rows for
// which a condition is true, or, without one, those of the keys that the caller
// writes in the same transaction. A parked table is retried with it.
func (s *session) askPart(ctx context.Context, tx pgx.Tx, name ident.Name, where *string) error {
	// The worker changes the state under this row's lock.
	_, err := tx.Exec(ctx, `select from londiste.table_info where queue_name = $1 and table_name = $2 for update`, s.queue, name.String())
	if err != nil {
		return err
	}
	t, found, err := set.OneTable(ctx, tx, s.queue, name)
	if err == nil && (!found || !t.Local) {
		err = refusal("Table " + name.String() + " left the set meanwhile")
	}
	if err != nil {
		return err
	}
	if err := s.needUnshared(ctx, tx, name); err != nil { // what is gone at one provider may be another's row
		return err
	}
	list := []set.Table{t}
	if err := set.NoteParked(ctx, tx, s.queue, list); err != nil {
		return err
	}
	t = list[0]
	const wait = "londiste INI wait-sync tells when it is done"
	switch {
	case t.Parked != nil && t.Parked.GivenUp != "":
		return hint.With(refusal("The events of table "+name.String()+" are kept no longer: "+t.Parked.GivenUp),
			"copy it as a whole: londiste INI subscriber resync %s", hint.Shell(name.String()))
	case t.Aside():
		if err := s.retry(ctx, tx, &t); err != nil {
			return err
		}
	case t.Part != nil:
		return hint.With(refusal("A part of table "+name.String()+" is being copied anew already: "+t.Part.String()), wait)
	case t.Parked != nil, t.State.Phase != set.OK:
		return hint.With(refusal("Table "+name.String()+" is not in stable state"), "its state is %s; %s", t.Shown(), wait)
	}
	for _, sql := range []string{
		`delete from skytools.resync_key where queue_name = $1 and table_name = $2`,
		`delete from skytools.resync_part where queue_name = $1 and table_name = $2`,
	} {
		if _, err := tx.Exec(ctx, sql, s.queue, name.String()); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `insert into skytools.resync_part (queue_name, table_name, condition) values ($1, $2, $3)`,
		s.queue, name.String(), where)
	if err != nil {
		return fmt.Errorf("resync table %s: %w", name, err)
	}
	return nil
}

// ResyncDifferent compares tables and has the rows that differ copied anew.
// What o tells of rows goes on being told.
func (b *Subscriber) ResyncDifferent(ctx context.Context, sel Selection, o CompareOptions) error {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	defer prov.close()
	defer sub.close()
	_, picked, err := sub.pickResync(ctx, sel)
	if err != nil {
		return err
	}
	for _, name := range picked.names {
		if err := b.needKey(ctx, prov, name); err != nil {
			return err
		}
	}
	k := &foundKeys{conn: sub.conn}
	if err := k.exec(ctx, `create temp table skytools_found (key text not null)`); err != nil {
		return hint.With(fmt.Errorf("subscriber: %w", err), "the role needs the right to make temporary tables there")
	}
	o.CountOnly = false
	o.Each = func(_ ident.Name, d RowDifference) error { return k.add(ctx, d) }
	o.Again = func() error { return k.forget(ctx) }
	return b.Compare(ctx, sel, o, func(c Comparison) error {
		if err := k.flush(ctx); err != nil {
			return err
		}
		switch {
		case c.Skipped != "":
			return hint.With(refusal("Table "+c.Table.String()+" cannot be compared: "+c.Skipped),
				"londiste INI wait-sync waits for a copy; a parked table comes back by subscriber retry, resync --where or resync")
		case c.Error != "":
			return errors.New(c.Error)
		case c.Equal:
			sub.log.Info("Table " + c.Table.String() + " is equal at both sides: nothing to resync")
			return nil
		}
		if err := sub.askKeys(ctx, c); err != nil {
			return fmt.Errorf("resync table %s: %w", c.Table, err)
		}
		return k.forget(ctx)
	})
}

// foundKeys gathers the keys that a comparison finds in a temporary table of the
// subscriber: there may be many.
type foundKeys struct {
	conn *pgx.Conn
	rows [][]any
}

const foundSize = 1000

func (k *foundKeys) add(ctx context.Context, d RowDifference) error {
	key := map[string]*string{}
	for _, part := range d.Key {
		key[part.Column] = part.Value
	}
	text, err := json.Marshal(key)
	if err != nil {
		return err
	}
	k.rows = append(k.rows, []any{string(text)})
	if len(k.rows) < foundSize {
		return nil
	}
	return k.flush(ctx)
}

func (k *foundKeys) flush(ctx context.Context) error {
	err := k.write(ctx, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"pg_temp", "skytools_found"}, []string{"key"}, pgx.CopyFromRows(k.rows))
		return err
	})
	k.rows = k.rows[:0]
	return err
}

func (k *foundKeys) forget(ctx context.Context) error {
	k.rows = k.rows[:0]
	return k.exec(ctx, `truncate pg_temp.skytools_found`)
}

func (k *foundKeys) exec(ctx context.Context, sql string) error {
	return k.write(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql)
		return err
	})
}

func (k *foundKeys) write(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return set.InTx(ctx, k.conn, failpoint.PartFound, fn)
}

// askKeys has the rows copied anew whose keys were gathered.
func (s *session) askKeys(ctx context.Context, c Comparison) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		if err := s.askPart(ctx, tx, c.Table, nil); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `insert into skytools.resync_key (queue_name, table_name, key)
			select $1, $2, key::jsonb from pg_temp.skytools_found`, s.queue, c.Table.String())
		return err
	})
	if err == nil {
		s.log.Info(fmt.Sprintf("Resyncing %s: %s (%d missing, %d extra, %d differing)", c.Table,
			noun.Count(c.Missing+c.Extra+c.Differing, "row"), c.Missing, c.Extra, c.Differing))
	}
	return err
}
