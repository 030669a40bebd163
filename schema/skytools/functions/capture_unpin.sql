create or replace function skytools.capture_unpin(i_saved text[])
returns void
language plpgsql volatile
as $$
begin
    for i in 1 .. pg_catalog.cardinality(i_saved) by 2 loop
        perform pg_catalog.set_config(i_saved[i], i_saved[i OPERATOR(pg_catalog.+) 1], true);
    end loop;
end;
$$;
comment on function skytools.capture_unpin(text[]) is 'Gives the writer back the settings that capture_pin changed.';
