package structure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// acl is one privilege of somebody who is not the owner.
type acl struct {
	Who       string `json:"who"` // "" is PUBLIC
	Privilege string `json:"privilege"`
	Grantable bool   `json:"grantable"`
	Column    string `json:"column"`
}

// aclsOf is a query's expression for the privileges in the items that from
// gives: who has them from whom does not matter.
func aclsOf(owner, from string) string {
	return `coalesce((select jsonb_agg(jsonb_build_object('who', case when grantee = 0 then '' else pg_get_userbyid(grantee) end,
		'privilege', privilege_type, 'grantable', is_grantable, 'column', attname)) from (` + from + `) g where grantee <> ` + owner + `), '[]')`
}

var (
	tableGrants = aclsOf("c.relowner", `
		select a.*, '' as attname from aclexplode(c.relacl) a
		union all select x.*, a.attname from pg_attribute a, aclexplode(a.attacl) x where a.attrelid = c.oid and not a.attisdropped`)
	sequenceGrants = aclsOf("c.relowner", `select a.*, '' as attname from aclexplode(c.relacl) a`)
	// Everybody may use a type unless that is taken away.
	typeGrants   = aclsOf("t.typowner", `select a.*, '' as attname from aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) a`)
	schemaGrants = aclsOf("n.nspowner", `select a.*, '' as attname from aclexplode(n.nspacl) a`)
)

// grantFacts are the privileges, one fact for each role that has any.
func grantFacts(kind, name string, acls []acl) []fact {
	byRole := map[string][]acl{}
	var roles []string // in the order of their grants
	note := func(who string) {
		if !slices.Contains(roles, who) {
			roles = append(roles, who)
		}
	}
	for _, a := range acls {
		note(a.Who)
		byRole[a.Who] = append(byRole[a.Who], a)
	}
	if kind == "type" {
		note("") // PUBLIC: what a new one gives it, and this one perhaps not
	}
	var all []fact
	for _, who := range roles {
		kept, newer := byRole[who], []acl(nil)
		if kind == "table" {
			kept, newer = apart(kept)
		}
		all = append(all, grantFact(kind, name, who, "", kept))
		if len(newer) > 0 {
			all = append(all, grantFact(kind, name, who, "MAINTAIN", newer))
		}
	}
	return all
}

// apart takes out the privilege that versions before 17 do not have.
func apart(acls []acl) (kept, newer []acl) {
	for _, a := range acls {
		if a.Privilege == "MAINTAIN" {
			newer = append(newer, a)
		} else {
			kept = append(kept, a)
		}
	}
	return kept, newer
}

func grantFact(kind, name, who, only string, acls []acl) fact {
	role, words := ident.Quote(who), ident.Quote(who)
	var needs []need
	if who == "" {
		role, words = "public", "PUBLIC"
	} else {
		needs = []need{{kind: "role", name: who, names: []string{who}, args: []string{}}}
	}
	revoke := "all"
	f := fact{name: "grant to " + words, later: true, full: true, stage: grant, needs: needs, role: who}
	switch {
	case only != "":
		f.name, f.since, revoke = "grant of "+only+" to "+words, 17, only
	case kind == "table":
		revoke = "select, insert, update, delete, truncate, references, trigger"
	}
	plain, grantable := privileges(acls)
	f.value = strings.Join(plain, ", ")
	if len(grantable) > 0 {
		f.value = strings.Join(append(plain, strings.Join(grantable, ", ")+" with grant option"), ", ")
	}
	if kind == "type" && who == "" {
		f.initial, f.value = "USAGE", orElse(f.value, "nothing")
	}
	if kind == "schema" {
		f.stage = grantSchemas
	}
	f.set = func(old, v string) []string {
		var all []string
		if old != "" || v == "nothing" {
			all = append(all, fmt.Sprintf("revoke %s on %s %s from %s", revoke, kind, name, role))
		}
		if v == "" || v == "nothing" {
			return all
		}
		if len(plain) > 0 {
			all = append(all, fmt.Sprintf("grant %s on %s %s to %s", strings.Join(plain, ", "), kind, name, role))
		}
		if len(grantable) > 0 {
			all = append(all, fmt.Sprintf("grant %s on %s %s to %s with grant option", strings.Join(grantable, ", "), kind, name, role))
		}
		return all
	}
	return f
}

// privileges sorts privileges, those on columns with their columns.
func privileges(acls []acl) (plain, grantable []string) {
	held := map[string]bool{} // whether it may be passed on; somebody may have it from two
	columns := map[string][]string{}
	for _, a := range acls {
		what := a.Privilege
		if a.Column != "" {
			what += " (" + ident.Quote(a.Column) + ")"
		}
		held[what] = held[what] || a.Grantable
	}
	for what := range held {
		privilege, column, found := strings.Cut(what, " ")
		if found {
			key := fmt.Sprint(privilege, " ", held[what])
			columns[key] = append(columns[key], strings.TrimSuffix(column[1:], ")"))
			continue
		}
		if held[what] {
			grantable = append(grantable, what)
		} else {
			plain = append(plain, what)
		}
	}
	for key, list := range columns {
		slices.Sort(list)
		privilege, passed, _ := strings.Cut(key, " ")
		text := privilege + " (" + strings.Join(list, ", ") + ")"
		if passed == "true" {
			grantable = append(grantable, text)
		} else {
			plain = append(plain, text)
		}
	}
	slices.Sort(plain)
	slices.Sort(grantable)
	return plain, grantable
}

// ownerFact is whose something is. It is made the same where such a role
// exists; where none does, that is no difference of structure.
func ownerFact(address, owner string, at stage) fact {
	return fact{
		name: "owner", value: owner, later: true, full: true, stage: at, owner: true,
		needs: []need{{kind: "role", name: owner, names: []string{owner}, args: []string{}}},
		set:   func(_, v string) []string { return []string{"alter " + address + " owner to " + ident.Quote(v)} },
	}
}

func commentFact(address, text string) fact {
	return fact{name: "comment", value: text, later: true, full: true, stage: comment, set: func(_, v string) []string {
		if v == "" {
			return []string{"comment on " + address + " is null"}
		}
		return []string{"comment on " + address + " is " + ident.Literal(v)}
	}}
}
