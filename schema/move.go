package schema

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// A database moves between the real extension and our schema pgq while its
// queues are in use: writers, consumers and tickers wait a moment and go on.
// conn is a superuser's, for an extension is made and taken apart. A step that
// does not get its locks is rolled back and tried again, for movePatience.
const movePatience = 5 * time.Minute

// structure is the file whose tables the extension's are taken for.
const structure = "pgq/tables/001_queue.sql"

// FromExtension makes the schema of the extension pgq this project's, with all
// that is in it. Schema skytools must be installed beside it already: its owner
// becomes the owner of the queues.
func FromExtension(ctx context.Context, conn *pgx.Conn, opt Options) (Report, error) {
	f, err := readFile(tree, structure)
	if err != nil {
		return Report{}, err
	}
	m := mover{conn, opt.Log}
	half, err := m.half(ctx, halfFromSQL)
	if err == nil && !half {
		err = m.step(ctx, "from_extension.sql", "set local skytools.structure_sum = "+ident.Literal(f.Sum)+";\n")
	}
	if err != nil {
		return Report{}, fmt.Errorf("move from the extension: %w", err)
	}
	return Install(ctx, conn, opt)
}

// ToExtension gives this project's schema pgq to the extension. Writers first
// learn to ask where a queue stands. Who does not know it yet is waited for:
// all transactions that are open then.
func ToExtension(ctx context.Context, conn *pgx.Conn, opt Options) (Report, error) {
	m := mover{conn, opt.Log}
	steps := []func(context.Context) error{
		m.needOurs,
		func(ctx context.Context) error { return m.step(ctx, "stop_telling.sql", "") },
		m.waitForOpen,
		func(ctx context.Context) error { return m.step(ctx, "to_extension.sql", "") },
	}
	half, err := m.half(ctx, halfToSQL)
	if half {
		steps = nil
	}
	for _, step := range steps {
		if err == nil {
			err = step(ctx)
		}
	}
	if err != nil {
		return Report{}, fmt.Errorf("move to the extension: %w", err)
	}
	return Install(ctx, conn, opt)
}

// A move that was ended before the install at its end shows in the books: the
// version of a function that is to be replaced, or structure that went with
// the schema. What is missing is the install.
const (
	halfFromSQL = `not exists (select from pg_extension where extname = 'pgq')
		and exists (select from skytools.routine where file = 'pgq/functions/version.sql' and sum = '')`
	halfToSQL = `skytools.beside_extension()
		and exists (select from skytools.migration where file = 'pgq/tables/001_queue.sql')`
)

type mover struct {
	conn *pgx.Conn
	log  *slog.Logger
}

func (m mover) half(ctx context.Context, condition string) (half bool, err error) {
	err = m.conn.QueryRow(ctx, `select to_regprocedure('skytools.beside_extension()') is not null`).Scan(&half)
	if err != nil || !half {
		return false, err
	}
	err = m.conn.QueryRow(ctx, `select `+condition).Scan(&half)
	return half, err
}

func (m mover) needOurs(ctx context.Context) error {
	var ours, super, available bool
	err := m.conn.QueryRow(ctx, `select to_regclass('skytools.installation') is not null
			and to_regclass('pgq.queue') is not null
			and not exists (select from pg_extension where extname = 'pgq'),
		(select rolsuper from pg_roles where rolname = current_user),
		exists (select from pg_available_extension_versions where name = 'pgq' and not trusted)`).Scan(&ours, &super, &available)
	switch {
	case err != nil:
		return err
	case !super:
		return hint.With(errors.New("the role is no superuser"), "an extension is made by a superuser: give such a role in the connection string")
	case !ours:
		return hint.With(errors.New("the database does not hold this project's schema pgq"), "status tells what it holds")
	case !available:
		return hint.With(errors.New("the server has no extension pgq"), "install its package, on Debian postgresql-NN-pgq3")
	}
	return nil
}

// step runs one file in a transaction, again while it does not get its locks.
func (m mover) step(ctx context.Context, name, before string) error {
	f, err := readFile(steps, "install/"+name)
	if err != nil {
		return err
	}
	for begin := time.Now(); ; {
		err := m.once(ctx, f, before)
		pg, ok := errors.AsType[*pgconn.PgError](err)
		busy := ok && (pg.Code == "55P03" || pg.Code == "40P01")
		switch {
		case !busy:
			return err
		case time.Since(begin) > movePatience:
			return hint.With(err, "end the transactions that have been open for long, and try again")
		}
		if m.log != nil {
			m.log.Info("The queues are in use, trying again: " + pg.Message)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m mover) once(ctx context.Context, f file, before string) error {
	tx, err := m.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // after the commit it does nothing
	err = tx.Conn().PgConn().Exec(ctx, sessionSQL(true)+lockSQL+before+f.Text).Close()
	if err != nil {
		return explain(err, "", f.Text)
	}
	return commit(ctx, tx)
}

// waitForOpen waits for the transactions that are open now.
func (m mover) waitForOpen(ctx context.Context) error {
	var limit int64
	if err := m.conn.QueryRow(ctx, `select txid_snapshot_xmax(txid_current_snapshot())`).Scan(&limit); err != nil {
		return err
	}
	for begin := time.Now(); ; {
		var over bool
		err := m.conn.QueryRow(ctx, `select txid_snapshot_xmin(txid_current_snapshot()) >= $1`, limit).Scan(&over)
		if err != nil || over {
			return err
		}
		if time.Since(begin) > movePatience {
			return hint.With(errors.New("transactions have been open for too long"),
				"pg_stat_activity and pg_prepared_xacts list them; end them and try again, or stay: pgqadm INI install; until then writers are a little slower")
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
