create or replace function skytools.witness()
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as
$$
declare
    known text;
begin
    select w.token into known from skytools.witness w;
    if not found then
        insert into skytools.witness (token) values (gen_random_uuid()) on conflict do nothing;
        select w.token into strict known from skytools.witness w;
    end if;
    return known;
end;
$$;

comment on function skytools.witness() is
'A token that is another one after the server has emptied its unlogged tables, in recovery from a crash for instance.';
