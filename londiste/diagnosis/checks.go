package diagnosis

import (
	"context"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/londiste"
)

// check is one kind of trouble: where it is looked for, and what must be there.
type check struct {
	doctor.Check[view]
	at    place
	needs need
	parts bool // the structure of tables that it names is not to be compared
}

// place is where a check looks.
type place int

const (
	each place = iota // of the two sides, by itself
	provider
	subscriber
	pair // both at once
)

// String is for the reference.
func (p place) String() string { return [...]string{"each side", "provider", "subscriber", "pair"}[p] }

// need is what must be there for a check, the less first.
type need int

const (
	nothing   need = iota
	reached        // the side, or both
	installed      // our schemas are there
)

// checks are in the order in which trouble has trouble in its wake.
var checks = []check{
	{doctor.Check[view]{
		Name: "connection", Sound: "it answers", Look: connectionOf,
		Why: "nothing else can be told of a side that does not answer",
	}, each, nothing, false},
	{doctor.Check[view]{
		Name: "server", Sound: "nothing", Look: serverOf,
		Why: "see the checks of a server",
	}, each, reached, false},
	{doctor.Check[view]{
		Name: "databases", Sound: "they are two", Look: databasesOf,
		Why: "a table cannot be replicated into itself",
	}, pair, reached, false},
	{doctor.Check[view]{
		Name: "clocks", Sound: "those of the two servers agree", Look: clocksOf,
		Why: "lag is the provider's time less the time of a tick; a retry or the age of a backlog goes by the server it is kept on",
	}, pair, reached, false},
	{doctor.Check[view]{
		Name: "encodings", Sound: "every text fits", Look: encodingsOf,
		Why: "a text that the subscriber cannot hold parks its table",
	}, pair, reached, false},
	{doctor.Check[view]{
		Name: "schema", Sound: "it is this program's version", Look: schemaOf,
		Why: "commands and daemons work by the functions and tables of these schemas",
	}, each, reached, false},
	{doctor.Check[view]{
		Name: "node", Sound: "it takes part in the queue as it should", Look: nodeOf,
		Why: "commands refuse a database that is another node than the ini says",
	}, each, installed, false},
	{doctor.Check[view]{
		Name: "database rights", Sound: "it may do in the database what commands and daemons do", Look: databaseRightsOf,
		Why: "what the role may not do fails in the middle of a command, or stops the daemon",
	}, each, reached, false},

	{doctor.Check[view]{
		Name: "tables", Sound: "all can be captured", Look: tableSQL(tablesSQL),
		Why: "provider add refuses them",
	}, provider, reached, false},
	{doctor.Check[view]{
		Name: "keys", Sound: "each table has one", Look: keysOf,
		Why: "a changed row is found by its key at the subscriber",
	}, provider, reached, true},
	{doctor.Check[view]{
		Name: "columns", Sound: "all values mean the same at the subscriber", Look: tableSQL(columnsSQL),
		Why: "a number or name of something in the provider's database means something else, or nothing, at the subscriber",
	}, provider, reached, false},
	{doctor.Check[view]{
		Name: "rights", Sound: "on all tables", Look: tableSQL(sourceRightsSQL),
		Why: "adding a table makes triggers on it, and copies read it",
	}, provider, reached, false},
	{doctor.Check[view]{
		Name: "owners", Sound: "the role is a member of each table's", Look: tableSQL(sourceOwnersSQL),
		Why: "who may make triggers but does not own the table cannot drop them: provider remove leaves them to the owner",
	}, provider, reached, false},
	{doctor.Check[view]{
		Name: "bypass", Sound: "no writer is seen that passes by the capture", Look: bypassOf,
		Why: "triggers do not fire for sessions with session_replication_role = replica: their changes are never told",
	}, provider, reached, false},
	{doctor.Check[view]{
		Name: "capture", Sound: "each registered table has its triggers", Look: captureOf,
		Why: "changes of a table without them are never told",
	}, provider, installed, false},
	{doctor.Check[view]{
		Name: "drift", Sound: "no table has changed since its capture was made", Look: problems(londiste.Drift, doctor.Failed),
		Why: "a trigger that is off or gone tells nothing, and a column that the capture does not know is not told",
	}, provider, installed, false},
	{doctor.Check[view]{
		Name: "queue", Sound: "nothing", Look: queuesOf,
		Why: "see the checks of queues",
	}, provider, installed, false},
	{doctor.Check[view]{
		Name: "claim", Sound: "the consumer is this subscriber's, or free", Look: claimOf,
		Why: "a worker whose consumer belongs to another database is refused",
	}, pair, installed, false},

	{doctor.Check[view]{
		Name: "target tables", Sound: "all are there", Look: tableSQL(targetTablesSQL),
		Why: "subscriber add refuses a table that is not there, unless it is to make it",
	}, subscriber, reached, true},
	{doctor.Check[view]{
		Name: "target rights", Sound: "on all tables", Look: tableSQL(targetRightsSQL),
		Why: "a copy truncates the table and makes its indexes anew, which its owner may; rows are inserted, updated and deleted",
	}, subscriber, reached, false},
	{doctor.Check[view]{
		Name: "triggers", Sound: "none fires on replicated rows", Look: triggersOf,
		Why: "what a trigger or rule did at the provider comes with the rows: here it would be done twice",
	}, subscriber, reached, false},
	{doctor.Check[view]{
		Name: "structure", Sound: "tables are the provider's", Look: structureOf,
		Why: "rows that do not fit park their table",
	}, pair, installed, false},
	{doctor.Check[view]{
		Name: "sequences", Sound: "values are in range on both sides", Look: sequencesOf,
		Why: "a sequence at its end gives an error to whoever inserts",
	}, pair, installed, false},
	{doctor.Check[view]{
		Name: "worker", Sound: "replay runs", Look: problems(londiste.Replay, doctor.Failed),
		Why: "nothing is replicated, and the provider keeps the events",
	}, subscriber, installed, false},
	{doctor.Check[view]{
		Name: "lease", Sound: "its holder gives signs of life", Look: leaseOf,
		Why: "a holder that hangs replicates nothing, and keeps others from it for a while",
	}, subscriber, installed, false},
	{doctor.Check[view]{
		Name: "errors", Sound: "the worker and its copies met none", Look: problems(londiste.Failing, doctor.Failed),
		Why: "what failed is tried again, and stands until its cause is mended",
	}, subscriber, installed, false},
	{doctor.Check[view]{
		Name: "parked", Sound: "no table is left aside", Look: problems(londiste.Parked, doctor.Failed),
		Why: "a parked table is not replicated, and the provider keeps its events within park_max_age and park_max_size",
	}, subscriber, installed, false},
	{doctor.Check[view]{
		Name: "passed over", Sound: "no event was", Look: problems(londiste.PassedOver, doctor.Warning),
		Why: "rows of events that subscriber skip passed over may differ from the provider's",
	}, subscriber, installed, false},
	{doctor.Check[view]{
		Name: "diverged", Sound: "no row was found changed", Look: problems(londiste.Diverged, doctor.Warning),
		Why: "somebody else writes to replicated rows, or replication was wrong",
	}, subscriber, installed, false},
	{doctor.Check[view]{
		Name: "unregistered", Sound: "each table is the provider's, too", Look: problems(londiste.Unregistered, doctor.Warning),
		Why: "no event comes for a table that the provider does not capture",
	}, subscriber, installed, false},
	{doctor.Check[view]{
		Name: "disabled", Sound: "no trigger is", Look: problems(londiste.Triggers, doctor.Warning),
		Why: "where the role may not set session_replication_role, triggers are disabled for everybody while their table is replicated",
	}, subscriber, installed, false},
	{doctor.Check[view]{
		Name: "foreign keys", Sound: "none waits to come back", Look: foreignKeysOf,
		Why: "one that was dropped for a copy comes back when both tables are in sync; until then nothing checks it",
	}, subscriber, installed, false},
	{doctor.Check[view]{
		Name: "dropped for a copy", Sound: "all indexes and constraints are back", Look: droppedOf,
		Why: "without them queries at the subscriber are slow, and its own writers unchecked",
	}, subscriber, installed, false},
}

// serverOf and queuesOf take what package doctor finds as it stands.
func serverOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	return doctor.ExamineServer(ctx, v.conn)
}

// queuesOf leaves out other queues of the provider's database.
func queuesOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	found, err := doctor.ExamineQueues(ctx, v.conn, v.schema)
	return ofQueue(found, v.Queue), err
}
