package diagnosis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// The checks of the databases as such: which they are, and what is installed.

func databasesOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	prov, err := set.Identify(ctx, v.provider.conn)
	if err != nil {
		return nil, err
	}
	sub, err := set.Identify(ctx, v.subscriber.conn)
	if err != nil || prov.System != sub.System || prov.OID != sub.OID {
		return nil, err
	}
	return []doctor.Finding{{
		Result: doctor.Failed, Text: fmt.Sprintf("provider_db and subscriber_db are the same database %s", prov.Database),
		Mend: "name two in the ini file; on one server they may be two databases",
	}}, nil
}

// clockTolerance is what the clocks of two servers may differ by.
const clockTolerance = 2 * time.Second

func clocksOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	pLow, pHigh, err := doctor.ClockOffset(ctx, v.provider.conn, v.now)
	if err != nil {
		return nil, err
	}
	sLow, sHigh, err := doctor.ClockOffset(ctx, v.subscriber.conn, v.now)
	if err != nil {
		return nil, err
	}
	off := max(pLow-sHigh, sLow-pHigh) // at least, whatever the round trips were
	if off <= clockTolerance {
		return nil, nil
	}
	return []doctor.Finding{{
		Result: doctor.Warning, Text: fmt.Sprintf("the clocks of provider and subscriber differ by %s", pgq.Seconds(off)),
		Mend: "have both servers follow a time server: timedatectl set-ntp true",
	}}, nil
}

func encodingsOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	const sql = `select pg_encoding_to_char(encoding)::text from pg_database where datname = current_database()`
	prov, err := set.One[string](ctx, v.provider.conn, sql)
	if err != nil {
		return nil, err
	}
	sub, err := set.One[string](ctx, v.subscriber.conn, sql)
	if err != nil {
		return nil, err
	}
	return judgeEncodings(prov, sub), nil
}

func judgeEncodings(prov, sub string) []doctor.Finding {
	mend := fmt.Sprintf("make the subscriber's database anew: create database … encoding %s template template0", prov)
	switch {
	case prov == sub:
		return nil
	case prov == "SQL_ASCII" || sub == "SQL_ASCII":
		return []doctor.Finding{{
			Result: doctor.Warning, Mend: mend,
			Text: fmt.Sprintf("the provider's encoding is %s, the subscriber's %s: bytes are not converted, and may be no text there", prov, sub),
		}}
	case sub != "UTF8":
		return []doctor.Finding{{
			Result: doctor.Warning, Mend: mend,
			Text: fmt.Sprintf("the provider's encoding is %s, the subscriber's %s: it lacks characters", prov, sub),
		}}
	}
	return nil
}

// schemaOf tells what is installed, before anything else of ours is looked at.
func schemaOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	install := "londiste INI " + v.side.name + " install"
	if v.side.installed {
		return doctor.SchemaVersion(ctx, v.conn, v.schema, install)
	}
	return []doctor.Finding{{Result: doctor.Failed, Text: "nothing is installed in this database", Mend: install}}, nil
}

func nodeOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	var kind, name string
	err := v.conn.QueryRow(ctx, "select node_type, node_name from pgq_node.node_info where queue_name = $1", v.Queue).Scan(&kind, &name)
	atRoot := v.side == v.provider
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return []doctor.Finding{{
			Result: doctor.Failed, Text: fmt.Sprintf("the database has no node for queue %s", v.Queue),
			Mend: "londiste INI " + v.side.name + " install",
		}}, nil
	case err != nil:
		return nil, err
	case atRoot == (kind == "root") && (atRoot || name == v.Job):
		return nil, nil
	}
	return []doctor.Finding{{
		Result: doctor.Failed, Text: fmt.Sprintf("the database is %s node %q of queue %s", kind, name, v.Queue),
		Mend: "set job_name, pgq_queue_name and " + v.side.name + "_db in the ini to those of this pair",
	}}, nil
}

// databaseRightsOf asks for the rights in the database that commands and daemons cannot do
// without.
func databaseRightsOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	rights := []string{"extensions", "identity"}
	if !v.side.installed {
		rights = append(rights, "create schema")
	}
	if v.side == v.subscriber {
		rights = append(rights, "temporary tables")
	}
	found, err := doctor.Lacking(ctx, v.conn, rights...)
	if err != nil {
		return nil, err
	}
	more, err := doctor.Query(ctx, v.conn, roleSQL)
	return append(found, more...), err
}

// ofQueue leaves out findings of other queues, and what [schemaOf] tells. A
// check of which nothing is left is sound.
func ofQueue(found []doctor.Finding, queue string) []doctor.Finding {
	var kept []doctor.Finding
	for i, f := range found {
		told := func(k doctor.Finding) bool { return k.Check == f.Check }
		switch {
		case f.Check == "schema":
		case f.Object == "" || f.Object == queue:
			kept = append(kept, f)
		case !slices.ContainsFunc(kept, told) && !slices.ContainsFunc(found[i+1:], func(k doctor.Finding) bool {
			return told(k) && (k.Object == "" || k.Object == queue)
		}):
			kept = append(kept, doctor.Finding{Check: f.Check, Result: doctor.Sound, Text: "nothing wrong with this queue"})
		}
	}
	return kept
}

// claimOf compares whose the consumer is with who would read by it.
func claimOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	me, err := set.Identify(ctx, v.subscriber.conn)
	if err != nil {
		return nil, err
	}
	var system, database, node string
	var oid int64
	err = v.provider.conn.QueryRow(ctx, `select system_identifier, database_oid, database_name, node_name from skytools.claim
		where queue_name = $1 and consumer_name = $2`, v.Queue, v.ConsumerName()).Scan(&system, &oid, &database, &node)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case system == me.System && oid == me.OID:
		return nil, nil
	}
	return []doctor.Finding{{
		Result: doctor.Failed, Object: v.ConsumerName(),
		Text: fmt.Sprintf("the consumer belongs to another database, %s, node %s", database, node),
		Mend: "give this subscriber a job_name of its own, or take the consumer over: londiste INI subscriber register --force",
	}}, nil
}
