package schema

const (
	answersConstant = "upstream's looks into pg_extension and is NULL without one"
	sequencesOpen   = "upstream's file install lets everybody read sequences, its extension forgets these"

	freshSequence  = "the event sequence starts at 0, used: with the first event its last value moves, which upstream's misses"
	keyChange      = "an UPDATE that changes the key does not fail, it is told as DELETE and INSERT"
	writerSettings = "the writer's DateStyle, TimeZone, search_path and other settings do not reach the event: its reader has others"
	heldKey        = "while a transaction is held open, dead versions with an equal key would all be looked at"
	tickOrder      = "a tick that is not after the last one would deliver events twice or never"
	noGap          = "a forced tick is marked by the tick sequence; upstream jumps the event sequence, which looks like new events"
)

// differences are the statements of the scripts whose results differ from
// those of the real extension, and why they shall.
var differences = map[string]string{
	"pgq_queue.sql: select tick_event_seq from pgq.tick order by tick_queue;":                                                                              freshSequence,
	"pgq_ticker.sql: select tick_id, tick_event_seq from pgq.tick order by 1;":                                                                             freshSequence,
	"pgq_ticker.sql: select pgq.ticker('q', 50, now(), 9000);":                                                                                             tickOrder,
	"pgq_ticker.sql: select pgq.ticker('q', 49, now(), 9000);":                                                                                             tickOrder,
	"pgq_ticker.sql: update pgq.tick set tick_snapshot = '99999999:99999999:', tick_time = '2020-01-01 00:00:00+00';":                                      "counts the tick that was refused here",
	"pgq_queue.sql: select pgq.set_queue_config('first', 'ticker_max_lag', null);":                                                                         "upstream fails inside, with the text of an internal error",
	"pgq_null.sql: select pgq.set_queue_config('q', 'rotation_period', null);":                                                                             "upstream fails inside, with the text of an internal error",
	"pgq_batch.sql: select pgq.next_batch('q', 'c');":                                                                                                      "upstream prints <NULL> for the tick that the consumer stands at",
	"pgq_consumer.sql: select co_name from pgq.consumer order by 1;":                                                                                       "upstream leaves members of a cooperative consumer behind in pgq.consumer",
	"pgq_rotate.sql: select tick_id from pgq.tick where tick_queue = 1 order by 1;":                                                                        "upstream deletes a queue's last tick too; consumers then cannot register",
	"pgq_rotate.sql: select pgq.force_tick('q') is not null;":                                                                                              "upstream deleted the last tick",
	"pgq_triga_args.sql: select try($$'q', 'pkey=a'$$);":                                                                                                   keyChange,
	"pgq_triga_args.sql: select try($$'q', 'pkey=a'$$, 'after', 'sqltriga');":                                                                              keyChange,
	"pgq_triga_format.sql: select events() as scale;":                                                                                                      "a number's other scale is a change: upstream asks the type's equality, and the subscriber keeps the old text",
	"pgq_triga_format.sql: select events() as stale;":                                                                                                      "before an UPDATE the new value of a generated column is not known: upstream sends the old one",
	"pgq_triga_format.sql: update included set v = 2;":                                                                                                     "an INCLUDE column of the primary key's index is no part of the key",
	"pgq_triga_format.sql: select events() as included;":                                                                                                   "an INCLUDE column of the primary key's index is no part of the key",
	"pgq_triga_session.sql: select events() as writer_settings;":                                                                                           writerSettings,
	"pgq_triga_session.sql: select public.events() as writer_path;":                                                                                        writerSettings,
	"pgq_triga_session.sql: select events() as writer_styles;":                                                                                             writerSettings,
	"pgq_consumer.sql: select queue_name, consumer_name, last_tick, current_batch, next_tick, pending_events > 0 as pending from pgq.get_consumer_info();": noGap,
	"pgq_ticker.sql: select ev_new from pgq.get_queue_info('q');":                                                                                          noGap,
	"pgq_ticker.sql: select pgq.insert_event('q', 't', 'after it was forced');":                                                                            noGap,
	"pgq_ticker.sql: select pgq.ticker('q') as set_back;":                                                                                                  noGap,
}

// extensionSQL describes schema pgq with all that a client, a tool or an
// administrator's script can see of it, one object a line.
const extensionSQL = `
select format('function %s(%s) returns %s %s%s%s rows %s acl %s', proname, pg_get_function_arguments(p.oid),
	pg_get_function_result(p.oid), case provolatile when 'v' then 'volatile' when 's' then 'stable' else 'immutable' end,
	case when proisstrict then ' strict' else '' end, case when prosecdef then ' security definer' else '' end, prorows,
	(select string_agg(case grantee when 0 then 'public' else pg_get_userbyid(grantee)::text end, ',' order by grantee)
		from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee <> proowner))
from pg_proc p where pronamespace = 'pgq'::regnamespace
union all
select format('column %s %s %s %s %s %s', relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
from pg_attribute join pg_class c on c.oid = attrelid left join pg_attrdef on adrelid = attrelid and adnum = attnum
where relnamespace = 'pgq'::regnamespace and relkind = 'r' and attnum > 0
union all
select format('relation %s %s options %s acl %s', relkind, relname, reloptions,
	(select string_agg(case grantee when 0 then 'public' else pg_get_userbyid(grantee)::text end || ' ' || privilege_type, ',' order by grantee, privilege_type)
		from aclexplode(relacl) where grantee <> relowner))
from pg_class where relnamespace = 'pgq'::regnamespace
union all
select format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
from pg_constraint where connamespace = 'pgq'::regnamespace
union all
select 'index ' || pg_get_indexdef(indexrelid) from pg_index join pg_class c on c.oid = indexrelid where relnamespace = 'pgq'::regnamespace
union all
select format('sequence %s type %s start %s increment %s min %s max %s cache %s cycle %s', relname, seqtypid::regtype,
	seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)
from pg_sequence join pg_class c on c.oid = seqrelid where relnamespace = 'pgq'::regnamespace
union all
select format('inherits %s from %s', inhrelid::regclass, inhparent::regclass)
from pg_inherits join pg_class c on c.oid = inhrelid where relnamespace = 'pgq'::regnamespace
union all
select format('trigger %s on %s', tgname, tgrelid::regclass)
from pg_trigger join pg_class c on c.oid = tgrelid where relnamespace = 'pgq'::regnamespace and not tgisinternal
union all
select format('schema acl %s', (select string_agg(case grantee when 0 then 'public' else pg_get_userbyid(grantee)::text end || ' ' || privilege_type, ',' order by grantee, privilege_type)
	from aclexplode(nspacl) where grantee <> nspowner))
from pg_namespace where nspname = 'pgq'
order by 1`

// catalogDifferences are lines of extensionSQL that only one side has, and why.
var catalogDifferences = map[string]string{
	"extension: function version() returns text volatile rows 0 acl public": answersConstant,
	"schema: function version() returns text immutable rows 0 acl public":   answersConstant,

	"extension: relation S batch_id_seq options  acl ":                      sequencesOpen,
	"schema: relation S batch_id_seq options  acl public SELECT":            sequencesOpen,
	"extension: relation S consumer_co_id_seq options  acl ":                sequencesOpen,
	"schema: relation S consumer_co_id_seq options  acl public SELECT":      sequencesOpen,
	"extension: relation S queue_queue_id_seq options  acl ":                sequencesOpen,
	"schema: relation S queue_queue_id_seq options  acl public SELECT":      sequencesOpen,
	"extension: relation S subscription_sub_id_seq options  acl ":           sequencesOpen,
	"schema: relation S subscription_sub_id_seq options  acl public SELECT": sequencesOpen,

	"extension: sequence event_1_id_seq type bigint start 1 increment 1 min 1 max 9223372036854775807 cache 1 cycle f": freshSequence,
	"schema: sequence event_1_id_seq type bigint start 0 increment 1 min 0 max 9223372036854775807 cache 1 cycle f":    freshSequence,

	"schema: trigger skytools_changed on pgq.queue": "tells captures of a rotation",

	"extension: constraint subscription_pkey on pgq.subscription: PRIMARY KEY (sub_queue, sub_consumer)":                        heldKey,
	"schema: constraint subscription_pkey on pgq.subscription: PRIMARY KEY (sub_queue, sub_consumer, sub_active)":               heldKey,
	"extension: index CREATE UNIQUE INDEX subscription_pkey ON pgq.subscription USING btree (sub_queue, sub_consumer)":          heldKey,
	"schema: index CREATE UNIQUE INDEX subscription_pkey ON pgq.subscription USING btree (sub_queue, sub_consumer, sub_active)": heldKey,
}
