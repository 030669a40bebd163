package doctor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/ticker"
)

// diagnose returns what is wrong, as "check result object: text", and the
// names of the checks that found nothing.
func diagnose(t *testing.T, conn *pgx.Conn) (wrong, sound []string) {
	t.Helper()
	findings, err := Examine(t.Context(), conn, schema.Number)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		switch {
		case f.Result == Sound:
			sound = append(sound, f.Check)
		case f.Check == "autovacuum" || f.Check == "settings": // of the server that all tests share
		case f.Check == "ticker" && f.Result == Unknown: // most tests have none
		case f.Mend == "":
			t.Errorf("%v does not say what to do", f)
		default:
			wrong = append(wrong, f.Check+" "+string(f.Result)+" "+f.Object+": "+f.Text)
		}
	}
	return wrong, sound
}

// TestExamineUnderForeignPath: operators in public, where in old databases
// everybody may make some, are not called.
func TestExamineUnderForeignPath(t *testing.T) {
	dsn := granted(t)
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	for _, sql := range []string{
		`create function public.trap(oid, regclass) returns bool language plpgsql as $$ begin raise 'trapped'; end $$`,
		`create operator public.= (leftarg = oid, rightarg = regclass, function = public.trap)`,
		`create function public.trap(text, int) returns text language plpgsql as $$ begin raise 'trapped'; end $$`,
		`create operator public.|| (leftarg = text, rightarg = int, function = public.trap)`,
		`set search_path = public`,
	} {
		pgtest.Exec(t, admin, sql)
	}
	findings, err := Examine(t.Context(), admin, schema.Number)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if strings.Contains(f.Text, "trapped") {
			t.Errorf("%s calls what is in public: %s", f.Check, f.Text)
		}
	}
	if _, err := ReadStatus(t.Context(), admin); err != nil {
		t.Errorf("status calls what is in public: %v", err)
	}
}

// granted is a database as [database] makes it, installed again: roles of PgQ
// that other tests have made on the server meanwhile get their rights.
func granted(t *testing.T) (dsn string) {
	t.Helper()
	dsn = database(t)
	if _, err := schema.Install(t.Context(), pgtest.Connect(t, dsn), schema.Options{}); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// TestDoctor breaks one thing after another, each in a database of its own,
// and wants it told, with nothing else.
func TestDoctor(t *testing.T) {
	register := `select pgq.register_consumer('q.one', 'c');`
	for name, c := range map[string]struct{ sql, want string }{
		"sound":           {``, ``},
		"older schema":    {`update skytools.installation set version = 0`, `schema warning : the database has version 0, this program`},
		"newer schema":    {`update skytools.installation set version = 1000`, `schema warning : the database has version 1000, this program is of`},
		"no ticker":       {`update pgq.tick set tick_time = now() - interval '1 hour'`, `ticker failed : none is connected`},
		"events wait":     {`update pgq.tick set tick_time = now() - interval '20 seconds'; select pgq.insert_event('q.one', 't', 'd')`, `ticks failed q.one: the last tick is 20s old, 1 event without one`},
		"clock put back":  {`update pgq.tick set tick_time = now() + interval '1 hour'`, `tick times warning : there are ticks 3600s ahead`},
		"move begun":      {`drop trigger skytools_changed on pgq.queue`, `move warning : a move to the extension pgq was begun`},
		"move from half":  {`update skytools.routine set sum = '' where file = 'pgq/functions/version.sql'`, `move failed : a move from the extension pgq has stopped`},
		"paused":          {`update pgq.queue set queue_ticker_paused = true`, `switches warning q.one: its ticker is paused`},
		"closed":          {`update pgq.queue set queue_disable_insert = true`, `switches warning q.one: it takes no events`},
		"slow consumer":   {register + `update pgq.queue set queue_switch_time = now() - interval '1 day'`, `rotation warning q.one: it grows (0 MB): rotation waits for consumer c`},
		"no maintenance":  {`update pgq.queue set queue_switch_time = now() - interval '1 day'`, `rotation failed q.one: it grows (0 MB): rotation is overdue by 79200s`},
		"watermark":       {`select pgq.register_consumer('q.one', '.global_watermark'); update pgq.queue set queue_switch_time = now() - interval '1 day'`, `rotation failed q.one: it grows (0 MB): rotation is overdue by 79200s`},
		"dead consumer":   {register + `update pgq.subscription set sub_active = now() - interval '3 days'`, `consumers warning q.one: consumer c was last seen 3 days ago`},
		"lost position":   {register + `update pgq.subscription set sub_last_tick = 77`, `consumers failed q.one: consumer c stands at tick 77`},
		"backlog":         {register + `select skytools.set_queue_policy('q.one', 'backlog_warn_age', '1 hour'); select pgq.insert_event('q.one', 't', 'd'); select skytools.tick_write(1); update pgq.tick set tick_time = now() - interval '90 minutes'; select skytools.tick_write(1), skytools.maint_backlog()`, `backlog warning q.one: consumer c is 5400s and 0 MB behind`},
		"detached":        {register + `select skytools.set_queue_policy('q.one', 'backlog_max_age', '1 hour'); select pgq.insert_event('q.one', 't', 'd'); select skytools.tick_write(1); update pgq.tick set tick_time = now() - interval '90 minutes'; select skytools.tick_write(1), skytools.maint_backlog()`, `backlog failed q.one: consumer c was detached at 20`},
		"retries":         {register + `select pgq.event_retry_raw('q.one', 'c', now() - interval '1 hour', 1, now(), 1, 't', 'd', null, null, null, null)`, `retries failed q.one: events that should have come back: 1, the first 01:00:00 ago`},
		"delayed events":  {`insert into skytools.delayed_event (deliver_at, ev_queue) select now() - interval '1 hour', queue_id from pgq.queue`, `delayed events failed q.one: 1 delayed events are due, the first for 01:00:00`},
		"dead letters":    {register + `insert into skytools.dead_event (dead_queue, dead_consumer, dead_reason, ev_id, ev_time) select queue_id, 'c', 'r', 1, now() from pgq.queue`, `dead letters warning q.one: 1 of consumer c`},
		"no event table":  {`drop table pgq.event_1_2`, `event tables failed q.one: event table pgq.event_1_2 is not there`},
		"no index":        {`drop index pgq.event_1_0_txid_idx`, `event tables failed q.one: event table pgq.event_1_0 has no index`},
		"tick sequence":   {`select skytools.tick_write(1), skytools.tick_write(1); select setval('pgq.event_1_tick_seq', 1)`, `sequences failed q.one: sequence pgq.event_1_tick_seq is at 1, 3 is in use`},
		"batch sequence":  {register + `update pgq.subscription set sub_batch = 7`, `sequences failed : sequence pgq.batch_id_seq is at its begin, 7 is in use`},
		"transaction ids": {`update pgq.queue set queue_switch_step1 = 1e15`, `transaction ids failed q.one: its ticks have transaction ids of another server`},
	} {
		t.Run(name, func(t *testing.T) {
			conn := pgtest.Connect(t, granted(t))
			for _, sql := range strings.Split(c.sql, "; ") {
				pgtest.Exec(t, conn, sql)
			}
			wrong, sound := diagnose(t, conn)
			if c.want == "" {
				if len(wrong) > 0 || len(sound) < len(serverChecks)+len(queueChecks)-3 {
					t.Errorf("wrong: %q, sound: %q", wrong, sound)
				}
				return
			}
			if !slices.ContainsFunc(wrong, func(w string) bool { return strings.HasPrefix(w, c.want) }) {
				t.Errorf("found %q, want %q", wrong, c.want)
			}
			for _, w := range wrong { // of the same trouble, at most
				if len(wrong) > 2 {
					t.Errorf("also found %q", w)
				}
			}
		})
	}
}

// TestDoctorSeesSessions: a pgqd that ticks beside ours, and ours.
func TestDoctorSeesSessions(t *testing.T) {
	dsn := granted(t)
	conn, pgqd := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	pgtest.Exec(t, pgqd, `select pgq.ticker()`)
	pgtest.Start(t, "ticker", (&ticker.Ticker{Database: pgtest.Config(t, dsn)}).Run)
	wrong, _ := diagnose(t, conn)
	if len(wrong) != 1 || !strings.HasPrefix(wrong[0], "other tickers warning : process ") {
		t.Errorf("found %q", wrong)
	}
}

// TestTickerOf: whose ticks are fresh is told only where its session is seen.
func TestTickerOf(t *testing.T) {
	fresh, old := pgq.Queue{TickerLag: time.Second}, pgq.Queue{TickerLag: 91 * time.Second, IdlePeriod: time.Minute}
	conn := pgtest.Connect(t, database(t))
	for name, c := range map[string]struct {
		status Status
		want   Result
	}{
		"leads":         {Status{Tickers: []ticker.Session{{Leads: true}}, Queues: []pgq.Queue{fresh}}, Sound},
		"pgqd":          {Status{OtherTickers: []ticker.Session{{}}, Queues: []pgq.Queue{fresh}}, Sound},
		"just ended":    {Status{Queues: []pgq.Queue{fresh}}, Unknown},
		"ended":         {Status{Queues: []pgq.Queue{fresh, old}}, Failed},
		"without queue": {Status{}, Failed},
	} {
		found, err := queueChecks[slices.IndexFunc(queueChecks, func(c Check[*examination]) bool { return c.Name == "ticker" })].Run(t.Context(), &examination{Status: c.status, conn: conn})
		if err != nil || len(found) != 1 || found[0].Result != c.want {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

// TestMoveBegun: the install at the end of a move to the extension is missing.
func TestMoveBegun(t *testing.T) {
	s := pgtest.Server(t)
	pgtest.RequireExtension(t, s, "pgq", "apt-get install postgresql-15-pgq3")
	admin := pgtest.Admin(t, s, pgtest.DBName(t, pgtest.Database(t, s, nil)))
	pgtest.Exec(t, admin, `create extension pgq`)
	if _, err := schema.Install(t.Context(), admin, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	wrong, _ := diagnose(t, admin)
	pgtest.Exec(t, admin, `insert into skytools.migration (file, sum) values ('pgq/tables/001_queue.sql', '')`)
	half, _ := diagnose(t, admin)
	if strings.Contains(strings.Join(wrong, "\n"), "move ") || !slices.Contains(half, "move failed : a move to the extension pgq has stopped in the middle") {
		t.Errorf("found %q, then %q", wrong, half)
	}
}

// TestDoctorWithoutRights tells what it could not look at, and goes on.
func TestDoctorWithoutRights(t *testing.T) {
	dsn := granted(t)
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	pgtest.Exec(t, admin, `revoke select on pgq.retry_queue from public, app`)
	conn := pgtest.Connect(t, dsn)
	wrong, _ := diagnose(t, conn)
	if len(wrong) != 1 || !strings.HasPrefix(wrong[0], "retries unknown : ERROR: permission denied for table retry_queue") {
		t.Errorf("found %q", wrong)
	}
	// Of the sequences, as over the extension: the others are looked at.
	pgtest.Exec(t, admin, `revoke all on sequence pgq.batch_id_seq from public, app; grant select on pgq.retry_queue to app`)
	pgtest.Exec(t, conn, `select setval('pgq.event_1_tick_seq', 1)`)
	pgtest.Exec(t, conn, `insert into pgq.tick (tick_queue, tick_id, tick_event_seq) values (1, 5, 0)`)
	wrong, _ = diagnose(t, conn)
	for _, want := range []string{
		"sequences unknown : app may not read these sequences: pgq.batch_id_seq",
		"sequences failed q.one: sequence pgq.event_1_tick_seq is at 1, 5 is in use",
	} {
		if !slices.Contains(wrong, want) {
			t.Errorf("found %q, want %q", wrong, want)
		}
	}
}
