package structure

import (
	"context"
	"fmt"

	"github.com/skytools-go/skytools/internal/ident"
)

// triggers are the users' own; a partition's copy of its parent's comes and
// goes with that.
func (r *reader) triggers(ctx context.Context) error {
	type row struct {
		OID, Table               uint32
		Name, Def, State, Schema string
		Comment                  string
	}
	found, err := list[row](ctx, r, `
		select t.oid, t.tgrelid, t.tgname::text, pg_get_triggerdef(t.oid),
			case t.tgenabled when 'D' then 'disabled' when 'R' then 'enabled for replicas' when 'A' then 'enabled always' else '' end,
			p.pronamespace::regnamespace::text, coalesce(obj_description(t.oid, 'pg_trigger'), '')
		from pg_trigger t join pg_proc p on p.oid = t.tgfoid
		where t.tgrelid = any($1) and not t.tgisinternal and not exists (
			select from pg_trigger up where up.oid = t.tgparentid and up.tgrelid = any($1))
		order by t.tgrelid, t.tgname`, r.oids)
	for _, t := range found {
		on := r.byOID[t.Table].Name
		at := address{"pg_trigger", t.OID}
		called := ident.Quote(t.Name) + " on " + on.SQL()
		p := &Part{
			Kind: Trigger, Name: t.Name, Table: on, calls: t.Schema,
			words: "trigger " + ident.Quote(t.Name) + " of table " + on.String(), address: "trigger " + called,
			stage: makeTriggers, make: one(t.Def), drop: "drop trigger " + called, dropWhen: dropReferences,
			needs: r.deps.needs[at], uses: r.deps.uses[at], expressions: true,
		}
		state := fact{name: TriggerState, value: t.State, none: "enabled", later: true, full: true, stage: makeTriggers}
		state.set = func(_, v string) []string {
			how := map[string]string{"": "enable", "disabled": "disable", "enabled for replicas": "enable replica", "enabled always": "enable always"}[v]
			return []string{"alter table " + on.SQL() + " " + how + " trigger " + ident.Quote(t.Name)}
		}
		p.facts = []fact{{name: "definition", value: t.Def, remake: true, stage: makeTriggers}, state, commentFact(p.address, t.Comment)}
		r.parts = append(r.parts, p)
	}
	return err
}

// TriggerState is the fact that tells whether a trigger fires, and for whom.
const TriggerState = "state"

// rule is one that rewrites what is written to a table.
type rule struct {
	table       ident.Name
	name, event string
}

func (r *reader) readRules(ctx context.Context) error {
	type row struct {
		Table       uint32
		Name, Event string
	}
	found, err := list[row](ctx, r, `
		select ev_class, rulename::text, case ev_type when '2' then 'UPDATE' when '3' then 'INSERT' else 'DELETE' end
		from pg_rewrite where ev_class = any($1) order by ev_class, rulename`, r.oids)
	for _, u := range found {
		r.rules = append(r.rules, rule{r.byOID[u.Table].Name, u.Name, u.Event})
	}
	return err
}

// rules tells of those at the subscriber. Those of the provider have had their
// effect on its rows, and none is made: a rule rewrites the statements that
// bring these rows, and the server refuses INSERT … ON CONFLICT for a table
// with a rule for UPDATE, even for one that is disabled.
func (c *comparer) rules() {
	there := map[rule]bool{}
	for _, r := range c.prov.rules {
		there[r] = true
	}
	for _, r := range c.sub.rules {
		breaks := r.event == "UPDATE"
		if c.ignored[r.table] || !breaks && (there[r] || c.opt.Base) {
			continue
		}
		text := fmt.Sprintf("rule %s of table %s does not exist at the provider", ident.Quote(r.name), r.table)
		if breaks {
			text = fmt.Sprintf("rule %s of table %s stands at the subscriber: for a table with a rule for UPDATE the server refuses INSERT … ON CONFLICT", ident.Quote(r.name), r.table)
		}
		d := c.add(r.table.String(), text)
		d.Table, d.Kind, d.Name, d.Breaks = r.table, Rule, r.name, breaks
		d.add(dropReferences, "drop rule "+ident.Quote(r.name)+" on "+r.table.SQL())
	}
}
