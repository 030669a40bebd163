package londiste

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/structure"
	"github.com/skytools-go/skytools/londiste/set"
)

// Trigger is a user's trigger on a replicated table.
type Trigger struct {
	Table ident.Name `json:"table"`
	Name  string     `json:"trigger"`
	Def   string     `json:"def"` // the statement that makes it
}

// userTrigger is a trigger or rule that is neither the server's own nor ours.
type userTrigger struct {
	name    string
	enabled string // pg_trigger.tgenabled, pg_rewrite.ev_enabled: O, R, A
}

// settleTriggers keeps the user's triggers from firing on applied rows. Where
// the role may set session_replication_role the worker does it, and only
// those that fire as replica are reported. Elsewhere the triggers are saved
// and disabled; with keep they are reported and left.
func (s *session) settleTriggers(ctx context.Context, tx pgx.Tx, table ident.Name, keep bool) error {
	list, err := firingTriggers(ctx, tx, table)
	if err != nil {
		return err
	}
	rules, err := firingRules(ctx, tx, table)
	if err != nil || len(list)+len(rules) == 0 {
		return err
	}
	replica, err := set.MayBeReplica(ctx, tx)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if r.enabled == "A" || (r.enabled == "R") == replica {
			s.log.Warn(fmt.Sprintf("Rule %s on %s acts on replicated rows", ident.Quote(r.name), table))
		}
	}
	for _, t := range list {
		asReplica := t.enabled == "R" || t.enabled == "A"
		asOrigin := t.enabled == "O" || t.enabled == "A"
		switch {
		case replica && asReplica:
			s.log.Warn(fmt.Sprintf("Trigger %s on %s is enabled for replicas: it fires on replicated rows", t.name, table))
		case replica || !asOrigin:
		case keep:
			s.log.Warn(fmt.Sprintf("Trigger %s on %s fires on replicated rows: role %s may not set session_replication_role",
				t.name, table, s.conn.Config().User))
		default:
			if err := s.disableTrigger(ctx, tx, table, t); err != nil {
				return fmt.Errorf("disable trigger %s: %w", t.name, err)
			}
		}
	}
	return nil
}

func firingTriggers(ctx context.Context, q set.Queryer, table ident.Name) ([]userTrigger, error) {
	rows, err := q.Query(ctx, `
		select t.tgname, t.tgenabled::text
		from pg_trigger t
		join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
		join pg_proc p on p.oid = t.tgfoid join pg_namespace pn on pn.oid = p.pronamespace
		where n.nspname = $1 and c.relname = $2
		  and not t.tgisinternal and t.tgenabled <> 'D' and pn.nspname <> 'skytools'
		order by t.tgname`, table.Schema, table.Name)
	if err != nil {
		return nil, fmt.Errorf("read triggers of %s: %w", table, err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (userTrigger, error) {
		var t userTrigger
		err := row.Scan(&t.name, &t.enabled)
		return t, err
	})
}

// firingRules lists the rules that rewrite statements of some session.
func firingRules(ctx context.Context, q set.Queryer, table ident.Name) ([]userTrigger, error) {
	rows, err := q.Query(ctx, `
		select r.rulename, r.ev_enabled::text from pg_rewrite r
		where r.ev_class = to_regclass($1)::oid and r.ev_type <> '1' and r.ev_enabled <> 'D' order by r.rulename`, table.SQL())
	if err != nil {
		return nil, fmt.Errorf("read rules of %s: %w", table, err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (userTrigger, error) {
		var r userTrigger
		err := row.Scan(&r.name, &r.enabled)
		return r, err
	})
}

func (s *session) disableTrigger(ctx context.Context, tx pgx.Tx, table ident.Name, t userTrigger) error {
	how := "enable trigger "
	if t.enabled == "A" {
		how = "enable always trigger "
	}
	name := ident.Quote(t.name)
	_, err := tx.Exec(ctx, `
		insert into skytools.pending_ddl (queue_name, table_name, kind, object_name, ddl)
		values ($1, $2, 'trigger', $3, $4)
		on conflict (queue_name, table_name, kind, object_name) do update set ddl = excluded.ddl`,
		s.queue, table.String(), t.name, "alter table "+table.SQL()+" "+how+name)
	if err != nil {
		return err
	}
	s.log.Info("Disabling trigger " + t.name + " on " + table.String())
	_, err = tx.Exec(ctx, "alter table "+table.SQL()+" disable trigger "+name)
	return err
}

// pendingTriggers are the names and restoring statements saved for a table.
func (s *session) pendingTriggers(ctx context.Context, q set.Queryer, table ident.Name) (map[string]string, []string, error) {
	rows, err := q.Query(ctx, `
		select object_name, ddl from skytools.pending_ddl
		where queue_name = $1 and table_name = $2 and kind = 'trigger' order by pending_id`,
		s.queue, table.String())
	if err != nil {
		return nil, nil, fmt.Errorf("read pending triggers: %w", err)
	}
	ddl := map[string]string{}
	var order []string
	var name, text string
	_, err = pgx.ForEachRow(rows, []any{&name, &text}, func() error {
		ddl[name] = text
		order = append(order, name)
		return nil
	})
	return ddl, order, err
}

// restoreTriggers enables saved triggers of a table again; one that the user
// has dropped meanwhile is forgotten.
func (s *session) restoreTriggers(ctx context.Context, tx pgx.Tx, table ident.Name, names []string, ddl map[string]string) error {
	for _, name := range names {
		exists, err := set.One[bool](ctx, tx, `
			select exists (select from pg_trigger t
			    join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
			    where n.nspname = $1 and c.relname = $2 and t.tgname = $3)`, table.Schema, table.Name, name)
		if err != nil {
			return err
		}
		if exists {
			s.log.Info("Restoring trigger " + name + " on " + table.String())
			if _, err := tx.Exec(ctx, ddl[name]); err != nil {
				return fmt.Errorf("restore trigger %s: %w", name, err)
			}
		} else {
			s.log.Warn("Trigger " + name + " on " + table.String() + " does not exist any more")
		}
		if _, err := tx.Exec(ctx, `
			delete from skytools.pending_ddl
			where queue_name = $1 and table_name = $2 and kind = 'trigger' and object_name = $3`,
			s.queue, table.String(), name); err != nil {
			return err
		}
	}
	return nil
}

// RestoreTriggers enables the saved triggers of a table, or those named.
func (b *Subscriber) RestoreTriggers(ctx context.Context, table string, names []string) error {
	n, err := ident.Parse(table)
	if err != nil {
		return err
	}
	s, err := b.openSubscriber(ctx, b.Fake)
	if err != nil {
		return err
	}
	defer s.close()
	ddl, order, err := s.pendingTriggers(ctx, s.conn, n)
	if err != nil {
		return err
	}
	if len(order) == 0 && len(names) == 0 {
		s.log.Info("No pending triggers found for " + n.String() + ".")
		return s.needTable(ctx, n)
	}
	if len(names) == 0 {
		names = order
	}
	firing, err := firingTriggers(ctx, s.conn, n)
	if err != nil {
		return err
	}
	var restore []string
	for _, name := range names {
		active := slices.ContainsFunc(firing, func(t userTrigger) bool { return t.name == name })
		switch {
		case ddl[name] != "":
			restore = append(restore, name)
		case active:
			s.log.Info("Trigger " + name + " on " + n.String() + " is already active.")
		default:
			return hint.With(fmt.Errorf("table %s has no trigger %s", n, name), "subscriber triggers lists them")
		}
	}
	return s.changeTable(ctx, n, func(tx pgx.Tx) error { return s.restoreTriggers(ctx, tx, n, restore, ddl) })
}

// needTable fails where the subscriber's database has no such table.
func (s *session) needTable(ctx context.Context, n ident.Name) error {
	found, err := structure.Keys(ctx, s.conn, []ident.Name{n})
	if err == nil && found[n] == nil {
		err = fmt.Errorf("table %s does not exist at the %s", n, s.side)
	}
	return err
}

// Triggers lists the users' triggers on replicated tables: pending ones wait
// to be restored, active ones are enabled.
func (b *Subscriber) Triggers(ctx context.Context) (pending, active []Trigger, err error) {
	s, err := b.openSubscriber(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	if err := s.spellOut(ctx); err != nil {
		return nil, nil, err
	}
	known, err := s.registered(ctx)
	if err != nil {
		return nil, nil, err
	}
	waiting, err := s.waitingTriggers(ctx)
	if err != nil {
		return nil, nil, err
	}
	schemas, rels := split(known)
	rows, err := s.conn.Query(ctx, `
		select n.nspname, c.relname, t.tgname, t.tgenabled = 'D', pg_get_triggerdef(t.oid)
		from pg_trigger t
		join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
		join pg_proc p on p.oid = t.tgfoid join pg_namespace pn on pn.oid = p.pronamespace
		join unnest($1::text[], $2::text[]) with ordinality as w (s, r, nr) on w.s = n.nspname and w.r = c.relname
		where not t.tgisinternal and pn.nspname <> 'skytools'
		order by w.nr, t.tgname`, schemas, rels)
	if err != nil {
		return nil, nil, fmt.Errorf("read triggers: %w", err)
	}
	var t Trigger
	var disabled bool
	_, err = pgx.ForEachRow(rows, []any{&t.Table.Schema, &t.Table.Name, &t.Name, &disabled, &t.Def}, func() error {
		switch {
		case waiting[t.Table.String()+" "+t.Name]:
			pending = append(pending, t)
		case !disabled:
			active = append(active, t)
		}
		return nil
	})
	return pending, active, err
}

func (s *session) waitingTriggers(ctx context.Context) (map[string]bool, error) {
	rows, err := s.conn.Query(ctx, `
		select table_name || ' ' || object_name from skytools.pending_ddl
		where queue_name = $1 and kind = 'trigger'`, s.queue)
	if err != nil {
		return nil, fmt.Errorf("read pending triggers: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	waiting := map[string]bool{}
	for _, name := range list {
		waiting[name] = true
	}
	return waiting, err
}

// split makes parallel arrays of names, for unnest.
func split(names []ident.Name) (schemas, rels []string) {
	schemas, rels = make([]string, len(names)), make([]string, len(names))
	for i, n := range names {
		schemas[i], rels[i] = n.Schema, n.Name
	}
	return schemas, rels
}
