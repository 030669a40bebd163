create or replace function skytools.capture_drift(i_queue text)
returns table (table_schema text, table_name text, drift text)
language sql stable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
select c.table_schema, c.table_name, d.drift
  from skytools.capture c
 cross join lateral (select (select t.oid from pg_class t where t.oid = c.table_oid)) now (oid)
 cross join lateral (
    select 'table is gone' as drift where now.oid is null
    union all
    select 'key index ' || quote_ident(c.key_index) || ' is gone or changed'
     where now.oid is not null and c.key_index <> ''
       and not exists (select from pg_index i join pg_class x on x.oid = i.indexrelid
                        where i.indrelid = now.oid and x.relname = c.key_index and i.indisvalid and i.indisunique
                          and (i.indkey::int2[])[0:i.indnkeyatts - 1] = c.key_numbers)
    union all
    select case when was.value is null then f.fact || ' added: ' || f.value
                when f.value is null then was.fact || ' is gone'
                else f.fact || ' changed: ' || was.value || ' -> ' || f.value end
      from jsonb_each_text(c.fingerprint::jsonb) was (fact, value)
      full join jsonb_each_text(skytools.capture_fingerprint(now.oid, c.capture_id)::jsonb) f (fact, value) on f.fact = was.fact
     where now.oid is not null and f.value is distinct from was.value
 ) d
 where c.queue_name = i_queue
 order by 1, 2, 3;
$$;
comment on function skytools.capture_drift(text) is
    'How captured tables differ from what they were when their capture was made: one row a difference.';
