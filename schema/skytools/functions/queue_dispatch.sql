create or replace function skytools.queue_dispatch()
returns void
language plpgsql volatile
set search_path = pg_catalog, pgq, pg_temp
as $$
-- A look into pgq.queue by name would cost more, above all while an old
-- snapshot keeps the row's dead versions. So names are in the text. What they
-- mean in an older snapshot may be another queue's by now: such a transaction
-- leaves all to the longer way, until the next change.
declare
    made bool;
begin
    -- One after the other: the second would not see the first one's queue.
    perform pg_advisory_xact_lock(1399552080, 0);
    made := to_regprocedure('skytools.event_insert(text, text, text, text, text, text, text)') is null;
    execute format('create or replace function skytools.event_insert(text, text, text, text, text, text, text) returns int8 '
                   'language plpgsql volatile as %L', E'\nbegin\n'
        || (select skytools.queue_choice(coalesce(array_agg(q.queue_name order by q.queue_name collate "C"), '{}'),
                                         coalesce(array_agg(q.queue_id order by q.queue_name collate "C"), '{}'))
              from pgq.queue q
             where current_setting('transaction_isolation') = 'read committed'
               and to_regproc(format('skytools.queue_%s_insert', q.queue_id)) is not null)
        || E'return skytools.event_insert_any($1, $2, $3, $4, $5, $6, $7);\nend;\n');
    if made then
        revoke all on function skytools.event_insert(text, text, text, text, text, text, text) from public;
        comment on function skytools.event_insert(text, text, text, text, text, text, text) is
            'Puts an event into the queue of a name, by the function that is generated for it.';
    end if;
end;
$$;
comment on function skytools.queue_dispatch() is
    'Makes or replaces the function event_insert, which finds a queue''s insert function by the queue''s name.';
