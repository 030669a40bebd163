-- A user's triggers at the provider: they change the row of the outer
-- statement again, and a row of another table.
create function account_bump() returns trigger language plpgsql as $$
begin
    if new.version = old.version and new.balance <> old.balance then
        update account set version = version + 1 where id = new.id;
    end if;
    return null;
end $$;
create trigger a_bump after update on account for each row execute function account_bump();
create trigger zz_bump after update on account for each row execute function account_bump();

create function touch_word(w text) returns text language plpgsql as $$
begin
    update word set n = n + 1000 where word = w;
    return w;
end $$;

create function counter_fold() returns trigger language plpgsql as $$
begin
    if cardinality(new.log) > 40 then
        update counter set log = log[cardinality(log) - 9:] where id = new.id;
    end if;
    return null;
end $$;
create trigger fold after update on counter for each row execute function counter_fold();
