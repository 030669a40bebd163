package londiste

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste/set"
)

// InstallFunc makes or refreshes the schemas of one database; it is given by
// the program, which carries them.
type InstallFunc func(ctx context.Context, conn *pgx.Conn) error

// nodeType is the kind of this database's node of the queue, "" where there
// is none.
func (s *session) nodeType(ctx context.Context) (string, error) {
	kind, err := set.One[string](ctx, s.conn, "select node_type from pgq_node.node_info where queue_name = $1", s.queue)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return kind, s.noRight(err)
}

// Install makes the provider: schemas, queue and root node. What exists is
// left as it is.
func (p *Provider) Install(ctx context.Context, install InstallFunc) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if there, err := s.install(ctx, install); err != nil || !there {
		return err
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		made, err := set.One[int](ctx, tx, "select pgq.create_queue($1)", s.queue)
		if err != nil {
			return fmt.Errorf("create queue %s: %w", s.queue, err)
		}
		if made == 1 {
			s.log.Info("Creating queue: " + s.queue)
			// The real extension makes ticks by this setting; ours come at once.
			_, err := tx.Exec(ctx, `select pgq.set_queue_config($1, 'ticker_max_lag', '0')
				where skytools.beside_extension()`, s.queue)
			if err != nil {
				return fmt.Errorf("configure queue %s: %w", s.queue, err)
			}
		}
		return s.makeNode(ctx, tx, "root", set.RootNode, set.RootNode)
	})
}

// Install makes the subscriber: schemas and a leaf node. The provider may be
// installed before or after it.
func (b *Subscriber) Install(ctx context.Context, install InstallFunc) error {
	s, err := openSession(ctx, &b.Pair, "subscriber", b.Fake)
	if err != nil {
		return err
	}
	defer s.close()
	if there, err := s.install(ctx, install); err != nil || !there {
		return err
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		if err := s.locate(ctx, tx, set.RootNode, location(b.Provider)); err != nil {
			return err
		}
		return s.makeNode(ctx, tx, "leaf", b.Job, b.ConsumerName())
	})
}

// install runs install and tells whether the schemas are there now: a dry run
// has rolled them back.
func (s *session) install(ctx context.Context, install InstallFunc) (there bool, err error) {
	if err := install(ctx, s.conn); err != nil {
		return false, fmt.Errorf("%s (%s): %w", s.side, at(s.conn.Config()), err)
	}
	if s.fake {
		s.log.Info("Dry run (fake = 1): rolled back at the " + s.side)
	}
	return set.One[bool](ctx, s.conn, "select to_regclass('pgq_node.node_info') is not null")
}

// makeNode writes down what this database is in the set. The worker makes
// its own row of pgq_node.local_state when it claims its consumer.
func (s *session) makeNode(ctx context.Context, tx pgx.Tx, kind, name, worker string) error {
	var oldKind, oldName string
	err := tx.QueryRow(ctx, "select node_type, node_name from pgq_node.node_info where queue_name = $1", s.queue).
		Scan(&oldKind, &oldName)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return err
	case oldKind != kind || oldName != name:
		return hint.With(fmt.Errorf("the %s's database is already %s node %q of queue %s", s.side, oldKind, oldName, s.queue),
			"a database takes part in a queue once: another job_name, or the same database as both sides, does not work")
	default:
		_, err := tx.Exec(ctx, "update pgq_node.node_info set worker_name = $2 where queue_name = $1 and worker_name <> $2",
			s.queue, worker)
		return err
	}
	if err := s.locate(ctx, tx, name, location(s.conn.Config())); err != nil {
		return err
	}
	if err := s.insertNode(ctx, tx, kind, name, worker); err != nil {
		return fmt.Errorf("make node %s: %w", name, err)
	}
	s.log.Info("Node " + name + " is initialized as " + kind)
	return nil
}

// insertNode makes a root as every cascade does. pgq_node.create_node would
// give a leaf a position, which nobody knows before the worker's first start.
func (s *session) insertNode(ctx context.Context, tx pgx.Tx, kind, name, worker string) error {
	if kind != "root" {
		_, err := tx.Exec(ctx, `
			insert into pgq_node.node_info (queue_name, node_type, node_name, worker_name)
			values ($1, $2, $3, $4)`, s.queue, kind, name, worker)
		return err
	}
	var code int
	var note string
	err := tx.QueryRow(ctx, "select * from pgq_node.create_node($1, 'root', $2, $3, null, null, null)",
		s.queue, name, worker).Scan(&code, &note)
	if err == nil && code >= 400 {
		err = errors.New(note)
	}
	return err
}

func (s *session) locate(ctx context.Context, tx pgx.Tx, node, location string) error {
	_, err := tx.Exec(ctx, "select pgq_node.register_location($1, $2, $3, false)", s.queue, node, location)
	return err
}

// location is how to reach a database, without its password: the table it
// stands in may be read by many.
func location(cfg *pgx.ConnConfig) string {
	return fmt.Sprintf("host=%s port=%d dbname=%s user=%s",
		quoteValue(cfg.Host), cfg.Port, quoteValue(cfg.Database), quoteValue(cfg.User))
}

func quoteValue(v string) string {
	for _, r := range v {
		if r == ' ' || r == '\'' || r == '\\' {
			return "'" + escapeValue(v) + "'"
		}
	}
	if v == "" {
		return "''"
	}
	return v
}

func escapeValue(v string) string {
	var out []byte
	for i := range len(v) {
		if v[i] == '\'' || v[i] == '\\' {
			out = append(out, '\\')
		}
		out = append(out, v[i])
	}
	return string(out)
}

// at names a database for a message.
func at(cfg *pgx.ConnConfig) string {
	return "database " + cfg.Database + " at " + net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
}
