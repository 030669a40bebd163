create or replace function skytools.triga_expression(i_expression text, i_table oid)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Upstream knows columns by their exact names, without quotes: Id is the column
-- "Id". What stands in strings, comments and quoted names is left alone, and a
-- name with a dot is one word.
select coalesce(string_agg(case when exists (select from skytools.triga_columns(i_table) c where c.name = t.token[1])
                                then quote_ident(t.token[1]) else t.token[1] end, '' order by t.n), '')
  from regexp_matches(i_expression,
       E'''(?:[^'']|'''')*''|"(?:[^"]|"")*"|[$][$](?:[^$]|[$][^$])*[$][$]|--[^\n]*|/[*](?:[^*]|[*]+[^*/])*[*]+/'
       '|[[:alpha:]_][[:alnum:]_$.]*|[^[:alpha:]_''"$/-]+|.', 'g')
       with ordinality t (token, n);
$$;
comment on function skytools.triga_expression(text, oid) is
    'Expression of a trigger''s argument with the columns that it names quoted.';
