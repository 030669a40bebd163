package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
)

// The database and its owner, as the tutorial names them.
const (
	database = "foo"
	owner    = "chry"
)

// side is one server of the pair.
type side struct {
	name, dir string
	programs  pgserver.Binaries
	server    *pgserver.Server
}

func (s *side) start(ctx context.Context, keep bool) error {
	var err error
	s.server, err = pgserver.Start(ctx, pgserver.Options{Dir: s.dir, Programs: s.programs, Fsync: true, Keep: keep})
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

func (s *side) dsn() string { return s.server.DSN(database, owner) }

func (s *side) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, s.dsn())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return conn, nil
}

// exec runs statements, one after another, each committed by itself.
func (s *side) exec(ctx context.Context, statements ...string) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %s: %w", s.name, sql, err)
		}
	}
	return nil
}

// text runs a query that gives one text.
func (s *side) text(ctx context.Context, sql string) (string, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var text string
	if err := conn.QueryRow(ctx, sql).Scan(&text); err != nil {
		return "", fmt.Errorf("%s: %s: %w", s.name, sql, err)
	}
	return text, nil
}

// createDatabase makes the ordinary role and its database; everything after
// it is done as that role.
func (s *side) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.server.DSN("postgres", pgserver.Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{"create role " + owner + " login", "create database " + database + " owner " + owner} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return s.exec(ctx, "create table entry (id serial primary key, item text)")
}

// until polls a condition for at most a minute.
func until(ctx context.Context, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		done, err := ok()
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// content is a table of both sides as count and hash: all columns of all
// rows in key order.
type content struct{ rows, hash string }

func (s *side) content(ctx context.Context, conn *pgx.Conn) (content, error) {
	var c content
	err := conn.QueryRow(ctx, `select count(*)::text, md5(coalesce(string_agg(t::text, chr(10) order by id), '')) from entry t`).Scan(&c.rows, &c.hash)
	return c, err
}

// removeAll also removes what a server of another user left in the folder.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", filepath.Base(dir), err)
	}
	return nil
}
