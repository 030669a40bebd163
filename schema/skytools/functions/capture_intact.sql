create or replace function skytools.capture_intact(i_capture skytools.capture, i_table oid)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    named int2[] := i_capture.key_numbers;
    types oid[];
    last int2 := skytools.capture_last(i_table);
begin
    if named = '{}' then
        named := '{0}'; -- no column; the empty list is all of them, see capture_shape
    end if;
    if skytools.capture_lacks(i_capture, 'shape') then
        return 'true';
    end if;
    if not skytools.capture_whole(i_capture, i_table) then
        -- every column is named in the text: a new one matters too
        select array_agg(c.num) into named from skytools.capture_columns(i_table, i_capture.format) c;
        types := '{}';
    else
        select array_agg(distinct t.oid order by t.oid) into types from (
            select c.type_oid from skytools.capture_columns(i_table, i_capture.format) c
            union
            select unnest('{bool,int2,int4,int8,oid,text,varchar,bpchar,"char",name,uuid,numeric,date,timestamp,timestamptz,time,timetz,inet,cidr,macaddr,macaddr8,bit,varbit,xml,tsvector,pg_lsn}'::regtype[])) t (oid);
    end if;
    return format('skytools.capture_shape(%s, %L::pg_catalog.int2[], %L::pg_catalog.oid[], %s::pg_catalog.int2) OPERATOR(pg_catalog.=) %L',
                  i_table::int8, named, types, last, skytools.capture_shape(i_table, named, types, last));
end;
$$;
comment on function skytools.capture_intact(skytools.capture, oid) is
    'Condition that the table is as it was when the text was generated; the planner folds it.';
