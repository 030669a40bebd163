package pgq

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/schema"
)

// TestLibraryByRoles: PgQ's writer and reader roles are all that producers and
// consumers need.
func TestLibraryByRoles(t *testing.T) {
	s := pgtest.Second(t) // roles are the whole server's: on the other one no database has granted them anything
	admin := pgtest.Admin(t, s, pgtest.DBName(t, pgtest.Database(t, s, nil)))
	if _, err := schema.Install(t.Context(), admin, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, admin, `select pgq.create_queue($1)`, queue)
	pgtest.Exec(t, admin, `create role "Writer" login in role pgq_writer; create role "Reader" login in role pgq_reader`)
	t.Cleanup(func() {
		for _, role := range []string{"Writer", "Reader"} {
			_, _ = admin.Exec(context.Background(), `drop role "`+role+`"`) // the server is thrown away
		}
	})
	as := func(role string) *pgx.ConnConfig {
		cfg := admin.Config().Copy()
		cfg.User = role
		return cfg
	}
	writer, err := pgx.ConnectConfig(t.Context(), as("Writer"))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(context.Background(), writer)
	for _, member := range []string{"", "m"} {
		stop := make(chan struct{})
		var got basket
		c := &Consumer{
			Database: as("Reader"), Queue: queue, Name: "c" + member, Register: true, Member: member,
			Stop: stop, Poll: 10 * time.Millisecond,
		}
		pgtest.Start(t, "consumer", func(ctx context.Context) error {
			return c.Run(ctx, func(ctx context.Context, b *Batch) error {
				for ev, err := range b.Events(ctx) {
					if err != nil {
						return err
					}
					got.add(ev)
					switch string(ev.Data) {
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
		pgtest.Eventually(t, 10*time.Second, "registered", func() bool {
			return pgtest.One[bool](t, admin, `select exists (select from pgq.consumer where co_name = $1)`, c.Name)
		})
		p := &Producer{Queue: queue}
		if _, err := p.InsertMany(t.Context(), writer, []Event{{Data: []byte("again")}, {Data: []byte("dead")}}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Insert(t.Context(), writer, Event{Data: []byte("one")}); err != nil {
			t.Fatal(err)
		}
		pgtest.Eventually(t, 10*time.Second, "all events", func() bool {
			makeTick(t, admin)
			pgtest.Exec(t, admin, `select pgq.maint_retry_events()`)
			return len(got.data()) >= 4
		})
		close(stop)
		if data := got.data(); !slices.Equal(data, []string{"again", "dead", "one", "again"}) {
			t.Errorf("member %q: got %q", member, data)
		}
	}
	if n := pgtest.One[int](t, admin, `select count(*)::int from skytools.dead_event`); n != 2 {
		t.Errorf("%d dead letters", n)
	}
}
