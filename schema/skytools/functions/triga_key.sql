create or replace function skytools.triga_key(i_table oid, i_listed text[], i_given bool)
returns text[]
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
select case when i_given then array(select k from unnest(i_listed) with ordinality u (k, o) where k <> '' order by o)
            else coalesce((
                select array_agg(c.name order by k.ord)
                  from pg_index i
                 cross join lateral unnest((i.indkey::int2[])[0 : i.indnkeyatts - 1]) with ordinality k (num, ord)
                  join skytools.triga_columns(i_table) c on c.num = k.num
                 where i.indrelid = i_table and i.indisprimary), '{}') end;
$$;
comment on function skytools.triga_key(oid, text[], bool) is
    'Names of a table''s key columns for a trigger: those of pkey= if it is given, else the primary key''s.';
