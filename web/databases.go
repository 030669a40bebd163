package web

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

// Databases reads the queues of one database, or of all of a server that have
// PgQ, over a session for each that stays open. Its Read is for one reader.
type Databases struct {
	Server *pgx.ConnConfig // the database, or where the server's list is read
	All    bool            // of the server; false: the one
	Only   []string        // of the server's; nil: all

	conns map[string]*pgx.Conn
	bare  map[string]time.Time // databases without PgQ, and when they were looked at
}

const (
	lockWait   = time.Second // to look must hold up nobody
	bareFor    = time.Minute // a database without PgQ is not looked at again
	leastShare = time.Second // of the time for a look, that one database gets
)

// Read looks at all of them. One that cannot be read is there with its error.
func (d *Databases) Read(ctx context.Context) View {
	if d.conns == nil {
		d.conns, d.bare = map[string]*pgx.Conn{}, map[string]time.Time{}
	}
	names, err := d.names(ctx)
	if err != nil {
		return View{Err: err}
	}
	d.forget(names)
	view := View{Databases: []Database{}}
	for _, name := range names {
		if time.Since(d.bare[name]) < bareFor {
			continue
		}
		status, err := d.one(ctx, name)
		if errors.Is(err, pgq.ErrNotInstalled) && d.All {
			d.bare[name] = time.Now()
			d.drop(ctx, name) // it may be a template
			continue
		}
		view.Databases = append(view.Databases, Database{Name: name, Status: status, Err: err})
	}
	return view
}

// Close ends the sessions.
func (d *Databases) Close() { d.forget(nil) }

func (d *Databases) names(ctx context.Context) ([]string, error) {
	if !d.All {
		return []string{d.Server.Database}, nil
	}
	ctx, cancel := share(ctx)
	defer cancel()
	conn, err := session.Open(ctx, d.Server, lockWait)
	if err != nil {
		return nil, err
	}
	defer session.Close(ctx, conn)
	names, err := ticker.Databases(ctx, conn)
	if d.Only != nil {
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(d.Only, name) })
	}
	return names, err
}

func (d *Databases) one(ctx context.Context, name string) (*doctor.Status, error) {
	ctx, cancel := share(ctx)
	defer cancel()
	conn := d.conns[name]
	if conn == nil {
		config := d.Server.Copy()
		config.Database = name
		var err error
		if conn, err = session.Open(ctx, config, lockWait); err != nil {
			return nil, err
		}
		d.conns[name] = conn
		if err = pgq.CheckInstalled(ctx, conn); err != nil {
			d.drop(ctx, name)
			return nil, err
		}
	}
	status, err := doctor.ReadStatus(ctx, conn)
	if err != nil {
		d.drop(ctx, name)
		return nil, err
	}
	return &status, nil
}

// share lets one database have half of the time that is left.
func share(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := leastShare
	if end, ok := ctx.Deadline(); ok {
		limit = max(time.Until(end)/2, leastShare)
	}
	return context.WithTimeout(ctx, limit)
}

func (d *Databases) drop(ctx context.Context, name string) {
	if conn := d.conns[name]; conn != nil {
		session.Close(ctx, conn)
	}
	delete(d.conns, name)
}

// forget ends the sessions of databases that are not listed.
func (d *Databases) forget(listed []string) {
	for name := range d.conns {
		if !slices.Contains(listed, name) {
			d.drop(context.Background(), name)
		}
	}
}
