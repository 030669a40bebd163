create or replace function skytools.insert_event_once(
    i_queue_name text, i_key text, i_keep interval, ev_type text, ev_data text,
    ev_extra1 text default null, ev_extra2 text default null,
    ev_extra3 text default null, ev_extra4 text default null,
    out ev_id bigint, out is_new boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
#variable_conflict use_variable
declare
    the_queue int := (select q.queue_id from pgq.queue q where q.queue_name = i_queue_name);
    q record;
begin
    if i_key is null or i_keep is null or i_keep <= '0' then
        raise exception 'an event that is written once needs a key and a time for which it is kept'
            using errcode = 'invalid_parameter_value', hint = 'such as ''order-17'', ''1 day''';
    end if;
    -- Without a lock: who repeats a key waits for nobody else who does.
    select k.ev_id into ev_id from skytools.once_key k
        where k.key_queue = the_queue and k.key_text = i_key and k.expires_at > clock_timestamp();
    is_new := not found;
    if not is_new then
        return;
    end if;

    -- Of several at once one inserts the key; the others wait here until its
    -- transaction has ended.
    q := skytools.queue_open(i_queue_name);
    insert into skytools.once_key as k (key_queue, key_text, ev_id, expires_at)
        values (q.queue_id, i_key, nextval(q.event_seq), clock_timestamp() + i_keep)
        on conflict (key_queue, key_text) do update
            set ev_id = excluded.ev_id, expires_at = excluded.expires_at
            where k.expires_at <= clock_timestamp()
        returning k.ev_id into ev_id;
    if not found then
        is_new := false;
        select k.ev_id into ev_id from skytools.once_key k
            where k.key_queue = q.queue_id and k.key_text = i_key;
        return;
    end if;
    execute 'insert into ' || q.cur_table
        || ' (ev_id, ev_time, ev_txid, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)'
        || ' values ($1, now(), txid_current(), $2, $3, $4, $5, $6, $7)'
        using ev_id, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4;
end;
$$;

comment on function skytools.insert_event_once(text, text, interval, text, text, text, text, text, text) is
'Puts an event into a queue unless one was put under the same key, which is remembered for i_keep; of several callers at once one writes, and if it rolls back, another. Returns the event''s ev_id, and whether this call wrote it.';
