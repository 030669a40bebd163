revoke execute on all functions in schema skytools from public;
grant usage on schema skytools to public;
grant select on skytools.installation to public;
grant execute on function skytools.version() to public;

do $$
declare
    fn regprocedure;
begin
    if to_regrole('pgq_reader') is not null then
        grant select on skytools.capture, skytools.claim to pgq_reader;
        -- What consumers call, and what functions with the caller's rights use.
        for fn in
            select p.oid from pg_proc p
            where p.pronamespace = 'skytools'::regnamespace
                and p.proname in ('ack', 'claim', 'unclaim', 'tick', 'batch_query', 'batch_query_of')
        loop
            execute format('grant execute on function %s to pgq_reader', fn);
        end loop;
    end if;
    if to_regrole('pgq_writer') is not null then
        grant execute on function skytools.count_tx_event(int, text, int, int) to pgq_writer;
        grant execute on function skytools.insert_events(text, text[], text[], text[], text[], text[], text[]) to pgq_writer;
    end if;
    if to_regrole('pgq_admin') is not null then
        grant select on all tables in schema skytools to pgq_admin;
        grant execute on all functions in schema skytools to pgq_admin;
    end if;
end
$$;
