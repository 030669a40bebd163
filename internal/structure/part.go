package structure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// Kind is what sort of thing a part is, in PostgreSQL's words.
type Kind string

// The kinds in the order in which their differences are told.
const (
	Schema     Kind = "schema"
	Collation  Kind = "collation"
	Type       Kind = "type"
	Sequence   Kind = "sequence"
	Relation   Kind = "table"
	Column     Kind = "column"
	Constraint Kind = "constraint"
	Index      Kind = "index"
	Statistics Kind = "statistics"
	Policy     Kind = "policy"
	Trigger    Kind = "trigger"
	Rule       Kind = "rule"
)

// Part is one thing that makes up a table or that it needs.
type Part struct {
	Kind  Kind
	Name  string     // what it is called among its kind: the schema's or column's name, a type as SQL writes it
	Table ident.Name // the table it is a part of; zero for what tables share

	words    string     // what it is called in sentences: column "a" of table public.t
	address  string     // what comment on and alter call it: table "public"."t"
	base     bool       // the table is nothing without it; otherwise only a full copy has it
	since    int        // the first major version that has such a thing
	full     ident.Name // of what tables share: its name
	facts    []fact
	needs    []need
	uses     []string // columns of the table that it depends on
	stage    stage    // when it is made
	make     func(*Target) []string
	drop     string
	dropWhen stage
	shared   bool // others may need it too: never dropped as superfluous
	parents  []ident.Name
	owner    ident.Name // of a sequence: the table whose column owns it
	within   bool       // it comes and goes with that of the parent table

	of          string   // the type whose part it is
	key         []string // of a key or index: the columns rows are told apart by
	unique      bool
	inline      bool // told in the table's create statement
	expressions bool // its text may hold expressions: it stands in the way of a column's new type
	rename      func(old string) string
	calls       string                  // of a trigger: the schema of its function
	index       string                  // the index's name as other parts tell their parent
	retyped     func(via string) string // of a column: the statement for its type
}

// fact is something in which a part can differ.
type fact struct {
	name  string // "" where the sentence says X is A, not: its b is A
	value string // "" is none, or the default
	none  string // what "" is called
	// later: not told by the part's own make statement.
	later bool
	full  bool // only a full copy has it
	quiet bool // of no consequence: not told where a version has no such thing
	since int
	stage stage
	needs []need
	// within tells that another fact has this difference in it.
	within func(old, value string) bool
	// set makes the other's value, old, this one's; nil where nothing can.
	set func(old, value string) []string
	// remake: where set gives nothing the part is dropped and made anew.
	remake  bool
	initial string // what the make statement gives by itself
	role    string // of a privilege: who has it
	owner   bool
}

// need is something that must be there before a statement can run.
type need struct {
	kind      string // as pg_get_object_address calls it; role
	name      string // for people
	names     []string
	args      []string
	extension string // the extension it belongs to; "" for none
}

func (n need) key() string {
	return strings.Join([]string{n.kind, strings.Join(n.names, "\x00"), strings.Join(n.args, "\x00")}, "\x01")
}

func (n need) String() string {
	if n.extension != "" {
		return fmt.Sprintf("%s %s (extension %s)", n.kind, n.name, n.extension)
	}
	return n.kind + " " + n.name
}

// stage orders statements.
type stage int

const (
	dropReferences stage = iota // foreign keys, policies, statistics
	dropIndexes
	dropChecks
	dropComputed // generated columns and defaults that stand in the way
	makeSchemas
	grantSchemas // without which nobody there can be given a table
	makeCollations
	makeTypes
	changeTypes
	makeSequences
	makeTables
	makeColumns
	changeColumns
	dropColumns
	attachTables
	ownSequences // the owner of a table takes them along
	ownTables
	changeTables
	nameIndexes
	makeChecks
	makeKeys
	makeIndexes
	attachIndexes
	makeReferences
	makePolicies
	makeTriggers
	dropLeft // sequences nobody refers to any more
	comment
	grant
)

// step is a statement with its place.
type step struct {
	stage stage
	sql   string
}

func (p *Part) fact(name string) *fact {
	i := slices.IndexFunc(p.facts, func(f fact) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &p.facts[i]
}

func (p *Part) id() string {
	return strings.Join([]string{string(p.Kind), p.Table.SQL(), p.Name}, "\x00")
}

func one(sql string) func(*Target) []string {
	return func(*Target) []string { return []string{sql} }
}
