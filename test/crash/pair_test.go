package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/test/check"
)

const (
	queue = "crash.queue"
	job   = "crash_job"
	// patience bounds every single wait of a test.
	patience = 60 * time.Second
)

// bin is where the two programs are built for the tests.
const bin = "../../bin/test"

func TestMain(m *testing.M) {
	if os.Getenv(consumerEnv) != "" {
		os.Exit(consumerProgram())
	}
	build := exec.Command("go", "build", "-o", bin+"/", "../../cmd/pgqadm", "../../cmd/londiste")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		os.Exit(1)
	}
	pgtest.Main(m)
}

// tables of the tests: a foreign-key pair, a counter, append-only lists; with
// a secondary index, a unique key and a check that a copy drops and rebuilds.
const tables = `
create table owner (id int primary key, name text not null unique);
create table counter (
    id int primary key,
    owner int not null references owner,
    n bigint not null check (n >= 0),
    log int[] not null default '{}'
);
create index counter_owner on counter (owner, n);
create table line (id bigserial primary key, writer int not null, nr int not null, unique (writer, nr));
insert into owner select g, 'owner ' || g from generate_series(1, 20) g`

// ownTrigger is the subscriber's: it must not fire on what is replicated, and
// must not be lost.
const ownTrigger = `;
create table fired (id int);
create function mine() returns trigger language plpgsql as $$
begin
	insert into fired values (new.id);
	return new;
end $$;
create trigger mine before insert or update on counter for each row execute function mine()`

const oldRows = `;
insert into counter select g, 1 + g % 20, 0 from generate_series(1, 2000) g;
insert into line (writer, nr) select 0, g from generate_series(1, 2000) g`

var names = []string{"owner", "counter", "line"}

// pair is a provider and a subscriber database with their ini files.
type pair struct {
	t                          *testing.T
	provider, subscriber       string // DSN
	dir                        string
	names                      []string // tables that are replicated
	rotated                    bool     // event tables have been emptied
	extra                      int      // events of changes that the writers did not make
	beside                     string   // what a writer, number $1, does in each transaction beside its line
	events                     int      // that it makes
	providerSrv, subscriberSrv *pgserver.Server

	mu       sync.Mutex
	sessions map[string]*pgx.Conn // by DSN: those that value asks in
}

// newPair makes fresh databases that have the schemas, so that a case does not
// install them once more. Servers nil means those that tests share.
func newPair(t *testing.T, providerSrv, subscriberSrv *pgserver.Server) *pair {
	t.Helper()
	return pairOf(t, providerSrv, subscriberSrv, providerInstalled, subscriberInstalled)
}

func providerTables(ctx context.Context, conn *pgx.Conn) error {
	// A sequence that is copied with its database draws what it has logged ahead
	// without logging it again, and a crash takes that back. setval ends it.
	_, err := conn.Exec(ctx, tables+oldRows+`; select setval('line_id_seq', max(id)) from line`)
	return err
}

func subscriberTables(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, strings.SplitN(tables, "insert into", 2)[0]+ownTrigger)
	return err
}

func providerInstalled(ctx context.Context, conn *pgx.Conn) error {
	return errors.Join(providerTables(ctx, conn), installed(ctx, conn))
}

func subscriberInstalled(ctx context.Context, conn *pgx.Conn) error {
	return errors.Join(subscriberTables(ctx, conn), installed(ctx, conn))
}

func installed(ctx context.Context, conn *pgx.Conn) error {
	_, err := schema.Install(ctx, conn, schema.Options{})
	return err
}

func pairOf(t *testing.T, providerSrv, subscriberSrv *pgserver.Server, atProvider, atSubscriber pgtest.Setup) *pair {
	t.Helper()
	if providerSrv == nil {
		providerSrv, subscriberSrv = pgtest.Server(t), pgtest.Second(t)
	}
	p := &pair{
		t: t, dir: t.TempDir(), names: slices.Clone(names), providerSrv: providerSrv, subscriberSrv: subscriberSrv,
		sessions: map[string]*pgx.Conn{},
	}
	t.Cleanup(p.closeSessions)
	p.provider = pgtest.Database(t, providerSrv, atProvider)
	p.subscriber = pgtest.Database(t, subscriberSrv, atSubscriber)
	p.write("ticker.ini", fmt.Sprintf(`[pgqadm]
job_name = ticker
db = %s
maint_delay = 1
logfile = %%(job_name)s.log
pidfile = %%(job_name)s.pid
`, p.provider))
	p.write("replica.ini", fmt.Sprintf(`[londiste]
job_name = %s
provider_db = %s
subscriber_db = %s
pgq_queue_name = %s
logfile = %%(job_name)s.log
pidfile = %%(job_name)s.pid
`, job, p.provider, p.subscriber, queue))
	return p
}

func (p *pair) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) exec(dsn, sql string) {
	p.t.Helper()
	conn, err := pgx.Connect(p.t.Context(), dsn)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(p.t.Context()))
	if _, err := conn.Exec(p.t.Context(), sql); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

// value is the result of a query for one text; "" while the server does not answer.
func (p *pair) value(dsn, sql string) string {
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		conn, kept := p.sessions[dsn]
		if !kept {
			var err error
			if conn, err = connectPlain(ctx, dsn); err != nil {
				return ""
			}
			p.sessions[dsn] = conn
		}
		var text string
		err := conn.QueryRow(ctx, sql).Scan(&text)
		if err == nil || !conn.IsClosed() {
			return text
		}
		delete(p.sessions, dsn)
		if !kept {
			return ""
		} // a kept session may have ended with a server that is up again
	}
}

// connectPlain connects for queries whose plans are not kept: tables are made and
// changed between two of them.
func connectPlain(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	return pgx.ConnectConfig(ctx, cfg)
}

func (p *pair) closeSessions() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.sessions {
		_ = conn.Close(context.WithoutCancel(p.t.Context())) // its server may be gone
	}
}

// number is the result of a query for one number.
func (p *pair) number(dsn, sql string) int {
	p.t.Helper()
	n, err := strconv.Atoi(p.value(dsn, "select ("+sql+")::text"))
	if err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// until waits for a condition.
func (p *pair) until(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(50 * time.Millisecond) // the condition is another process's, or a server's, which tells nobody here
	}
}

// process is one of our programs.
type process struct {
	cmd  *exec.Cmd
	said *buffer
	done chan struct{} // closed when it has ended
}

// start runs a program with a failpoint armed; spec "" arms none.
func (p *pair) start(spec, line string) *process {
	p.t.Helper()
	words := strings.Fields(line)
	program, err := filepath.Abs(filepath.Join(bin, words[0]))
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(program, words[1:]...)
	cmd.Dir = p.dir
	return begin(p.t, spec, line, cmd)
}

// begin starts a process that ends with the test at the latest.
func begin(t *testing.T, spec, line string, cmd *exec.Cmd) *process {
	t.Helper()
	cmd.Env = append(cmd.Environ(), failpoint.Env+"="+spec)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	proc := &process{cmd: cmd, said: &buffer{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = proc.said, proc.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // how it ended stands in ProcessState
		close(proc.done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the only error is that it has ended
		<-proc.done
		if t.Failed() {
			t.Logf("%s said:\n%s", line, proc.said)
		}
	})
	return proc
}

// command runs a program to its end, which must be a good one, and returns what
// it said.
func (p *pair) command(line string) string {
	p.t.Helper()
	proc := p.start("", line)
	select {
	case <-proc.done:
	case <-time.After(patience):
		p.t.Fatalf("%s does not end", line)
	}
	if !proc.cmd.ProcessState.Success() {
		p.t.Fatalf("%s: %v\n%s", line, proc.cmd.ProcessState, proc.said)
	}
	return proc.said.String()
}

// killed waits for the failpoint to end the process.
func (proc *process) killed(t *testing.T) {
	t.Helper()
	select {
	case <-proc.done:
	case <-time.After(patience):
		t.Fatalf("the point was not reached")
	}
	status, ok := proc.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("ended by itself: %v", proc.cmd.ProcessState)
	}
}

// install installs both sides and registers the tables at the provider.
func (p *pair) install() {
	p.t.Helper()
	p.command("londiste replica.ini provider install")
	p.command("londiste replica.ini subscriber install")
	p.command("londiste replica.ini provider add " + strings.Join(names, " "))
	p.command("londiste replica.ini provider add-seq line_id_seq")
	p.command("londiste replica.ini subscriber add " + strings.Join(names, " "))
	p.command("londiste replica.ini subscriber add-seq line_id_seq")
	p.exec(p.subscriber, noteStart)
	check.WatchRotation(p.t.Context(), p.t, pgtest.Connect(p.t, p.provider), queue)
}

// noteStart writes down at which tick the worker begins.
const noteStart = `
create table if not exists started (started_id serial, tick_id bigint);
create or replace function note_start() returns trigger language plpgsql as $$
begin
	if new.consumer_name = '` + job + `' then
		insert into public.started (tick_id) values (new.last_tick_id);
	end if;
	return null;
end $$;
create or replace trigger note_start after insert on pgq_node.local_state for each row execute function note_start();
alter table pgq_node.local_state enable always trigger note_start`

// write makes transactions until stop is called; its second result is called
// to wait for the writers.
func (p *pair) load(ctx context.Context, writers int) (stop func()) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			if err := p.writer(ctx, w+1); err != nil && ctx.Err() == nil {
				p.t.Errorf("writer %d: %v", w+1, err)
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// writer appends numbered lines and increments counters; a transaction that
// a stopped server interrupts is done again, so no number may come twice.
func (p *pair) writer(ctx context.Context, w int) error {
	var conn *pgx.Conn
	for nr := 1; ctx.Err() == nil; time.Sleep(8 * time.Millisecond) { // a steady load, not all that the machine has
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(ctx, p.provider); err != nil {
				conn = nil
				continue
			}
			defer conn.Close(context.WithoutCancel(ctx))
		}
		// The number follows from the table: a commit whose answer was lost counts.
		_, err := conn.Exec(ctx, fmt.Sprintf(`
			with next as (select coalesce(max(nr), 0) + 1 as nr from line where writer = %[1]d),
				added as (insert into line (writer, nr) select %[1]d, nr from next returning nr)
			update counter set n = n + 1, log = (log || nr)[greatest(1, cardinality(log) - 8):]
				from added where id = 1 + (nr * 7919 + %[1]d) %% 2000;`, w)+strings.ReplaceAll(p.beside, "$1", fmt.Sprint(w)))
		if err == nil {
			nr++
		} else if !conn.IsClosed() && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// settled waits until all tables are ok and nothing is on its way, then
// compares both sides and checks the invariants.
func (p *pair) settled() {
	p.t.Helper()
	p.until("all tables to be ok", func() bool {
		return p.value(p.subscriber, `select count(*)::text from londiste.table_info where merge_state = 'ok'`) == fmt.Sprint(len(p.names)) &&
			p.value(p.subscriber, `select count(*)::text from londiste.pending_fkeys`) == "0"
	})
	mark := p.value(p.provider, "insert into line (writer, nr) select -1, 1 + count(*) from line where writer = -1 returning nr::text")
	p.until("the last change to arrive", func() bool {
		return p.value(p.subscriber, "select max(nr)::text from line where writer = -1") == mark
	})
	p.until("copy consumers to go", func() bool {
		return p.value(p.provider, "select count(*)::text from pgq.consumer where co_name like '%.copy.%'") == "0"
	})
	pgtest.CompareTables(p.t, p.provider, p.subscriber, p.names...)
	pgtest.CompareSequences(p.t, p.provider, p.subscriber, "line_id_seq")
	ctx := p.t.Context()
	check.Pair{
		Provider: pgtest.Connect(p.t, p.provider), Subscriber: pgtest.Connect(p.t, p.subscriber),
		Queue: queue, Consumer: job,
	}.Invariants(ctx, p.t)
	want, got := p.value(p.provider, objects), p.value(p.subscriber, objects)
	if got != want {
		p.t.Errorf("indexes and constraints at the provider:\n%s\nat the subscriber:\n%s", want, got)
	}
	// The trigger that was in force at the subscriber is kept, and was shut out
	// all the time.
	kept := `select count(*) || ' ' || (select count(*) from skytools.pending_ddl where kind = 'trigger')
		from pg_trigger where tgname = 'mine' and tgenabled = 'D'`
	if n := p.value(p.subscriber, kept); n != "1 1" {
		p.t.Errorf("%s: %q, want one trigger and its statement", kept, n)
	}
	if n := p.number(p.subscriber, "select count(*) from fired"); n != 0 {
		p.t.Errorf("the subscriber's own trigger fired %d times", n)
	}
}

// objects is an expression for all indexes and constraints of the tables.
const objects = `select string_agg(x, chr(10) order by x) from (
	select indexdef from pg_indexes where tablename = any('{owner,counter,line}')
	union all
	select conrelid::regclass || ' ' || conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid)
	from pg_constraint where conrelid = any('{owner,counter,line}'::regclass[])) as o (x)`

// buffer collects what a process says while others may read it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*buffer)(nil)

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
