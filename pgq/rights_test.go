package pgq

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/schema"
)

// TestLibraryByRoles: PgQ's writer and reader roles are all that producers and
// consumers need, or skytools.grant_queue on their queue, which gives nothing
// of another one.
func TestLibraryByRoles(t *testing.T) {
	for name, grants := range map[string]string{
		"pgq_writer and pgq_reader": `grant pgq_writer to "Writer"; grant pgq_reader to "Reader"`,
		"one queue":                 `select skytools.grant_queue('q.one', 'Writer', 'write'); select skytools.grant_queue('q.one', 'Reader', 'read')`,
	} {
		t.Run(name, func(t *testing.T) {
			s := pgtest.Second(t) // roles are the whole server's: on the other one no database has granted them anything
			admin := pgtest.Admin(t, s, pgtest.DBName(t, pgtest.Database(t, s, nil)))
			if _, err := schema.Install(t.Context(), admin, schema.Options{}); err != nil {
				t.Fatal(err)
			}
			pgtest.Exec(t, admin, `select pgq.create_queue($1), pgq.create_queue('other')`, queue)
			pgtest.Exec(t, admin, `create role "Writer" login; create role "Reader" login`)
			t.Cleanup(func() {
				for _, role := range []string{"Writer", "Reader"} {
					_, _ = admin.Exec(context.Background(), `drop owned by "`+role+`"; drop role "`+role+`"`) // the server is thrown away
				}
			})
			pgtest.Exec(t, admin, grants)
			r := &roles{admin: admin}
			r.writer, r.reader = r.connect(t, "Writer"), r.connect(t, "Reader")
			for _, c := range []Consumer{
				{Name: "c", Register: true}, {Name: "shared", Member: "m"}, {Name: "keyed", Member: "m"},
			} {
				if c.Name == "keyed" {
					pgtest.Exec(t, admin, `select skytools.coop_set_key($1, 'keyed', 'json:id', 2)`, queue)
				}
				r.run(t, c, func(ctx context.Context, c *Consumer, handle Handler) error { return c.Run(ctx, handle) })
			}
			pgtest.Exec(t, admin, `create schema target; grant usage, create on schema target to "Reader"`)
			r.run(t, Consumer{Name: "exact", Register: true, PositionTable: "target.position"}, func(ctx context.Context, c *Consumer, handle Handler) error {
				return c.RunTx(ctx, r.connect(t, "Reader"), func(ctx context.Context, _ pgx.Tx, b *Batch) error { return handle(ctx, b) })
			})
			r.administration(t)
			if name == "one queue" {
				r.refused(t)
			}
		})
	}
}

// roles are the sessions of a test of rights.
type roles struct{ admin, writer, reader *pgx.Conn }

func (r *roles) config(role string) *pgx.ConnConfig {
	cfg := r.admin.Config().Copy()
	cfg.User = role
	return cfg
}

func (r *roles) connect(t *testing.T, role string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), r.config(role))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close(context.Background(), conn) })
	return conn
}

// run has a consumer take what a producer writes by all its methods.
func (r *roles) run(t *testing.T, c Consumer, run func(context.Context, *Consumer, Handler) error) {
	t.Helper()
	stop := make(chan struct{})
	var got basket
	j := &pgtest.Journal{}
	defer func() {
		if t.Failed() {
			t.Log(j.String())
		}
	}()
	c.Log = j.Logger()
	c.Database, c.Queue, c.Stop, c.Poll = r.config("Reader"), queue, stop, 10*time.Millisecond
	pgtest.Start(t, "consumer "+c.Name, func(ctx context.Context) error {
		return run(ctx, &c, func(ctx context.Context, b *Batch) error {
			for ev, err := range b.Events(ctx) {
				if err != nil {
					return err
				}
				got.add(ev)
				switch ev.Type {
				case "again":
					if ev.Retry == 0 {
						b.Retry(ev, 0)
					}
				case "dead":
					b.Dead(ev, "because")
				}
			}
			return nil
		})
	})
	name := c.Name
	if c.Member != "" {
		name += "." + c.Member
	}
	pgtest.Eventually(t, 10*time.Second, "registered", func() bool {
		return pgtest.One[bool](t, r.admin, `select exists (select from pgq.consumer where co_name = $1)`, name)
	})
	p := &Producer{Queue: queue}
	event := func(typ string) Event { return Event{Type: typ, Data: []byte(`{"id": "` + typ + `"}`)} }
	_, err := p.InsertMany(t.Context(), r.writer, []Event{event("again"), event("dead")})
	if err == nil {
		_, err = p.Insert(t.Context(), r.writer, event("one"))
	}
	if err == nil {
		_, _, err = p.InsertOnce(t.Context(), r.writer, "key of "+c.Name, time.Hour, event("once"))
	}
	if err == nil {
		_, err = p.InsertAt(t.Context(), r.writer, time.Now().Add(-time.Hour), event("late"))
	}
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 10*time.Second, "all events of "+c.Name, func() bool {
		makeTick(t, r.admin)
		pgtest.Exec(t, r.admin, `select pgq.maint_retry_events()`)
		return len(got.types()) >= 6
	})
	close(stop)
	if types := got.types(); !slices.Equal(types, []string{"again", "again", "dead", "late", "once", "one"}) {
		t.Errorf("consumer %s got %q", c.Name, types)
	}
	if n := pgtest.One[int](t, r.admin, `select count(*)::int from skytools.dead_event where dead_consumer = $1`, c.Name); n != 1 {
		t.Errorf("consumer %s: %d dead letters", c.Name, n)
	}
}

// administration is what a reader does to consumers, events and dead letters.
func (r *roles) administration(t *testing.T) {
	t.Helper()
	ctx, conn := t.Context(), r.reader
	check := func(what string, ok bool, err error) {
		t.Helper()
		if err != nil || !ok {
			t.Errorf("%s: %v, %v", what, ok, err)
		}
	}
	before := last(t, r.admin)
	ok, err := Register(ctx, conn, queue, "byhand")
	check("register", ok, err)
	write(t, r.admin, 2)
	makeTick(t, r.admin)
	_, err = RegisterAt(ctx, conn, queue, "byhand", before.ID)
	check("register at", true, err)
	ok, err = RegisterMember(ctx, conn, queue, "several", "m")
	check("register member", ok, err)
	ok, err = UnregisterMember(ctx, conn, queue, "several", "m")
	check("unregister member", ok, err)
	dead, err := DeadEvents(ctx, conn, queue, "c", 0)
	check("dead letters", len(dead) == 1, err)
	n, err := ReplayDead(ctx, conn, queue, "c", nil)
	check("replay", n == 1, err)
	n, err = PurgeDead(ctx, conn, queue, "shared", 0)
	check("purge", n == 1, err)
	batch := pgtest.One[int64](t, r.admin, `select pgq.next_batch($1, 'byhand')`, queue)
	open, err := OpenBatches(ctx, conn, "byhand")
	check("open batches", len(open) == 1 && open[0].ID == batch, err)
	events, err := BatchEvents(ctx, conn, batch, 0)
	check("events", len(events) == 2, err)
	kinds, err := BatchKinds(ctx, conn, batch)
	check("kinds", len(kinds) == 1 && kinds[0].Events == 2, err)
	ids, err := BatchEventIDs(ctx, conn, BatchID(batch), "ev_data like '%2'")
	check("event ids", len(ids) == 1 && ids[0] == events[1].ID, err)
	ok, err = Unregister(ctx, conn, queue, "byhand")
	check("unregister", ok, err)
	tail, err := NewTail(conn, queue).Last(ctx, 1)
	check("tail", len(tail) == 1 && string(tail[0].Data) == "data 2", err)
}

// refused is what rights on one queue do not give.
func (r *roles) refused(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	other := &Producer{Queue: "other"}
	_, one := other.Insert(ctx, r.writer, Event{})
	_, many := other.InsertMany(ctx, r.writer, []Event{{}})
	_, unregister := Unregister(ctx, r.reader, "other", "c")
	_, register := Register(ctx, r.writer, queue, "c")
	for what, err := range map[string]error{"insert": one, "insert many": many, "unregister": unregister, "a writer registers": register} {
		if !stale(err) {
			t.Errorf("%s: %v, want permission denied", what, err)
		}
	}
	// The queue that is made anew has another number, and a right is given later.
	p := &Producer{Queue: queue}
	if _, err := p.Insert(ctx, r.writer, Event{}); err != nil {
		t.Error(err)
	}
	pgtest.Exec(t, r.admin, `select pgq.drop_queue($1, true)`, queue)
	pgtest.Exec(t, r.admin, `select pgq.create_queue($1)`, queue)
	if _, err := p.Insert(ctx, r.writer, Event{}); !errors.Is(err, ErrNotInstalled) && !stale(err) {
		t.Errorf("after the queue was made anew: %v", err)
	}
	pgtest.Exec(t, r.admin, `select skytools.grant_queue($1, 'Writer', 'write')`, queue)
	if _, err := p.Insert(ctx, r.writer, Event{}); err != nil {
		t.Errorf("after the right was given again: %v", err)
	}
}
