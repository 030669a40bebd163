create or replace function skytools.grant_queue(i_queue_name text, i_role name, i_right text)
returns setof regprocedure
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    the_queue int := skytools.queue_id(i_queue_name);
    original regprocedure;
    twin regprocedure;
    event_table regclass;
begin
    if to_regrole(quote_ident(i_role)) is null then
        raise exception 'no such role: %', coalesce(i_role, 'NULL')
            using errcode = 'undefined_object', hint = 'create role makes it';
    end if;
    -- Two at once would replace one function.
    perform 1 from pgq.queue where queue_id = the_queue for no key update;
    for original in select * from skytools.grant_functions(i_right) loop
        twin := skytools.queue_function(the_queue, original);
        execute format('revoke all on function %s from public', twin);
        execute format('grant execute on function %s to %I', twin, i_role);
        return next twin;
    end loop;
    if i_right = 'read' then
        for event_table in select * from skytools.queue_event_tables(the_queue) loop
            execute format('grant select on %s to %I', event_table, i_role);
            -- The extension's tables are somebody else's.
            if not has_table_privilege(i_role, event_table, 'select') then
                raise warning 'role % may not select from %', i_role, event_table
                    using errcode = 'insufficient_privilege',
                        hint = 'batches are read by functions alone; the Go library needs the tables: have their owner grant it';
            end if;
        end loop;
    end if;
end;
$$;

comment on function skytools.grant_queue(text, name, text) is
'Lets a role read or write one queue, by functions of that queue alone: skytools.queue_N_next_batch and so on, N being its number, with the arguments and results of those of PgQ (queue_N_pgq_coop_finish_batch and so on for those of pgq_coop). Returns them. The server itself checks who may call them. Who may read also has SELECT on the queue''s event tables.';
