-- Settings of the writer that change how text is read, planned or checked.
create table t ("back\slash" int primary key, v text, tags text[], f float8); create table plain ("q'q" int primary key, v text);

--: capture t
--: capture plain {"format": "urlenc"}

set standard_conforming_strings = off; set escape_string_warning = off; set backslash_quote = off; set transform_null_equals = on; set plpgsql.extra_errors = 'all'; set plpgsql.variable_conflict = 'error'; set plan_cache_mode = force_custom_plan; set enable_nestloop = off; set enable_hashjoin = off; set row_security = off; set array_nulls = off; set client_encoding = 'SQL_ASCII'; set xmloption = document; set search_path = ''; set check_function_bodies = off; set default_transaction_isolation = serializable;

insert into public.t values (1, E'a\\b', '{x}', 0.1), (2, '', null, 'NaN'); insert into public.plain values (1, E'\\'), (2, '%\\x'); update public.t set v = E'\\\\' where v = ''; update public.plain set "q'q" = "q'q" + 10;

do $$ begin update public.t set "back\slash" = "back\slash" + 2; update public.t set v = 'x', f = f + 1; delete from public.t where "back\slash" = 3; update public.plain set v = v || 'y'; end $$;

begin isolation level serializable; savepoint a; update public.t set v = 'lost'; rollback to a; insert into public.t values (7, 's'); update public.t set v = 's2'; commit;

set plan_cache_mode = force_generic_plan; set enable_mergejoin = off; set enable_seqscan = off; set enable_indexscan = off; set enable_bitmapscan = off; set jit_above_cost = 0; set statement_timeout = 0; set work_mem = 64;

do $$ begin insert into public.t select g, 'bulk' from generate_series(100, 140) g; update public.t set v = v || 'k'; update public.t set "back\slash" = - "back\slash" where "back\slash" % 2 = 0; delete from public.t where "back\slash" % 3 = 0; end $$;
