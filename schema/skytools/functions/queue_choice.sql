create or replace function skytools.queue_choice(i_names text[], i_ids int[])
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    n int := cardinality(i_names);
    half int := n / 2;
begin
    if n = 0 then
        return '';
    elsif n = 1 then
        return format(E'if $1 OPERATOR(pg_catalog.=) %L then\n'
                      '    return skytools.queue_%s_insert($1, $2, $3, $4, $5, $6, $7);\nend if;\n', i_names[1], i_ids[1]);
    end if;
    return format(E'if $1 OPERATOR(pg_catalog.<) %L collate pg_catalog."C" then\n%selse\n%send if;\n', i_names[half + 1],
                  skytools.queue_choice(i_names[:half], i_ids[:half]),
                  skytools.queue_choice(i_names[half + 1:], i_ids[half + 1:]));
end;
$$;
comment on function skytools.queue_choice(text[], int[]) is
    'The part of event_insert that chooses among queues, whose names are in the order of their bytes.';
