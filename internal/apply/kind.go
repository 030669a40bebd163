package apply

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

type op byte

const (
	opInsert   op = 'I'
	opUpdate   op = 'U'
	opDelete   op = 'D'
	opTruncate op = 'R'
)

func (o op) String() string {
	switch o {
	case opInsert:
		return "INSERT"
	case opUpdate:
		return "UPDATE"
	case opDelete:
		return "DELETE"
	}
	return "TRUNCATE"
}

type format byte

const (
	formatJSON format = iota
	formatURL
)

// kind is what an event's type says. Parsed once per distinct type.
type kind struct {
	op     op
	format format
	table  ident.Name // JSON only; a url-encoded event names its table in ev_extra1
	key    []string   // the provider's key columns; empty when not told
	joined string     // url-encoded: the key columns as they stood, joined by commas
	whole  bool       // the table has no key: rows are told apart by all of their columns
}

// errPartial is sqltriga's and logtriga's format.
var errPartial = errors.New("event is in the format of sqltriga (partial SQL), which is not read here")

// parseKind reads an event's type: jsontriga's {"op":…}, logutriga's I:pk,
// or one that is no row change (ErrUnhandled).
func parseKind(t []byte) (kind, error) {
	if len(t) == 0 {
		return kind{}, ErrUnhandled
	}
	if t[0] == '{' {
		k, err := parseJSONKind(slices.Clone(t))
		if err != nil {
			return kind{}, fmt.Errorf("event type %q: %w", t, err)
		}
		return k, nil
	}
	o := op(t[0])
	switch o {
	case opInsert, opUpdate, opDelete, opTruncate:
	default:
		return kind{}, ErrUnhandled
	}
	if len(t) == 1 {
		if o == opTruncate {
			return kind{op: o, format: formatURL}, nil
		}
		return kind{}, hint.With(errPartial, "install the table's capture with the json or urlenc format")
	}
	if t[1] != ':' || o == opTruncate {
		return kind{}, ErrUnhandled
	}
	k := kind{op: o, format: formatURL, joined: string(t[2:])}
	if k.joined != "" {
		k.key = strings.Split(k.joined, ",")
	}
	return k, nil
}

// parseJSONKind reads {"op":…,"table":[schema,name],"pkey":[…]}, of a table
// without key {…,"identity":"full"}; it changes b.
func parseJSONKind(b []byte) (kind, error) {
	var k kind
	i := skipSpace(b, 1)
	for first := true; ; first = false {
		if i < len(b) && b[i] == '}' && first {
			return kind{}, errors.New("has no op")
		}
		name, next, err := memberName(b, i)
		if err != nil {
			return kind{}, err
		}
		if i, err = k.member(name, b, next); err != nil {
			return kind{}, err
		}
		i = skipSpace(b, i)
		if i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
			continue
		}
		break
	}
	if i >= len(b) || b[i] != '}' || skipSpace(b, i+1) != len(b) {
		return kind{}, errJSON
	}
	switch {
	case k.op == 0:
		return kind{}, errors.New("has no op")
	case k.table == ident.Name{}:
		return kind{}, errors.New("names no table")
	}
	return k, nil
}

// memberName reads `"name":` at b[i]; next is where the value begins.
func memberName(b []byte, i int) (name []byte, next int, err error) {
	if i >= len(b) || b[i] != '"' {
		return nil, 0, errJSON
	}
	from, to, next, err := scanString(b, i)
	if err != nil {
		return nil, 0, err
	}
	next = skipSpace(b, next)
	if next >= len(b) || b[next] != ':' {
		return nil, 0, errJSON
	}
	return b[from:to], skipSpace(b, next+1), nil
}

// member takes one member of the type's object, whose value begins at b[i].
func (k *kind) member(name, b []byte, i int) (next int, err error) {
	switch string(name) {
	case "op":
		from, to, next, _, err := scanValue(b, i)
		if err != nil {
			return 0, err
		}
		o, known := map[string]op{
			"INSERT": opInsert, "UPDATE": opUpdate, "DELETE": opDelete, "TRUNCATE": opTruncate,
		}[string(b[from:to])]
		if !known {
			return 0, fmt.Errorf("unknown op %q", b[from:to])
		}
		k.op = o
		return next, nil
	case "table":
		parts, next, err := stringList(b, i)
		if err != nil {
			return 0, err
		}
		if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
			return 0, fmt.Errorf("table %q is not [schema, name]", parts)
		}
		k.table = ident.Name{Schema: parts[0], Name: parts[1]}
		return next, nil
	case "pkey":
		k.key, next, err = stringList(b, i)
		return next, err
	}
	from, to, next, _, err := scanValue(b, i)
	if err == nil && string(name) == "identity" {
		k.whole = string(b[from:to]) == "full"
	}
	return next, err
}

// stringList reads an array of strings at b[i]; null is an empty one.
func stringList(b []byte, i int) (list []string, next int, err error) {
	if bytes.HasPrefix(b[min(i, len(b)):], []byte("null")) {
		return nil, i + 4, nil
	}
	if i >= len(b) || b[i] != '[' {
		return nil, 0, errJSON
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return nil, i + 1, nil
	}
	for i < len(b) && b[i] == '"' {
		from, to, next, err := scanString(b, i)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, string(b[from:to]))
		i = skipSpace(b, next)
		if i < len(b) && b[i] == ']' {
			return list, i + 1, nil
		}
		if i >= len(b) || b[i] != ',' {
			break
		}
		i = skipSpace(b, i+1)
	}
	return nil, 0, errJSON
}

// splits lists the tables that an unquoted schema.table can mean, most likely
// (the first dot) first, and last the quoted form.
func splits(extra1 string) []ident.Name {
	var all []ident.Name
	for i := range len(extra1) {
		if extra1[i] == '.' && i > 0 && i < len(extra1)-1 {
			all = append(all, ident.Name{Schema: extra1[:i], Name: extra1[i+1:]})
		}
	}
	if n, err := ident.Parse(extra1); err == nil && !slices.Contains(all, n) {
		all = append(all, n)
	}
	return all
}
