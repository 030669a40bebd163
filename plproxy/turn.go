package plproxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste/set"
)

// One keeper at a time has a cluster: two that see the replicas from different
// machines would go on taking the change of the other back. Each cluster's name is
// an advisory lock of the session that writes it, so who has lost the session
// has lost the cluster. The others look, and take over when it is free.

// errBusy: another keeper has one of the clusters.
var errBusy = errors.New("another one keeps these clusters")

// lockSQL is the lock of the cluster named $1.
const lockSQL = `hashtextextended('skytools.plproxy cluster ' || $1::text, 0)`

// aliveSQL has the server end the session of a keeper whose machine is gone or
// that was stopped, so that another may take over: by idle_session_timeout from
// version 14 on, by TCP alone before.
const aliveSQL = `select set_config(name, setting, false) from (values
		('idle_session_timeout', $1::text), ('tcp_user_timeout', $1::text),
		('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '2'), ('tcp_keepalives_count', '3')
	) v (name, setting) where name in (select name from pg_settings)`

// take makes the session the keeper of its clusters, or is errBusy.
func (k *Keeper) take(ctx context.Context, conn *pgx.Conn) error {
	silence := max(3*(k.Every+2*lookTime), proxyTime)
	if _, err := conn.Exec(ctx, aliveSQL, fmt.Sprint(silence.Milliseconds())); err != nil {
		return err
	}
	for _, name := range []string{k.Write, k.Read} {
		got, err := set.One[bool](ctx, conn, `select pg_try_advisory_lock(`+lockSQL+`)`, name)
		if err != nil {
			return err
		}
		if !got {
			return k.busy(ctx, conn, name)
		}
	}
	return nil
}

// busy is errBusy with the session that has the cluster.
func (k *Keeper) busy(ctx context.Context, conn *pgx.Conn, name string) error {
	var pid int
	err := conn.QueryRow(ctx, `
		select l.pid from pg_locks l
		where l.locktype = 'advisory' and l.granted and l.objsubid = 1
		  and l.database = (select oid from pg_database where datname = current_database())
		  and (l.classid::bigint << 32) | l.objid::bigint = `+lockSQL, name).Scan(&pid)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return hint.With(fmt.Errorf("cluster %s: %w: process %d of the server", name, errBusy, pid),
		"pg_stat_activity tells from where; londiste INI plproxy-config -s stops it there")
}

// leave gives the clusters free: the next keeper, of this process after -r, need
// not wait until the server has seen the session end.
func (k *Keeper) leave(ctx context.Context) {
	_, _ = k.proxy.Exec(ctx, `select pg_advisory_unlock_all()`) // the end of the session does it too
}
