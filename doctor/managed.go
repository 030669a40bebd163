package doctor

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Managed tells what a server lets the role of conn do, and which features work
// by it: on a server that others run, nobody is superuser. The database may be
// an empty one. Nothing is changed.
func Managed(ctx context.Context, conn *pgx.Conn) ([]Finding, error) {
	return run(ctx, managedChecks, conn)
}

// Lacking is the part of [Managed] that is about some features, named as there,
// and only what is not sound.
func Lacking(ctx context.Context, conn *pgx.Conn, features ...string) (lacking []Finding, err error) {
	for _, check := range managedChecks {
		if !slices.Contains(features, check.Name) {
			continue
		}
		found, err := check.Run(ctx, conn)
		if err != nil {
			return lacking, err
		}
		for _, f := range found {
			if f.Result != Sound {
				f.Check = ""
				lacking = append(lacking, f)
			}
		}
	}
	return lacking, nil
}

// managedChecks are features: sound means that they work, another result what is
// lost. Why is what they are for.
var managedChecks = []Check[*pgx.Conn]{
	{"create schema", "this role may", "install makes schemas pgq, pgq_node, londiste, skytools and others", managed(createSchemaSQL)},
	{"queue roles", "pgq_reader, pgq_writer and pgq_admin are there, or this role may make them", "programs with rights on queues only log in as their members; without the roles the owner alone works with queues", managed(queueRolesSQL)},
	{"create trigger", "this role may, on all tables that it sees", "provider add makes triggers on the tables that are replicated", managed(createTriggerSQL)},
	{"read all tables", "this role may", "copies, compare and repair read the tables that are replicated; pg_read_all_data is the short way", managed(readAllSQL)},
	{"bypass row level security", "this role sees all rows", "a table with policies is refused where they hide rows", managed(bypassRLSSQL)},
	{"session_replication_role", "this role may set it", "without it triggers of the subscriber's tables are disabled for everybody while a table is replicated, and foreign keys are checked for each row", replicaRole},
	{"temporary tables", "this role may make them", "an interrupted copy that goes on, and resync of a part of a table, want them", managed(temporarySQL)},
	{"see sessions", "this role sees those of all roles", "status and doctor name the process that rotation waits for; without it only that there is one", managed(seeSessionsSQL)},
	{"end sessions", "this role may end those of all roles", "ends the transaction that rotation waits for; without it somebody else has to", managed(endSessionsSQL)},
	{"identity", "this role may ask which server this is", "the provider remembers which subscriber a consumer belongs to, and refuses a second one", managed(identitySQL)},
	{"connections", "there is room", "a ticker takes two, a worker two and its copies more", managed(connectionsSQL)},
	{"extensions", "of PgQ, none is in the way", "our schema pgq takes the place of the extension; where it is installed, install works beside it", managed(extensionsSQL)},
	{"event triggers", "not needed", "nothing of ours is one; those of others see our DDL", managed(eventTriggersSQL)},
	{"superuser", "not needed", "only a move to the extension pgq or from it wants one", managed(superuserSQL)},
	{"replication", "not needed", "changes are captured by triggers: neither REPLICATION nor wal_level = logical", managed(replicationSQL)},
}

func managed(sql string) func(context.Context, *pgx.Conn) ([]Finding, error) {
	return func(ctx context.Context, conn *pgx.Conn) ([]Finding, error) { return Query(ctx, conn, sql) }
}

// replicaRole tries it: no catalogue tells everywhere.
func replicaRole(ctx context.Context, conn *pgx.Conn) ([]Finding, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `set local session_replication_role = replica`)
	_ = tx.Rollback(context.WithoutCancel(ctx)) // a session that is lost shows in the next statement
	if err == nil {
		return nil, nil
	}
	return Query(ctx, conn, replicaRoleSQL)
}
