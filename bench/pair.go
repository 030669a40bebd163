package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
)

// The table of the figures: six columns, about 120 bytes a row. rowOf is row
// number g.
const (
	tableSQL = "create table ev (id bigint primary key, grp int not null, name text, amount numeric(12,2), ts timestamptz, doc jsonb)"
	rowOf    = "g, (g%1000)::int, 'name-'||md5(g::text), ((g%1000000)/7.0)::numeric(12,2), timestamptz '2024-01-01' + g*interval '1 s'," +
		" jsonb_build_object('k', g%100, 'tag', substr(md5(g::text),1,8))"
)

// database is the one that is measured, on every server.
const database = "b"

// server is one server and a session of ours in its database.
type server struct {
	*pgserver.Server
	conn *pgx.Conn
}

// settings are the same for everybody.
var settings = map[string]string{
	"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min", "maintenance_work_mem": "256MB",
	"wal_level": "logical", "track_commit_timestamp": "on",
	// Else the start of native's worker waits up to 5 s, by chance.
	"wal_retrieve_retry_interval": "100ms",
}

func startServer(ctx context.Context) (*server, error) {
	s, err := pgserver.Start(ctx, pgserver.Options{Fsync: true, Conf: settings})
	if err != nil {
		return nil, err
	}
	return &server{Server: s}, nil
}

// create makes the database, from a template where it is not "", and opens
// the session.
func (s *server) create(ctx context.Context, template string) error {
	if template == "" {
		template = "template1"
	}
	if err := s.administer(ctx, "create database "+database+" template "+template); err != nil {
		return err
	}
	return s.connect(ctx)
}

func (s *server) connect(ctx context.Context) (err error) {
	s.conn, err = pgx.Connect(ctx, s.dsn())
	return err
}

// administer runs statements in the database postgres.
func (s *server) administer(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres", pgserver.Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return execAll(ctx, conn, statements...)
}

// dsn is that of a superuser, which native replication wants.
func (s *server) dsn() string { return s.DSN(database, pgserver.Superuser) }

func (s *server) exec(ctx context.Context, statements ...string) error {
	return execAll(ctx, s.conn, statements...)
}

func (s *server) remove() error {
	if s.conn != nil {
		_ = s.conn.Close(context.Background())
	}
	return s.Remove()
}

func execAll(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// one runs a query for a single value.
func one[T any](ctx context.Context, s *server, sql string, args ...any) (T, error) {
	var v T
	if err := s.conn.QueryRow(ctx, sql, args...).Scan(&v); err != nil {
		return v, fmt.Errorf("%s: %w", sql, err)
	}
	return v, nil
}

// pair is two servers, with the table on both.
type pair struct{ provider, subscriber *server }

func newPair(ctx context.Context) (*pair, error) {
	p := &pair{}
	for _, side := range []**server{&p.provider, &p.subscriber} {
		s, err := startServer(ctx)
		if err != nil {
			return nil, errors.Join(err, p.remove())
		}
		*side = s
		if err := errors.Join(s.create(ctx, ""), s.exec(ctx, tableSQL)); err != nil {
			return nil, errors.Join(err, p.remove())
		}
	}
	return p, nil
}

func (p *pair) both() []*server { return []*server{p.provider, p.subscriber} }

func (p *pair) remove() error {
	var errs []error
	for _, s := range p.both() {
		if s != nil {
			errs = append(errs, s.remove())
		}
	}
	return errors.Join(errs...)
}

// arrived waits until the subscriber has the row.
func (p *pair) arrived(ctx context.Context, id int64) error {
	return until(ctx, 5*time.Millisecond, func() (bool, error) {
		return one[bool](ctx, p.subscriber, "select exists (select from ev where id = $1)", id)
	})
}

// equal compares all columns of all rows.
func (p *pair) equal(ctx context.Context) error {
	var got [2]string
	for i, s := range p.both() {
		var err error
		got[i], err = one[string](ctx, s, "select count(*) || ' rows, ' || coalesce(sum(hashtextextended(e::text, 0)), 0) from ev e")
		if err != nil {
			return err
		}
	}
	if got[0] != got[1] {
		return fmt.Errorf("the sides differ: provider %s, subscriber %s", got[0], got[1])
	}
	return nil
}

// patience is how long anything may take.
const patience = 15 * time.Minute

// until looks again and again whether something has happened.
func until(ctx context.Context, pause time.Duration, happened func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("waited in vain"))
	defer cancel()
	for {
		if done, err := happened(); done || err != nil {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}
