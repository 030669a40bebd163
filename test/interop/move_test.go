package interop

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
)

// producers write events by function and through a captured table, each number
// once, until stop returns what was committed.
func producers(t *testing.T, dsn string, trigger string) (stop func() []string) {
	t.Helper()
	var mu sync.Mutex
	var written []string
	var stops []func()
	for w := range 4 {
		conn := pgtest.Connect(t, dsn)
		level := []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead}[w%2]
		stops = append(stops, run(t, fmt.Sprintf("producer %d", w), func(ctx context.Context) error {
			for nr := 0; ctx.Err() == nil; nr++ {
				one, two := fmt.Sprintf("f%d-%d", w, nr), fmt.Sprintf("%s%d-%d", trigger, w, nr)
				err := pgx.BeginTxFunc(context.Background(), conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
					if _, err := tx.Exec(context.Background(), `select pgq.insert_event($1, 't', $2)`, queue, one); err != nil {
						return err
					}
					time.Sleep(time.Duration(nr%7) * time.Millisecond)
					_, err := tx.Exec(context.Background(), `insert into entry (item) values ($1)`, two)
					return err
				})
				// A writer with an old snapshot may be told to try again.
				if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "40001" {
					continue
				}
				if err != nil {
					return err
				}
				mu.Lock()
				written = append(written, one, two)
				mu.Unlock()
			}
			return nil
		}))
	}
	return func() []string {
		for _, stop := range stops {
			stop()
		}
		return written
	}
}

// follow reads all events from a tick on with our reader until stop is called;
// it keeps its position itself and forgives a moment without answer.
func follow(t *testing.T, dsn string, from pgq.Tick) (stop func() (read []string, last pgq.Tick)) {
	t.Helper()
	var read []string
	at := from
	end := run(t, "reader", func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		r := pgq.NewReader(conn, queue)
		for ctx.Err() == nil {
			next, found, err := r.Next(context.Background(), at, 0)
			if err != nil {
				return err
			}
			if !found {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			var part []string
			err = r.Stream(context.Background(), at, next, func(ev *pgq.RawEvent) error {
				part = append(part, item(ev))
				return nil
			})
			if err != nil {
				return err
			}
			read, at = append(read, part...), next
			_, err = conn.Exec(context.Background(), `select pgq.register_consumer_at($1, 'c', $2)`, queue, int64(at.ID))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return func() ([]string, pgq.Tick) {
		end()
		return read, at
	}
}

// item is what tells an event from all others.
func item(ev *pgq.RawEvent) string {
	data := string(ev.Data)
	if i := slices.Index([]byte(data), '{'); i == 0 {
		var n int
		var rest string
		if _, err := fmt.Sscanf(data, `{"id":%d,"item":%q}`, &n, &rest); err == nil {
			return rest
		}
	}
	return data
}

// TestMove: a database goes from the extension to our schema and back, with
// writers, a reader, a ticker and rotations at work all the time.
func TestMove(t *testing.T) {
	s := pgtest.Server(t)
	dsn, conn := beside(t)
	admin := pgtest.Admin(t, s, pgtest.DBName(t, dsn))
	pgtest.Exec(t, conn, `create table entry (id bigserial primary key, item text)`)
	pgtest.Exec(t, conn, `select skytools.capture_install($1, 'public', 'entry')`, queue)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
	pgtest.Exec(t, conn, `select pgq.set_queue_config($1, 'ticker_max_lag', '0')`, queue)
	served(t, dsn)
	stopReading := follow(t, dsn, last(t, conn))
	stopWriting := producers(t, dsn, "c")
	began := pgtest.One[int64](t, conn, `select queue_switch_step1 from pgq.queue`)

	rounds := 2
	if pgtest.Long() {
		rounds = 10
	}
	opt := schema.Options{Log: logger(t)}
	for range rounds {
		time.Sleep(time.Second)
		begin := time.Now()
		if _, err := schema.FromExtension(t.Context(), admin, opt); err != nil {
			t.Fatal(err)
		}
		t.Logf("from the extension: %s", time.Since(begin))
		if pgtest.One[bool](t, conn, `select skytools.beside_extension()`) || pgtest.One[string](t, conn, `select pgq.version()`) == "3.5" {
			t.Error("it is still the extension")
		}
		if foreign := pgtest.Column[string](t, conn, `select oid::regprocedure::text from pg_proc where pronamespace = 'pgq'::regnamespace
			and (proowner <> 'app'::regrole or prolang = (select oid from pg_language where lanname = 'c'))`); len(foreign) > 0 {
			t.Errorf("not ours: %q", foreign)
		}
		if again := install(t, conn); again.Changed() {
			t.Errorf("another install changes something: %+v", again)
		}
		pgtest.Exec(t, conn, `update pgq.queue set queue_switch_time = now() - interval '3 hours'`)
		time.Sleep(time.Second)

		begin = time.Now()
		if _, err := schema.ToExtension(t.Context(), admin, opt); err != nil {
			t.Fatal(err)
		}
		t.Logf("to the extension: %s", time.Since(begin))
		if !pgtest.One[bool](t, conn, `select skytools.beside_extension()`) {
			t.Error("it is not the extension")
		}
		pgtest.Exec(t, conn, `update pgq.queue set queue_switch_time = now() - interval '3 hours'`)
	}
	time.Sleep(time.Second)
	written := stopWriting()
	if len(written) < 100 {
		t.Errorf("only %d events were written", len(written))
	}
	// The last transactions may be late ones: two ticks see them all.
	tick(t, conn)
	end := tick(t, conn)
	pgtest.Eventually(t, 20*time.Second, "a tick after the end", func() bool { return last(t, conn).ID >= end.ID })
	time.Sleep(500 * time.Millisecond)
	read, at := stopReading()
	read = append(read, items(t, conn, at, last(t, conn))...)
	want(t, "events", read, written...)
	t.Logf("%d events", len(read))
	if pgtest.One[int64](t, conn, `select queue_switch_step1 from pgq.queue`) == began {
		t.Error("nothing rotated")
	}
}

func items(t *testing.T, conn *pgx.Conn, prev, cur pgq.Tick) (list []string) {
	t.Helper()
	if prev.ID == cur.ID {
		return nil
	}
	err := pgq.NewReader(conn, queue).Stream(t.Context(), prev, cur, func(ev *pgq.RawEvent) error {
		list = append(list, item(ev))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// movedCatalog is the catalogue without what a move may change.
func movedCatalog(t *testing.T, dsn string) string {
	t.Helper()
	// The event sequence of a queue that the extension made begins at 1.
	sequence := regexp.MustCompile(`sequence pgq\.event_1_id_seq .* min [01] .*\n`)
	// Grants that are run again find the queue's generated functions, too.
	database := regexp.MustCompile(`(database acl |function skytools\.queue_1_).*\n`)
	acl := regexp.MustCompile(`acl \{[^}]*\}`)
	text := database.ReplaceAllString(sequence.ReplaceAllString(pgtest.CatalogFingerprint(t, dsn), ""), "")
	// In any order, and whether or not the owner may grant what he owns.
	return acl.ReplaceAllStringFunc(text, func(list string) string {
		items := strings.Split(strings.ReplaceAll(strings.Trim(list[4:], "{}"), "*", ""), ",")
		slices.Sort(items)
		return "acl " + strings.Join(items, ",")
	})
}

// TestMovedCatalog: what was moved is what an install would have made.
func TestMovedCatalog(t *testing.T) {
	s := pgtest.Server(t)
	dsn, conn := beside(t)
	extensions := fingerprint(t, dsn, "pgq")
	admin := pgtest.Admin(t, s, pgtest.DBName(t, dsn))
	if _, err := schema.FromExtension(t.Context(), admin, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	fresh, _ := ours(t)
	same(t, "moved from the extension", movedCatalog(t, fresh), movedCatalog(t, dsn))
	if _, err := schema.ToExtension(t.Context(), admin, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	// Everybody may read our sequences, and the role that had them may use them.
	rights := regexp.MustCompile(`relation pgq\.\w+ kind S .*\n`)
	same(t, "and back", rights.ReplaceAllString(extensions, ""), rights.ReplaceAllString(fingerprint(t, dsn, "pgq"), ""))
	want(t, "what pg_dump takes along", pgtest.Column[string](t, conn, `select unnest(extconfig)::regclass::text from pg_extension where extname = 'pgq'`),
		"pgq.queue", "pgq.consumer", "pgq.tick", "pgq.subscription", "pgq.event_template", "pgq.retry_queue", "pgq.batch_id_seq")
	pgtest.Exec(t, admin, `drop extension pgq cascade`)
	if left := pgtest.Column[string](t, conn, `select relname::text from pg_class where relnamespace = to_regnamespace('pgq')`); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestMoveToAndFro: a database that was made ours is the same after a visit to
// the extension.
func TestMoveToAndFro(t *testing.T) {
	s := pgtest.Server(t)
	extended(t, s) // makes the roles, which the server's databases share
	dsn, conn := ours(t)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
	before := movedCatalog(t, dsn)
	admin := pgtest.Admin(t, s, pgtest.DBName(t, dsn))
	for _, move := range []func(context.Context, *pgx.Conn, schema.Options) (schema.Report, error){schema.ToExtension, schema.FromExtension} {
		if _, err := move(t.Context(), admin, schema.Options{}); err != nil {
			t.Fatal(err, hint.Of(err))
		}
	}
	same(t, "to the extension and back", before, movedCatalog(t, dsn))
}

// TestMoveRefusals: who may not, and what is not there.
func TestMoveRefusals(t *testing.T) {
	s := pgtest.Server(t)
	dsn, conn := beside(t)
	bare := pgtest.Admin(t, s, pgtest.DBName(t, extended(t, s)))
	mine, own := ours(t)
	pgtest.Exec(t, own, `create view v as select queue_name from pgq.queue`)
	hung, hanging := ours(t)
	pgtest.Exec(t, hanging, `create function public.f() returns trigger language plpgsql as 'begin return new; end'`)
	pgtest.Exec(t, hanging, `create trigger mine after insert on pgq.queue for each row execute function public.f()`)
	for _, c := range []struct {
		what string
		conn *pgx.Conn
		move func(context.Context, *pgx.Conn, schema.Options) (schema.Report, error)
		text string
	}{
		{"ordinary role", conn, schema.FromExtension, "is no superuser"},
		{"ordinary role, back", own, schema.ToExtension, "is no superuser"},
		{"nothing of ours", bare, schema.FromExtension, "does not hold the real extension pgq with this project's schemas beside it"},
		{"nothing of ours, back", bare, schema.ToExtension, "does not hold this project's schema pgq"},
		{"the extension, to it", pgtest.Admin(t, s, pgtest.DBName(t, dsn)), schema.ToExtension, "does not hold this project's schema pgq"},
		{"with a trigger", pgtest.Admin(t, s, pgtest.DBName(t, hung)), schema.ToExtension, "trigger mine of pgq.queue"},
		{"ours, from it", pgtest.Admin(t, s, pgtest.DBName(t, mine)), schema.FromExtension, "does not hold the real extension"},
	} {
		_, err := c.move(t.Context(), c.conn, schema.Options{})
		if err == nil || !strings.Contains(err.Error(), c.text) || hint.Of(err) == "" {
			t.Errorf("%s: got %v (hint %q), want %q", c.what, err, hint.Of(err), c.text)
		}
	}
}
