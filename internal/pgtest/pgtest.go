package pgtest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgserver"
)

// Role is the ordinary role that owns the databases of the tests: LOGIN, and
// nothing else.
const Role = "app"

// patience bounds each single step of the helper, an install on a machine with
// much else to do included. Tests have deadlines of their own.
const patience = 3 * time.Minute

// width is how many parallel tests of a package run for each processor: most of
// their time they wait for programs that look again in a second.
const width = 4

// Main runs the tests and exits, with the servers of this process removed. It
// also removes them when the run is interrupted at the terminal. What after
// finds wrong when all that is done, such as goroutines left over, fails the
// package.
//
// More parallel tests run at once than go test would by itself, unless -parallel
// tells how many.
func Main(m *testing.M, after ...func() error) {
	widen()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		_ = pgserver.RemoveAll()
		os.Exit(130)
	}()
	code := m.Run()
	for _, check := range append([]func() error{pgserver.RemoveAll}, after...) {
		if err := check(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func widen() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(width*runtime.GOMAXPROCS(0))); err != nil {
		panic(err) // the flag is the testing package's, and takes a number
	}
}

type started struct {
	once   sync.Once
	server *pgserver.Server
	err    error
}

var first, second started

// Server returns the shared server of this test process (the provider's side).
func Server(t testing.TB) *pgserver.Server {
	t.Helper()
	return first.get(t)
}

// Second returns another one (the subscriber's side).
func Second(t testing.TB) *pgserver.Server {
	t.Helper()
	return second.get(t)
}

func (s *started) get(t testing.TB) *pgserver.Server {
	t.Helper()
	s.once.Do(func() { s.server, s.err = start(pgserver.Options{}) })
	if s.err != nil {
		t.Fatalf("pgtest: %v", s.err)
	}
	return s.server
}

// Own starts a server for one test alone, which the test may stop, break and
// configure; it is removed at the test's end.
func Own(t testing.TB, opt pgserver.Options) *pgserver.Server {
	t.Helper()
	s, err := start(opt)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	removed(t, s)
	return s
}

// Backup starts a server of a base backup of s, for one test alone.
func Backup(t testing.TB, s *pgserver.Server) *pgserver.Server {
	t.Helper()
	RequireProgram(t, s, "pg_basebackup", "Debian: apt-get install postgresql-client")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := s.Backup(ctx, pgserver.Options{})
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	removed(t, c)
	return c
}

// Copy starts a server of the files of one that is stopped.
func Copy(t testing.TB, s *pgserver.Server) *pgserver.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := s.Copy(ctx, pgserver.Options{})
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	removed(t, c)
	return c
}

// removed has a server removed at the test's end.
func removed(t testing.TB, s *pgserver.Server) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the log of the server on port %d:\n%s", s.Port(), s.LogTail(30))
		}
		if err := s.Remove(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
}

func start(opt pgserver.Options) (*pgserver.Server, error) {
	if opt.BinDir == "" && opt.Programs.Dir == "" { // they may have to be fetched
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		found, err := pgserver.Find(ctx, pgserver.FindOptions{})
		if err != nil {
			return nil, err
		}
		opt.Programs = found
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := pgserver.Start(ctx, opt)
	if err != nil {
		return nil, err
	}
	return s, asAdmin(ctx, s, "create role "+Role+" login")
}

// asAdmin runs statements as the superuser in the database postgres.
func asAdmin(ctx context.Context, s *pgserver.Server, statements ...string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres", pgserver.Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// Setup fills a template database as [Role].
type Setup = func(ctx context.Context, conn *pgx.Conn) error

// template is a database that a setup function has filled once.
type template struct {
	once sync.Once
	name string
	err  error
	keep Setup // the key is its address, which must not be used again
}

type templateKey struct {
	server *pgserver.Server
	setup  unsafe.Pointer
}

var (
	templatesMu sync.Mutex
	templates   = map[templateKey]*template{}
	names       atomic.Int64
)

// Database makes a fresh database owned by [Role] and returns the DSN to
// connect to it as that role; it is dropped at the test's end.
//
// setup, which may be nil, fills it. It runs once per server and function, in
// a template that is then cloned for every test. (A function literal that
// captures variables is another function each time, so it is never shared.)
func Database(t testing.TB, s *pgserver.Server, setup Setup) string {
	t.Helper()
	from := "template1"
	if setup != nil {
		tpl := templateFor(s, setup)
		tpl.once.Do(func() { tpl.err = tpl.make(s, setup) })
		if tpl.err != nil {
			t.Fatalf("pgtest: set up a template database: %v", tpl.err)
		}
		from = tpl.name
	}
	name := fmt.Sprintf("test_%d", names.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := create(ctx, s, name, from); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { drop(t, s, name) })
	return s.DSN(name, Role)
}

func templateFor(s *pgserver.Server, setup Setup) *template {
	templatesMu.Lock()
	defer templatesMu.Unlock()
	// A function value is a pointer to its closure: one for all calls of a
	// function without captured variables, a new one for each closure.
	key := templateKey{s, *(*unsafe.Pointer)(unsafe.Pointer(&setup))}
	tpl := templates[key]
	if tpl == nil {
		tpl = &template{name: fmt.Sprintf("template_%d", names.Add(1)), keep: setup}
		templates[key] = tpl
	}
	return tpl
}

func (tpl *template) make(s *pgserver.Server, setup Setup) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := create(ctx, s, tpl.name, "template1"); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.DSN(tpl.name, Role))
	if err != nil {
		return err
	}
	err = setup(ctx, conn)
	if closeErr := conn.Close(ctx); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	// A clone is refused while anybody is connected to its source.
	return asAdmin(ctx, s, "alter database "+ident.Quote(tpl.name)+" allow_connections false")
}

func create(ctx context.Context, s *pgserver.Server, name, from string) error {
	sql := fmt.Sprintf("create database %s owner %s template %s", ident.Quote(name), Role, ident.Quote(from))
	if err := asAdmin(ctx, s, sql); err != nil {
		return err
	}
	if s.Programs().Major >= 15 || from != "template1" {
		return nil
	}
	// Up to 14 schema public belongs to the superuser, from 15 to the owner of the database.
	conn, err := pgx.Connect(ctx, s.DSN(name, pgserver.Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "alter schema public owner to "+Role)
	return err
}

// drop drops a database if its server still runs.
func drop(t testing.TB, s *pgserver.Server, name string) {
	if s.PID() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := asAdmin(ctx, s, "drop database if exists "+ident.Quote(name)+" with (force)"); err != nil {
		t.Errorf("pgtest: %v", err)
	}
}

// Connect connects; the connection is closed at the test's end.
func Connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

// Admin connects to a database of s as the superuser.
func Admin(t testing.TB, s *pgserver.Server, dbname string) *pgx.Conn {
	t.Helper()
	return Connect(t, s.DSN(dbname, pgserver.Superuser))
}

// DBName is the name of the database that dsn points to.
func DBName(t testing.TB, dsn string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return cfg.Database
}

// Long tells whether this is the long run (`make test-long`, LONG=1), in which
// tests take more seeds, rounds and rows. It never decides whether a test runs.
func Long() bool { return os.Getenv("LONG") != "" }

// RequireTool skips the test when the program `what` is neither among the
// server's programs nor on PATH, and says what to install; with REQUIRE=all it
// fails. It returns the program's path.
func RequireTool(t testing.TB, what, install string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if bin, err := pgserver.Find(ctx, pgserver.FindOptions{}); err == nil {
		if path, err := bin.Program(what); err == nil && bin.LibDir == "" { // it runs by itself
			return path
		}
	}
	path, err := exec.LookPath(what)
	if err != nil {
		lacks(t, what, install)
	}
	return path
}

// RequireProgram is [RequireTool] for a program that must be of the server's own
// version.
func RequireProgram(t testing.TB, s *pgserver.Server, name, install string) {
	t.Helper()
	if _, err := s.Programs().Program(name); err != nil {
		lacks(t, fmt.Sprintf("%s of PostgreSQL %d", name, s.Programs().Major), install)
	}
}

// RequireExtension is [RequireTool] for an extension of the server.
func RequireExtension(t testing.TB, s *pgserver.Server, name, install string) {
	t.Helper()
	var there bool
	err := Admin(t, s, "postgres").QueryRow(context.Background(),
		"select exists (select from pg_catalog.pg_available_extensions where name = $1)", name).Scan(&there)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if !there {
		lacks(t, "extension "+name, install)
	}
}

// RequireModule is [RequireTool] for a module of Python. It returns the Python
// that has it: Debian's packages are for Debian's own.
func RequireModule(t testing.TB, name, install string) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		path, err := exec.LookPath(python)
		if err == nil && exec.Command(path, "-c", "import "+name).Run() == nil {
			return path
		}
	}
	lacks(t, "Python's module "+name, install)
	return ""
}

// RequireVersion skips the test on servers older than a major version, which
// lack what it is about.
func RequireVersion(t testing.TB, s *pgserver.Server, major int, what string) {
	t.Helper()
	if s.Programs().Major < major {
		lacks(t, fmt.Sprintf("PostgreSQL %d (%s)", major, what), "name a newer one by "+pgserver.EnvBin)
	}
}

func lacks(t testing.TB, what, install string) {
	t.Helper()
	text := fmt.Sprintf("needs %s: %s", what, install)
	if strings.EqualFold(os.Getenv("REQUIRE"), "all") {
		t.Fatalf("%s (REQUIRE=all allows no skips)", text)
	}
	t.Skip(text)
}
