package schema

import (
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// referenceSQL is docs/sql.md line by line: the functions that others call,
// with their comments. Those of schema skytools serve the programs.
const referenceSQL = `
select line from (
	select distinct on (n.nspname) n.nspname as schema, '' as name, 0 as part,
		format(E'\n## Schema %s\n', n.nspname) as line
	from pg_proc p join pg_namespace n on n.oid = p.pronamespace
	where n.nspname in ('pgq', 'pgq_node', 'londiste')
	union all
	select n.nspname, p.proname || pg_get_function_identity_arguments(p.oid), 1,
		format(E'### %s.%s\n\n    %1$s.%2$s(%3$s)\n    returns %4$s\n\n%5$s\n', n.nspname, p.proname,
			pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), obj_description(p.oid, 'pg_proc'))
	from pg_proc p join pg_namespace n on n.oid = p.pronamespace
	where n.nspname in ('pgq', 'pgq_node', 'londiste') and p.proname !~ '^_' and p.prorettype <> 'trigger'::regtype
) lines order by schema, name, part`

// The reference in docs is the catalogue in Markdown.
func TestReferenceIsCurrent(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), setup))
	golden(t, "../docs/sql.md", "# Functions in the database\n\n"+
		"Written by a test from the comments in the catalogue. Names, arguments, results and\n"+
		"texts are those of PgQ 3.5, pgq_node 3.5 and Londiste 3.\n"+
		strings.Join(rows(t, conn, referenceSQL), "\n"))
}
