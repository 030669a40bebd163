package schema

import (
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// beyond are the functions of schema skytools that others call. The rest of it
// serves the programs.
var beyond = []string{
	"set_queue_policy", "get_queue_policy",
	"event_retry", "event_dead", "dead_events", "dead_replay", "dead_purge",
	"insert_event_at", "cancel_delayed", "insert_event_once",
	"coop_next_batch", "coop_finish_batch", "coop_set_key",
	"next_part", "get_part_events", "finish_part",
	"grant_queue", "revoke_queue", "queue_grants",
	"attach_consumer", "forget_detached", "get_backlog_warnings", "get_detached_consumers",
	"trigger_install", "trigger_remove",
}

// referenceSQL is docs/sql.md line by line: the functions that others call,
// with their comments.
const referenceSQL = `
with documented as (
	select p.oid, p.proname, p.prorettype, n.nspname
	from pg_proc p join pg_namespace n on n.oid = p.pronamespace
	where n.nspname in ('pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste') or n.nspname = 'skytools' and p.proname = any ($1)
)
select line from (
	select distinct on (p.nspname) p.nspname as schema, '' as name, 0 as part,
		format(E'\n## Schema %s\n', p.nspname) as line
	from documented p
	union all
	select p.nspname, p.proname || pg_get_function_identity_arguments(p.oid), 1,
		format(E'### %s.%s\n\n    %1$s.%2$s(%3$s)\n    returns %4$s\n\n%5$s\n', p.nspname, p.proname,
			pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), obj_description(p.oid, 'pg_proc'))
	from documented p
	where p.proname !~ '^_' and (p.prorettype <> 'trigger'::regtype or p.proname like '%triga')
) lines order by schema, name, part`

// The reference in docs is the catalogue in Markdown.
func TestReferenceIsCurrent(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), setup))
	golden(t, "../docs/sql.md", "# Functions in the database\n\n"+
		"Written by a test from the comments in the catalogue. Names, arguments, results and\n"+
		"texts are those of PgQ 3.5, pgq_node 3.5, pgq_coop 3.1, pgq_ext 3.1 and\n"+
		"Londiste 3; schema skytools has what those lack.\n"+
		strings.Join(pgtest.Column[string](t, conn, referenceSQL, beyond), "\n"))
}
