package londiste

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/structure"
	"github.com/skytools-go/skytools/londiste/set"
)

// Provider carries out the set-up commands of the provider's side. Each
// method opens a connection of its own and is one command: it refuses before
// it changes anything where a name or a table is no good.
type Provider struct {
	set.Pair
	Fake bool // dry run: roll back what a command did
}

// Capture says how the changes of newly added tables are taken down.
type Capture struct {
	Key   string // unique index on NOT NULL columns instead of the primary key
	NoKey bool   // tables without a primary key too: all columns tell rows apart
	Row   bool   // one trigger call a row instead of one a statement
}

func (c Capture) options() (string, error) {
	options := map[string]any{}
	if c.Key != "" {
		options["key"] = c.Key
	}
	if c.NoKey {
		options["full"] = true
	}
	if c.Row {
		options["mode"] = "row"
	}
	text, err := json.Marshal(options)
	return string(text), err
}

func (p *Provider) open(ctx context.Context) (*session, error) {
	return openSession(ctx, &p.Pair, "provider", p.Fake)
}

// refusal is an error whose text is Skytools', to the letter.
type refusal string

func (r refusal) Error() string { return string(r) }

// openProvider opens a connection to a provider whose queue exists.
func openProvider(ctx context.Context, p *set.Pair, fake bool) (*session, error) {
	s, err := openSession(ctx, p, "provider", fake)
	if err != nil {
		return nil, err
	}
	if err := s.needRoot(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// needRoot fails where the queue or its root node is missing.
func (s *session) needRoot(ctx context.Context) error {
	const advice = "run: londiste INI provider install"
	installed, err := set.One[bool](ctx, s.conn,
		"select to_regclass('pgq.queue') is not null and to_regclass('londiste.table_info') is not null")
	if err != nil {
		return err
	}
	if !installed {
		return hint.With(refusal("Event queue does not exist yet: nothing is installed at the provider"), advice)
	}
	exists, err := set.One[bool](ctx, s.conn, "select exists (select from pgq.queue where queue_name = $1)", s.queue)
	if err != nil {
		return err
	}
	if !exists {
		return hint.With(refusal("Event queue does not exist yet: "+s.queue), advice)
	}
	kind, err := s.nodeType(ctx)
	if err != nil {
		return err
	}
	if kind != "root" {
		return hint.With(fmt.Errorf("the provider has no root node for queue %s", s.queue), advice)
	}
	return nil
}

// ownSchemas are those that nobody replicates.
const ownSchemas = `n.nspname !~ '^(pg_|pgq$|pgq_)' and n.nspname not in ('londiste', 'skytools', 'information_schema')`

// candidates are the tables of the database that may be added, and which of
// them are partitions.
func (s *session) candidates(ctx context.Context) (all []ident.Name, partition map[ident.Name]bool, err error) {
	rows, err := s.conn.Query(ctx, `
		select n.nspname, c.relname, c.relispartition
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p') and `+ownSchemas)
	if err != nil {
		return nil, nil, err
	}
	partition = map[ident.Name]bool{}
	var n ident.Name
	var part bool
	_, err = pgx.ForEachRow(rows, []any{&n.Schema, &n.Name, &part}, func() error {
		all = append(all, n)
		partition[n] = part
		return nil
	})
	return all, partition, err
}

// AddTables captures the changes of tables from now on and registers them.
func (p *Provider) AddTables(ctx context.Context, sel Selection, capture Capture) error {
	s, err := openProvider(ctx, &p.Pair, p.Fake)
	if err != nil {
		return err
	}
	defer s.close()
	names, again, err := s.newTables(ctx, sel, capture)
	if err != nil {
		return err
	}
	if capture.Key != "" && capture.NoKey {
		return errors.New("--key and --no-key exclude each other")
	}
	if capture.Key != "" && len(names) > 1 {
		return fmt.Errorf("--key names one table's index, but %d tables are to be added", len(names))
	}
	if err := s.needCapturable(ctx, names); err != nil {
		return err
	}
	if err := s.needKeys(ctx, names, capture); err != nil {
		return err
	}
	options, err := capture.options()
	if err != nil {
		return err
	}
	for _, name := range names {
		if again[name] == "" {
			s.log.Info("Adding " + name.String())
		} else {
			s.log.Info("Capturing " + name.String() + " anew: " + again[name])
		}
		err := s.changeTable(ctx, name, func(tx pgx.Tx) error { return registerCapture(ctx, tx, s.queue, name, options) })
		if err != nil {
			return fmt.Errorf("add table %s: %w", name, err)
		}
	}
	return nil
}

// newTables resolves a selection to tables that are to be captured: those
// not registered yet, and of those named one by one also the drifted, or all
// where options are given. again says of these why.
func (s *session) newTables(ctx context.Context, sel Selection, capture Capture) (names []ident.Name, again map[ident.Name]string, err error) {
	all, partition, err := s.candidates(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read tables of the provider: %w", err)
	}
	p, err := sel.pick(all)
	if err != nil {
		return nil, nil, err
	}
	if err := s.needCapturable(ctx, p.absent); err != nil && set.SQLState(err) != "42P01" {
		return nil, nil, err // it is there, but no table
	}
	if err := p.complete("table", "provider"); err != nil {
		return nil, nil, err
	}
	known, err := s.registered(ctx)
	if err != nil {
		return nil, nil, err
	}
	again, err = s.drifts(ctx)
	if err != nil {
		return nil, nil, err
	}
	names = slices.DeleteFunc(p.names, func(n ident.Name) bool {
		switch {
		case !slices.Contains(known, n):
			// A partition's rows are captured through the table it is a part of.
			return p.byGlob[n] && partition[n]
		case p.byGlob[n]:
			return true
		case again[n] != "":
			return false
		case capture != Capture{}:
			again[n] = "other options"
			return false
		}
		s.log.Info("Table " + n.String() + " already added")
		return true
	})
	return names, again, nil
}

// drifts says of captured tables how they differ from what they were.
func (s *session) drifts(ctx context.Context) (map[ident.Name]string, error) {
	rows, err := s.conn.Query(ctx, `
		select table_schema, table_name, string_agg(drift, '; ' order by drift)
		from skytools.capture_drift($1) group by table_schema, table_name`, s.queue)
	if err != nil {
		return nil, fmt.Errorf("read drift: %w", err)
	}
	found := map[ident.Name]string{}
	var n ident.Name
	var drift string
	_, err = pgx.ForEachRow(rows, []any{&n.Schema, &n.Name, &drift}, func() error {
		found[n] = drift
		return nil
	})
	return found, err
}

// complete fails where some name of the command line means nothing.
func (p picked) complete(kind, side string) error {
	if len(p.unknown) > 0 {
		return hint.With(fmt.Errorf("no %ss found at the %s that match %s", kind, side, p.unknown[0]),
			"quote globs against the shell; * and ? do not match a dot, and a name without schema means public")
	}
	if len(p.absent) > 0 {
		err := fmt.Errorf("%s %s does not exist at the %s", kind, joinNames(p.absent), side)
		return hint.With(err, "a name without schema means public; capitals are kept as typed")
	}
	return nil
}

func (s *session) registered(ctx context.Context) ([]ident.Name, error) {
	list, err := set.Tables(ctx, s.conn, s.queue)
	if err != nil {
		return nil, err
	}
	var names []ident.Name
	for _, t := range list {
		if t.Local {
			names = append(names, t.Name)
		}
	}
	return names, nil
}

// needCapturable refuses what cannot be captured whatever its key: views,
// partitioned and unlogged tables, those without the rights for it.
func (s *session) needCapturable(ctx context.Context, names []ident.Name) error {
	for _, n := range names {
		if _, err := s.conn.Exec(ctx, "select skytools.capture_table($1, $2)", n.Schema, n.Name); err != nil {
			return fmt.Errorf("provider: %w", err)
		}
	}
	return nil
}

// needKeys refuses tables whose rows cannot be found by a key.
func (s *session) needKeys(ctx context.Context, names []ident.Name, capture Capture) error {
	found, err := structure.Keys(ctx, s.conn, names)
	if err != nil {
		return err
	}
	captured, err := s.captureKeys(ctx)
	if err != nil {
		return err
	}
	var bad []ident.Name
	for _, n := range names {
		t := found[n]
		if t == nil {
			return fmt.Errorf("table %s is gone from the provider", n)
		}
		if capture.Key != "" {
			if !slices.ContainsFunc(t.Keys, func(k structure.Key) bool { return k.Index == capture.Key }) {
				return hint.With(fmt.Errorf("%s is no usable key of table %s", capture.Key, n),
					"--key takes the name of a unique index on NOT NULL columns, without WHERE and without expressions")
			}
			continue
		}
		if len(t.Keys) > 0 && t.Keys[0].Primary {
			continue
		}
		if key, known := captured[n]; !capture.NoKey && (!known || len(key) > 0) {
			bad = append(bad, n)
		} else {
			s.log.Warn("Table " + n.String() + " has no key: its rows are told apart by all columns, and deletes read the subscriber's table")
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return hint.With(fmt.Errorf("table %s has no primary key", joinNames(bad)),
		"add one, name a unique index on NOT NULL columns with --key INDEX, or have rows told apart by all columns with --no-key")
}

// registerCapture keeps the options of an earlier capture that are not given.
func registerCapture(ctx context.Context, tx pgx.Tx, queue string, name ident.Name, options string) error {
	_, err := tx.Exec(ctx, `
		select skytools.capture_install($1, $2, $3, coalesce((
		    select c.options from skytools.capture c
		    where c.queue_name = $1 and c.table_schema = $2 and c.table_name = $3), '{}') || $4::jsonb)`,
		queue, name.Schema, name.Name, options)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		insert into londiste.table_info (queue_name, table_name, local, merge_state)
		values ($1, $2, true, 'ok')
		on conflict (queue_name, table_name) do update set local = true, merge_state = 'ok'`,
		queue, name.String())
	return err
}

// RemoveTables stops capturing and forgets the tables. Subscribers ignore
// what is still in the queue of them.
func (p *Provider) RemoveTables(ctx context.Context, sel Selection) error {
	s, err := openProvider(ctx, &p.Pair, p.Fake)
	if err != nil {
		return err
	}
	defer s.close()
	known, err := s.registered(ctx)
	if err != nil {
		return err
	}
	names, err := pickRegistered(sel, known, "Table", "provider")
	if err != nil {
		return err
	}
	for _, name := range names {
		s.log.Info("Removing " + name.String())
		var owed []string
		err := s.changeTable(ctx, name, func(tx pgx.Tx) (err error) {
			owed, err = dropCapture(ctx, tx, s.queue, name)
			return err
		})
		if err != nil {
			return fmt.Errorf("remove table %s: %w", name, err)
		}
		for _, sql := range owed {
			s.log.Warn("The table's owner has to run: " + sql)
		}
	}
	return nil
}

// dropCapture ends a table's capture and registration. Where the role does
// not own the table its triggers stay, doing nothing: owed is what the owner
// has to run.
func dropCapture(ctx context.Context, tx pgx.Tx, queue string, name ident.Name) (owed []string, err error) {
	owed, err = set.One[[]string](ctx, tx, `
		select array(select jsonb_array_elements_text(r -> 'owner_must'))
		from skytools.capture_remove($1, $2, $3) r`, queue, name.Schema, name.Name)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, "delete from londiste.table_info where queue_name = $1 and table_name = $2",
		queue, name.String())
	return owed, err
}

// pickRegistered resolves a selection among registrations; kind is Table or
// Seq.
func pickRegistered(sel Selection, known []ident.Name, kind, side string) ([]ident.Name, error) {
	p, err := sel.pick(known)
	switch {
	case err != nil:
		return nil, err
	case len(p.absent) > 0:
		err = refusal(fmt.Sprintf("%s %s not attached to queue at the %s", kind, joinNames(p.absent), side))
	case len(p.unknown) > 0:
		err = refusal(fmt.Sprintf("%s %s not attached to queue at the %s: nothing matches", kind, p.unknown[0], side))
	}
	return p.names, hint.With(err, "%s %ss lists them", side, strings.ToLower(kind))
}

// Tables lists the registered tables in the order of their adding.
func (p *Provider) Tables(ctx context.Context) ([]ident.Name, error) {
	s, err := openProvider(ctx, &p.Pair, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.registered(ctx)
}
