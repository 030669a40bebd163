create or replace function skytools.capture_trigger_name(i_queue text, i_kind text)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    room int := current_setting('max_identifier_length')::int;
    tail text := case when i_kind = 'row' then '' else '_' || i_kind end;
    name text := '_londiste_' || i_queue;
begin
    if octet_length(name || tail) <= room then
        return name || tail;
    end if;
    tail := '_' || left(md5(i_queue), 8) || tail;
    while octet_length(name || tail) > room loop
        name := left(name, -1);
    end loop;
    return name || tail;
end;
$$;
comment on function skytools.capture_trigger_name(text, text) is
    'Name of a capture trigger, cut to the server''s identifier length in bytes; a cut name carries a hash of the queue''s.';
