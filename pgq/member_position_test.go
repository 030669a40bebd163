package pgq

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// lastWord is a target whose commit is the last thing that the process does.
type lastWord struct {
	*pgx.Conn
	die func()
}

func (l lastWord) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := l.Conn.Begin(ctx)
	return dyingTx{tx, l.die}, err
}

type dyingTx struct {
	pgx.Tx
	die func()
}

func (d dyingTx) Commit(ctx context.Context) error {
	err := d.Tx.Commit(ctx)
	d.die()
	return err
}

// sharers are the members of a consumer, one after another, and their target.
type sharers struct {
	dsn, to      string
	conn, target *pgx.Conn
}

// run has a member work, "" for the consumer by itself, until the queue has
// nothing for it or it fails.
func (s sharers) run(t *testing.T, member string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := &Consumer{Database: pgtest.Config(t, s.dsn), Queue: queue, Name: consumer, Member: member, Poll: 5 * time.Millisecond}
	stop := make(chan struct{}) // the batch in hand is ended
	c.Stop = stop
	if member != "" {
		c.DeadAfter = time.Millisecond
	}
	done := make(chan error, 1)
	go func() { done <- c.RunTx(ctx, pgtest.Connect(t, s.to), writeDown) }()
	// A tick for what is there, one for those who look at what came before; none
	// while one is left to be taken: the member would never be at the end.
	ticks := 2
	for ctx.Err() == nil && len(done) == 0 {
		if pgtest.One[int](t, s.conn, `select pgq.maint_retry_events()`) > 0 {
			ticks = 2
		}
		taken := pgtest.One[bool](t, s.conn, `select not exists (select from pgq.retry_queue)
			and not exists (select from pgq.subscription where sub_batch is not null)
			and (select max(sub_last_tick) from pgq.subscription) >= (select max(tick_id) from pgq.tick)`)
		if taken && ticks == 0 {
			break
		}
		if taken {
			makeTick(t, s.conn)
			ticks--
		}
		time.Sleep(20 * time.Millisecond) // between two looks at what the member does
	}
	if ctx.Err() != nil {
		t.Fatalf("member %q did not come to the end", member)
	}
	close(stop)
	return <-done
}

// check compares what the target has with what it should.
func (s sharers) check(t *testing.T, what string, want ...string) {
	t.Helper()
	got := pgtest.Column[string](t, s.target, `select ev_id || ' ' || ev_retry from got order by ev_id, ev_retry`)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

// TestMemberTakenOver: what a member wrote before it died is there once, and so
// is what it asked for its events, whoever takes its batch over, and however the
// consumer is moved afterwards.
func TestMemberTakenOver(t *testing.T) {
	dsn := database(t)
	s := sharers{dsn, targetDatabase(t), pgtest.Connect(t, dsn), nil}
	s.target = pgtest.Connect(t, s.to)
	begin := last(t, s.conn)
	pgtest.Exec(t, s.conn, `select pgq_coop.register_subconsumer($1, $2, 'dies')`, queue, consumer)
	for _, table := range []func(string) (string, error){PositionSQL, MemberPositionSQL} {
		sql, err := table(PositionTable)
		if err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, s.target, sql)
	}
	write(t, s.conn, 5) // the fifth is to come again
	makeTick(t, s.conn)
	ctx, die := context.WithCancel(t.Context())
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Member: "dies", Poll: 5 * time.Millisecond}
	if err := c.RunTx(ctx, lastWord{pgtest.Connect(t, s.to), die}, writeDown); err != nil {
		t.Fatal(err)
	}
	s.check(t, "before the takeover", "1 0", "2 0", "3 0", "4 0", "5 0")
	if n := pgtest.One[int](t, s.conn, `select count(*)::int from pgq.retry_queue`); n != 0 {
		t.Fatalf("%d events wait for a retry: the batch was ended", n)
	}

	// The heir ends the batch, and is moved back before it has another one.
	ctx, stop := context.WithCancel(t.Context())
	c.Member, c.DeadAfter = "heir", time.Millisecond
	done := make(chan error, 1)
	go func() { done <- c.RunTx(ctx, pgtest.Connect(t, s.to), writeDown) }()
	pgtest.Eventually(t, 20*time.Second, "the heir ends the batch", func() bool {
		return pgtest.One[bool](t, s.conn, `select exists (select from pgq.retry_queue)`)
	})
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, s.conn, `select pgq.maint_retry_events()`)
	pgtest.Exec(t, s.conn, `select pgq.register_consumer_at($1, $2, $3)`, queue, consumer, int64(begin.ID))
	if err := s.run(t, "heir"); err != nil {
		t.Fatal(err)
	}
	all := []string{"1 0", "2 0", "3 0", "4 0", "5 0", "5 1"}
	s.check(t, "after the takeover", all...)

	// Moved back, the consumer is given the same ticks under other numbers.
	for range 2 {
		pgtest.Exec(t, s.conn, `select pgq.register_consumer_at($1, $2, $3)`, queue, consumer, int64(begin.ID))
		if err := s.run(t, "heir"); err != nil {
			t.Fatal(err)
		}
		s.check(t, "moved back", all...)
		id, err := (&Producer{Queue: queue}).Insert(t.Context(), s.conn, Event{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.run(t, "heir"); err != nil {
			t.Fatal(err)
		}
		all = append(all, tag(id, 0))
		if id%5 == 0 {
			all = append(all, tag(id, 1))
		}
		s.check(t, "a new event", all...)
	}

	// Without members the consumer goes on where they have come to.
	pgtest.Exec(t, s.conn, `select pgq_coop.unregister_subconsumer($1, $2, m, 0) from unnest('{dies,heir}'::text[]) m`, queue, consumer)
	id, err := (&Producer{Queue: queue}).Insert(t.Context(), s.conn, Event{})
	if err == nil {
		err = s.run(t, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	if all = append(all, tag(id, 0)); id%5 == 0 {
		all = append(all, tag(id, 1))
	}
	s.check(t, "alone", all...)
	if n := pgtest.One[int](t, s.target, `select count(*)::int from pgq_position_member`); n != 0 {
		t.Errorf("%d rows of members are left", n)
	}

	// A target that has lost what the queue takes for done.
	pgtest.Exec(t, s.target, `update pgq_position set tick_id = $1, tick_snapshot = $2`, int64(begin.ID), begin.Snapshot.String())
	write(t, s.conn, 1)
	if err := s.run(t, "heir"); !errors.Is(err, ErrPositionLost) {
		t.Errorf("a target that was restored: %v", err)
	}
	s.check(t, "restored", all...)
}
