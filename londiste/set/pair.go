package set

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/session"
)

// RootNode is the node name of the provider's side.
const RootNode = "root"

// Pair is a set seen from its two-sided ini: the provider's database, the
// subscriber's, the queue between. It is values only; commands and the
// worker open their own connections.
type Pair struct {
	Job         string          // job_name; also the subscriber's node name
	Queue       string          // pgq_queue_name; also the set's name
	Consumer    string          // pgq_consumer_id; "" means Job
	Provider    *pgx.ConnConfig // provider_db
	Subscriber  *pgx.ConnConfig // subscriber_db
	LockTimeout time.Duration   // how long a lock on a table may be waited for; 0 means 10 s
	Log         *slog.Logger    // nil means none
}

// ConsumerName is the name under which the subscriber reads the queue.
func (p *Pair) ConsumerName() string { return cmp.Or(p.Consumer, p.Job) }

// CopyConsumer is the name under which the copy of a table reads the queue.
func (p *Pair) CopyConsumer(table ident.Name) string { return p.CopyPrefix() + table.String() }

// CopyPrefix is what the names of all copies' consumers begin with.
func (p *Pair) CopyPrefix() string { return p.ConsumerName() + ".copy." }

// Logger is Log, or one that says nothing.
func (p *Pair) Logger() *slog.Logger {
	if p.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.Log
}

// LockWait is LockTimeout or its default.
func (p *Pair) LockWait() time.Duration { return cmp.Or(p.LockTimeout, 10*time.Second) }

// ConnectProvider opens a connection; the error says which side it was, with a
// hint and without a password.
func (p *Pair) ConnectProvider(ctx context.Context) (*pgx.Conn, error) {
	return ConnectSide(ctx, "provider", p.Provider)
}

// ConnectSubscriber does the same at the other side.
func (p *Pair) ConnectSubscriber(ctx context.Context) (*pgx.Conn, error) {
	return ConnectSide(ctx, "subscriber", p.Subscriber)
}

// ConnectSide opens a connection to a side, which is provider or subscriber.
func ConnectSide(ctx context.Context, side string, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	cfg = cfg.Copy()
	cfg.OnNotification = nil // where cfg was a connection's, it would get ours
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "londiste"
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, hint.Connect(err, &cfg.Config, "the "+side+" database", side+"_db")
	}
	if err := session.Own(ctx, conn); err != nil {
		CloseConn(&conn)
		return nil, fmt.Errorf("%s: %w", side, err)
	}
	// Whoever may create in a schema of the path could else have functions and
	// operators of their own run as our role: where an argument's type fits them
	// better than the server's.
	if _, err := conn.Exec(ctx, "set search_path = pg_catalog"); err != nil {
		CloseConn(&conn)
		return nil, fmt.Errorf("%s: %w", side, err)
	}
	return conn, nil
}
