package apply

import (
	"fmt"
	"testing"
)

func TestForeignKeys(t *testing.T) {
	r := newRig(t, `
create table parent (id int primary key, v text);
create table child (id int primary key, p int not null references parent);
create table grand (id int primary key, c int not null references child);
`, "grand", "child", "parent")
	insert := r.evs(
		`INSERT parent id {"id":1,"v":"a"}`, `INSERT child id {"id":1,"p":1}`, `INSERT grand id {"id":1,"c":1}`,
		`INSERT parent id {"id":2,"v":"a"}`, `INSERT child id {"id":2,"p":2}`, `INSERT grand id {"id":2,"c":2}`,
	)
	res := r.must(insert...)
	if res.Total.BySets != 6 {
		t.Errorf("%+v", res.Total)
	}
	// Children go before their parents, whatever the order of tables.
	res = r.must(r.evs(
		`DELETE grand id {"id":1,"c":1}`, `DELETE child id {"id":1,"p":1}`, `DELETE parent id {"id":1,"v":"a"}`,
		`INSERT parent id {"id":3,"v":"a"}`, `INSERT child id {"id":3,"p":3}`, `UPDATE grand id {"id":2,"c":3}`,
	)...)
	if res.Total.BySets != 6 || res.Total.Fallbacks != 0 {
		t.Errorf("%+v", res.Total)
	}
	// ON UPDATE CASCADE at the provider: the child moves from a parent that
	// goes to one that comes.
	res = r.must(r.evs(
		`UPDATE child id {"id":2,"p":20}`, `DELETE parent id {"id":2}`, `INSERT parent id {"id":20,"v":"z"}`,
	)...)
	if res.Total.BySets != 3 || res.Total.Fallbacks != 0 {
		t.Errorf("%+v", res.Total)
	}
	r.want("select p.id, c.id, g.id from parent p left join child c on c.p = p.id left join grand g on g.c = c.id order by 1", "(3,3,2)", "(20,2,)")
	r.fails([]string{"grand", "23503", "(id)=(9)"}, r.evs(`INSERT parent id {"id":5,"v":"a"}`, `INSERT grand id {"id":9,"c":99}`)...)
	// One TRUNCATE empties all: foreign keys refuse them singly.
	res = r.must(append(r.evs(`INSERT parent id {"id":77,"v":"a"}`, `TRUNCATE parent`, `TRUNCATE child`, `TRUNCATE grand`), insert...)...)
	if res.Total.BySets != 9 || res.Total.Coalesced != 1 {
		t.Errorf("%+v", res.Total)
	}
	r.want("select count(*) from grand", "(2)")
	r.opt.MaxRows, r.a = 1, nil
	r.must(r.evs(`INSERT parent id {"id":77,"v":"a"}`, `TRUNCATE parent`, `TRUNCATE child`, `TRUNCATE grand`)...)
	r.want("select count(*) from parent", "(0)")
}

// TestTruncateRefused: a child that is not emptied with its parent has no
// rows, so emptying by DELETE does what the provider did.
func TestTruncateRefused(t *testing.T) {
	r := newRig(t, `create table parent (id int primary key, v text); create table child (id int primary key, p int references parent);
insert into parent values (1, 'x')`, "parent", "child")
	res := r.must(r.evs(`TRUNCATE parent`, `INSERT parent id {"id":2,"v":"y"}`)...)
	r.want("select * from parent", "(2,y)")
	if res.Total.Fallbacks != 1 {
		t.Errorf("%+v", res.Total)
	}
}

func TestCyclesAndSelfReferences(t *testing.T) {
	r := newRig(t, `
create table a (id int primary key, b int);
create table b (id int primary key, a int references a deferrable initially deferred);
alter table a add foreign key (b) references b deferrable;
create table tree (id int primary key, up int references tree);
`, "a", "b", "tree")
	res := r.must(r.evs(`INSERT b id {"id":1,"a":1}`, `INSERT a id {"id":1,"b":1}`,
		`INSERT tree id {"id":1,"up":null}`, `INSERT tree id {"id":3,"up":1}`, `INSERT tree id {"id":2,"up":1}`, `UPDATE tree id {"id":3,"up":2}`)...)
	if res.Total.BySets != 5 {
		t.Errorf("%+v", res.Total)
	}
	res = r.must(r.evs(`DELETE a id {"id":1,"b":1}`, `DELETE b id {"id":1,"a":1}`,
		`DELETE tree id {"id":3,"up":2}`, `DELETE tree id {"id":2,"up":1}`, `DELETE tree id {"id":1,"up":null}`)...)
	if res.Total.BySets != 5 {
		t.Errorf("%+v", res.Total)
	}
	r.fails([]string{"23503", "public.b"}, r.evs(`INSERT b id {"id":1,"a":1}`)...)
}

// TestDeferredAcrossFlushes: the provider's transaction was larger than a
// flush and consistent only at its end.
func TestDeferredAcrossFlushes(t *testing.T) {
	r := newRig(t, `
create table parent (id int primary key);
create table child (id int primary key, p int references parent deferrable initially deferred);
create table u (id int primary key, v text, unique (v) deferrable initially deferred);
insert into u values (1, 'a'), (2, 'b');
`, "parent", "child", "u")
	r.opt.MaxRows = 1
	res := r.must(r.evs(`INSERT child id {"id":1,"p":1}`, `INSERT child id {"id":2,"p":1}`, `INSERT parent id {"id":1}`,
		`UPDATE u id {"id":1,"v":"b"}`, `UPDATE u id {"id":2,"v":"a"}`)...)
	r.want("select * from u order by id", "(1,b)", "(2,a)")
	if res.Flushes != 5 || res.Total.Fallbacks != 0 {
		t.Errorf("%+v", res)
	}
	r.fails([]string{"23503"}, r.evs(`INSERT child id {"id":3,"p":9}`, `INSERT child id {"id":4,"p":1}`)...)
	r.want("select count(*) from child", "(2)")
}

func TestUniqueSwaps(t *testing.T) {
	const u = "create table u (id int primary key, v text, unique (v)%s); insert into u values (1, 'a'), (2, 'b'), (3, 'c')"
	swap := []string{`UPDATE u id {"id":1,"v":"tmp"}`, `UPDATE u id {"id":2,"v":"a"}`, `UPDATE u id {"id":1,"v":"b"}`}
	t.Run("plain", func(t *testing.T) {
		r := newRig(t, fmt.Sprintf(u, ""), "u")
		res := r.must(r.evs(swap...)...)
		r.want("select * from u order by id", "(1,b)", "(2,a)", "(3,c)")
		if res.Total.Fallbacks != 1 || res.Total.Applied != 3 || res.Total.BySets != 0 || res.Total.Diverged != 0 {
			t.Errorf("%+v", res.Total)
		}
		// A value that moves from a deleted row to another needs no fallback.
		res = r.must(r.evs(`DELETE u id {"id":3,"v":"c"}`, `UPDATE u id {"id":1,"v":"c"}`, `INSERT u id {"id":4,"v":"b"}`)...)
		r.want("select * from u order by id", "(1,c)", "(2,a)", "(4,b)")
		if res.Total.Applied != 3 {
			t.Errorf("%+v", res.Total)
		}
	})
	t.Run("deferrable", func(t *testing.T) {
		r := newRig(t, fmt.Sprintf(u, " deferrable"), "u")
		res := r.must(r.evs(`UPDATE u id {"id":1,"v":"b"}`, `UPDATE u id {"id":2,"v":"a"}`)...)
		r.want("select * from u order by id", "(1,b)", "(2,a)", "(3,c)")
		if res.Total.Fallbacks != 0 || res.Total.BySets != 2 {
			t.Errorf("%+v", res.Total)
		}
		r.fails([]string{"23505", "public.u"}, r.evs(`UPDATE u id {"id":3,"v":"b"}`)...)
	})
	t.Run("key", func(t *testing.T) {
		r := newRig(t, fmt.Sprintf(u, ""), "u")
		// update u set id = 3 - id where id < 3, keys deferrable there.
		r.must(r.evs(`UPDATE u id {"id":2,"v":"a"}`, `UPDATE u id {"id":1,"v":"b"}`)[:0]...)
		r.must(r.evs(`DELETE u id {"id":1}`, `INSERT u id {"id":9,"v":"a"}`, `DELETE u id {"id":2}`, `INSERT u id {"id":1,"v":"b"}`, `DELETE u id {"id":9}`, `INSERT u id {"id":2,"v":"a"}`)...)
		r.want("select * from u order by id", "(1,b)", "(2,a)", "(3,c)")
	})
}

func TestDeferrableKeyAndPartitions(t *testing.T) {
	r := newRig(t, `
create table d (id int primary key deferrable, v text, n int unique);
create table p (id int, at date, v text, primary key (id, at)) partition by range (at);
create table p1 partition of p for values from ('2020-01-01') to ('2021-01-01');
create table p2 partition of p for values from ('2021-01-01') to ('2022-01-01');
create table ref (id int primary key, d int references d (n) on delete cascade);
`, "d", "p", "ref")
	r.must(r.evs(`INSERT d id {"id":1,"v":"a","n":1}`, `INSERT d id {"id":2,"v":"b","n":2}`, `INSERT ref id {"id":1,"d":1}`)...)
	res := r.must(r.evs(`UPDATE d id {"id":1,"v":"A","n":1}`, `UPDATE d id {"id":7,"v":"found","n":7}`, `DELETE d id {"id":2,"v":"b"}`)...)
	r.want("select * from d order by id", "(1,A,1)", "(7,found,7)")
	r.want("select * from ref", "(1,1)") // no delete passed over its parent
	if res.Total.Diverged != 1 || res.Total.BySets != 3 {
		t.Errorf("%+v", res.Total)
	}
	r.must(r.evs(`INSERT p id,at {"id":1,"at":"2020-05-05","v":"a"}`, `INSERT p id,at {"id":2,"at":"2021-05-05","v":"b"}`)...)
	r.must(r.evs(`DELETE p id,at {"id":1,"at":"2020-05-05","v":"a"}`, `INSERT p id,at {"id":1,"at":"2021-05-05","v":"a"}`, `UPDATE p at,id {"id":2,"at":"2021-05-05","v":"c"}`)...)
	r.want("select tableoid::regclass, * from p order by id", "(p2,1,2021-05-05,a)", "(p2,2,2021-05-05,c)")
	r.must(r.evs(`TRUNCATE p`)...)
	r.want("select count(*) from p", "(0)")
}
