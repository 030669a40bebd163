package londiste

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/structure"
	"github.com/skytools-go/skytools/londiste/set"
)

// Subscriber carries out the set-up commands of the subscriber's side. Each
// method is one command and opens connections of its own; those that ask the
// provider something open one there too.
type Subscriber struct {
	set.Pair
	Fake bool // dry run: roll back what a command did
}

// AddOptions is how tables come in.
type AddOptions struct {
	ExpectSync   bool // rows are equal already: no copy
	SkipTruncate bool // keep the rows found before the copy
	Force        bool // differences of structure are warnings
	Create       bool // make the tables: types, columns, defaults, identity, checks, key
	CreateFull   bool // … and indexes, constraints, comments, privileges and the like

	attached bool // in sync, but triggers are to be kept from firing as for a copy
}

// ErrNothingNamed is returned by commands that want a name or all.
var ErrNothingNamed = errors.New("no table named")

func (b *Subscriber) openSubscriber(ctx context.Context, fake bool) (*session, error) {
	s, err := openSession(ctx, &b.Pair, "subscriber", fake)
	if err != nil {
		return nil, err
	}
	if err := s.needLeaf(ctx, b.Job); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) needLeaf(ctx context.Context, job string) error {
	const advice = "run: londiste INI subscriber install"
	installed, err := set.One[bool](ctx, s.conn,
		"select to_regclass('pgq_node.node_info') is not null and to_regclass('londiste.table_info') is not null")
	if err != nil {
		return err
	}
	if !installed {
		return hint.With(errors.New("nothing is installed at the subscriber"), advice)
	}
	var kind, name string
	err = s.conn.QueryRow(ctx, "select node_type, node_name from pgq_node.node_info where queue_name = $1", s.queue).
		Scan(&kind, &name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return hint.With(fmt.Errorf("the subscriber has no node for queue %s", s.queue), advice)
	case err != nil:
		return s.noRight(err)
	case kind == "root" || name != job:
		return hint.With(fmt.Errorf("the subscriber's database is %s node %q of queue %s, not %q", kind, name, s.queue, job),
			"check job_name, pgq_queue_name and subscriber_db")
	}
	return nil
}

// openBoth opens a session at the provider and one at the subscriber.
func (b *Subscriber) openBoth(ctx context.Context) (prov, sub *session, err error) {
	if sub, err = b.openSubscriber(ctx, b.Fake); err != nil {
		return nil, nil, err
	}
	if prov, err = openProvider(ctx, &b.Pair, b.Fake); err != nil {
		sub.close()
		return nil, nil, err
	}
	return prov, sub, nil
}

// AddTables has the worker replicate tables that the provider has
// registered, from a copy on unless opt.ExpectSync.
func (b *Subscriber) AddTables(ctx context.Context, sel Selection, opt AddOptions) error {
	if opt.ExpectSync && opt.SkipTruncate {
		return hint.With(refusal("Too many options"), "--expect-sync makes no copy, so there is nothing to --skip-truncate")
	}
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	defer prov.close()
	defer sub.close()
	var witness set.Witnesses
	if opt.ExpectSync && !b.Fake {
		if witness, err = set.ReadWitnesses(ctx, prov.conn, sub.conn); err != nil {
			return err
		}
	}
	names, err := b.pickAttached(ctx, prov, sub, sel)
	if err != nil {
		return err
	}
	creates := opt.Create || opt.CreateFull
	if !creates {
		if err := checkTables(ctx, prov, sub, names, opt.Force); err != nil {
			return err
		}
	}
	if opt.ExpectSync && len(names) > 0 && !b.Fake {
		// Without a copy nothing brings back what happens before the consumer
		// holds the events.
		if err := b.Register(ctx, false); err != nil {
			return err
		}
		if err := b.noteWitnesses(ctx, sub, witness); err != nil {
			return err
		}
	}
	if creates {
		return b.createTables(ctx, prov, sub, names, opt)
	}
	for _, name := range names {
		sub.log.Info("Adding " + name.String())
		err := sub.changeTable(ctx, name, func(tx pgx.Tx) error { return sub.registerTable(ctx, tx, name, opt) })
		if err != nil {
			return fmt.Errorf("add table %s: %w", name, err)
		}
	}
	return nil
}

// noteWitnesses has the worker notice a server that empties its unlogged tables
// before it has looked for the first time.
func (b *Subscriber) noteWitnesses(ctx context.Context, sub *session, seen set.Witnesses) error {
	return sub.change(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into skytools.worker_state as w (queue_name, consumer_name,
				provider_system_identifier, provider_timeline, provider_witness, subscriber_witness)
			values ($1, $2, $3, $4, $5, $6)
			on conflict (queue_name, consumer_name) do update
			set provider_witness = coalesce(w.provider_witness, excluded.provider_witness),
				subscriber_witness = coalesce(w.subscriber_witness, excluded.subscriber_witness)`,
			b.Queue, b.ConsumerName(), seen.Server.System, seen.Server.Timeline, seen.Provider, seen.Subscriber)
		return err
	})
}

// pickAttached resolves a selection to tables registered at the provider and
// not yet here.
func (b *Subscriber) pickAttached(ctx context.Context, prov, sub *session, sel Selection) ([]ident.Name, error) {
	attached, err := prov.registered(ctx)
	if err != nil {
		return nil, err
	}
	known, err := sub.registered(ctx)
	if err != nil {
		return nil, err
	}
	found, err := sel.pick(attached)
	switch {
	case err != nil:
		return nil, err
	case len(found.absent) > 0:
		return nil, hint.With(refusal("Table "+joinNames(found.absent)+" not attached to queue"),
			"register it at the provider first: londiste INI provider add %s", hint.Shell(found.absent[0].String()))
	case len(found.unknown) > 0:
		return nil, hint.With(refusal("No tables found that match "+found.unknown[0]),
			"provider tables lists what can be added")
	}
	return slices.DeleteFunc(found.names, func(n ident.Name) bool {
		there := slices.Contains(known, n)
		if there && !found.byGlob[n] {
			sub.log.Info("Table " + n.String() + " already added")
		}
		return there
	}), nil
}

// checkTables refuses tables that cannot be replicated as they are. All
// findings that concern the rows are logged; the error is the first.
func checkTables(ctx context.Context, prov, sub *session, names []ident.Name, force bool) error {
	there, keys, err := prov.structures(ctx, names, nil)
	if err != nil {
		return err
	}
	here, err := structure.ReadTarget(ctx, sub.conn, there)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	var first error
	for _, d := range structure.Compare(there, here, structure.Options{Keys: keys, Base: true}) {
		advise(&d)
		if !d.Breaks || force && !d.Absent {
			sub.log.Warn(d.Text)
			continue
		}
		if first == nil {
			first = differs(d)
			continue
		}
		sub.log.Error(d.Text)
	}
	if first != nil {
		return first
	}
	for _, n := range names {
		if err := sub.needOwned(here.Tables[n], n); err != nil {
			return err
		}
	}
	return nil
}

// needOwned: a copy truncates the table and makes its indexes.
func (s *session) needOwned(t *structure.Table, n ident.Name) error {
	if t == nil || t.Owned {
		return nil
	}
	role := s.conn.Config().User
	return hint.With(fmt.Errorf("table %s at the subscriber belongs to %s, and role %s is no member of it", n, t.Owner, role),
		"alter table %s owner to %s, or grant %s to %s", n, ident.Quote(role), ident.Quote(t.Owner), ident.Quote(role))
}

func (s *session) registerTable(ctx context.Context, tx pgx.Tx, name ident.Name, opt AddOptions) error {
	var state, attrs *string
	if opt.ExpectSync {
		state = set.State{Phase: set.OK}.Text()
	}
	if !opt.ExpectSync && !opt.SkipTruncate {
		err := set.Unshared(ctx, tx, s.queue, set.Table{Name: name, Dest: name}, "its copy")
		if errors.Is(err, set.ErrShared) {
			err = hint.With(err, "subscriber add --skip-truncate %s keeps the rows that are there, --expect-sync copies nothing", hint.Shell(name.String()))
		}
		if err != nil {
			return err
		}
	}
	if opt.SkipTruncate {
		text := url.Values{"skip_truncate": {"1"}}.Encode()
		attrs = &text
	}
	_, err := tx.Exec(ctx, `
		insert into londiste.table_info (queue_name, table_name, local, merge_state, table_attrs)
		values ($1, $2, true, $3, $4)
		on conflict (queue_name, table_name) do update
		set local = true, merge_state = $3, table_attrs = $4, custom_snapshot = null`,
		s.queue, name.String(), state, attrs)
	if err != nil {
		return err
	}
	return s.settleTriggers(ctx, tx, name, opt.ExpectSync && !opt.attached)
}

// Tables lists the registrations of the subscriber.
func (b *Subscriber) Tables(ctx context.Context) ([]set.Table, error) {
	s, err := b.openSubscriber(ctx, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.localTables(ctx)
}

func (s *session) localTables(ctx context.Context) ([]set.Table, error) {
	list, err := set.Tables(ctx, s.conn, s.queue)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(t set.Table) bool { return !t.Local })
	return list, set.NoteParked(ctx, s.conn, s.queue, list)
}

// Missing lists what the provider has registered and the subscriber has not.
func (b *Subscriber) Missing(ctx context.Context) (tables, seqs []ident.Name, err error) {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer prov.close()
	defer sub.close()
	if tables, err = minus(ctx, prov, sub, (*session).registered); err != nil {
		return nil, nil, err
	}
	seqs, err = minus(ctx, prov, sub, (*session).registeredSeqs)
	return tables, seqs, err
}

func minus(ctx context.Context, prov, sub *session, list func(*session, context.Context) ([]ident.Name, error)) ([]ident.Name, error) {
	there, err := list(prov, ctx)
	if err != nil {
		return nil, err
	}
	here, err := list(sub, ctx)
	return slices.DeleteFunc(there, func(n ident.Name) bool { return slices.Contains(here, n) }), err
}
