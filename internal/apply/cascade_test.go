package apply

import "testing"

const cascadeDDL = `
create table parent (id %s primary key, code text unique);
create table child (id int primary key, p %[1]s not null references parent on update cascade on delete cascade);
create table grand (id int primary key, c int not null references child on delete cascade);
insert into parent values (1, 'x'), (5, 'v'); insert into child values (1, 1), (2, 1), (3, 1); insert into grand values (1, 1), (2, 3);
`

// TestCascadesKeepRows: a parent gets a new key, its children follow by ON
// UPDATE CASCADE. The delete of the old parent must not take the children or,
// worse, the grandchildren along, of which no event tells.
func TestCascadesKeepRows(t *testing.T) {
	moved := []string{
		`UPDATE child id {"id":1,"p":2}`, `UPDATE child id {"id":2,"p":2}`, `UPDATE child id {"id":3,"p":2}`,
		`DELETE parent id {"id":1,"code":"x"}`, `INSERT parent id {"id":2,"code":"%s"}`,
	}
	events := func(r *rig, code string) []Event {
		last := len(moved) - 1
		return r.evs(append(append([]string{}, moved[:last]...), replaced(moved[last], code))...)
	}
	check := func(r *rig) {
		t.Helper()
		r.want("select p, id from child order by id", "(2,1)", "(2,2)", "(2,3)")
		r.want("select * from grand order by id", "(1,1)", "(2,3)")
	}
	t.Run("sets", func(t *testing.T) {
		r := newRig(t, replaced(cascadeDDL, "int"), "parent", "child", "grand")
		if res := r.must(events(r, "y")...); res.Total.BySets != 5 || res.Total.Diverged != 0 {
			t.Errorf("%+v", res.Total)
		}
		check(r)
	})
	t.Run("across flushes", func(t *testing.T) {
		r := newRig(t, replaced(cascadeDDL, "int"), "parent", "child", "grand")
		r.opt.MaxRows = 2
		if res := r.must(events(r, "y")...); res.Total.BySets != 5 || res.Flushes != 1 {
			t.Errorf("%+v", res)
		}
		check(r)
	})
	t.Run("unique value in the way", func(t *testing.T) {
		// Neither order of sets will do. Whatever comes of it, no row goes
		// that the provider kept.
		r := newRig(t, replaced(cascadeDDL, "int"), "parent", "child", "grand")
		r.fails([]string{"23503", "child"}, events(r, "x")...)
		r.want("select p, id from child order by id", "(1,1)", "(1,2)", "(1,3)")
		r.want("select * from grand order by id", "(1,1)", "(2,3)")
	})
	t.Run("event order", func(t *testing.T) {
		r := newRig(t, replaced(cascadeDDL, "float8"), "parent", "child", "grand")
		r.fails([]string{"23503", "child"}, events(r, "y")...)
		r.want("select * from grand order by id", "(1,1)", "(2,3)")
		r.exec("alter table child drop constraint child_p_fkey, add foreign key (p) references parent on delete cascade deferrable")
		r.must(events(r, "y")...)
		check(r)
	})
	t.Run("nothing to take along", func(t *testing.T) {
		// A unique value moves to another row: deletes may go first where no
		// foreign key acts on them.
		r := newRig(t, replaced(cascadeDDL, "int")+"; create table lone (id int primary key, v text unique); insert into lone values (1, 'a')", "parent", "child", "grand", "lone")
		res := r.must(r.evs(`DELETE lone id {"id":1,"v":"a"}`, `INSERT lone id {"id":2,"v":"a"}`)...)
		if res.Total.BySets != 2 {
			t.Errorf("%+v", res.Total)
		}
		res = r.must(r.evs(`DELETE parent id {"id":5,"code":"v"}`, `INSERT parent id {"id":6,"code":"v"}`)...)
		if res.Total.Fallbacks != 1 {
			t.Errorf("%+v", res.Total)
		}
		r.want("select * from parent order by id", "(1,x)", "(6,v)")
		r.want("select count(*) from grand", "(2)")
	})
	t.Run("replica", func(t *testing.T) {
		r := newRig(t, replaced(cascadeDDL, "int"), "parent", "child", "grand")
		asReplica(t, r)
		if res := r.must(events(r, "x")...); res.Total.BySets != 5 || res.Total.Diverged != 0 {
			t.Errorf("%+v", res.Total)
		}
		check(r)
	})
}

// TestGrace: a flush that a foreign key keeps waiting does not grow without
// end.
func TestGrace(t *testing.T) {
	r := newRig(t, `create table parent (id int primary key); create table child (id int primary key, p int references parent)`, "parent", "child")
	r.opt.MaxRows = 2
	var events []Event
	for i := range 15 {
		events = append(events, r.evs(replaced(`INSERT child id {"id":%s,"p":1}`, itoa(i)))...)
	}
	res := r.must(append(events, r.evs(`INSERT parent id {"id":1}`)...)...)
	if res.Flushes != 1 || res.Total.BySets != 16 {
		t.Errorf("%+v", res)
	}
	r.must(r.evs(`TRUNCATE child`, `TRUNCATE parent`)...)
	r.fails([]string{"23503", "(id)=(0)"}, append(append(events, r.evs(`INSERT child id {"id":99,"p":1}`)...), r.evs(`INSERT parent id {"id":1}`)...)...)
}
