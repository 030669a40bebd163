package compare

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// Kind is how a row differs.
type Kind string

// The kinds, as the subscriber is to the provider.
const (
	Missing   Kind = "missing"
	Extra     Kind = "extra"
	Differing Kind = "differing"
)

// Value is a column of a row, as text; nil is NULL. Long ones are cut: they
// end in their length and md5.
type Value struct {
	Column     string  `json:"column"`
	Provider   *string `json:"provider"`
	Subscriber *string `json:"subscriber"`
}

// Difference is one row. Without a key, Count tells of how many equal ones.
type Difference struct {
	Kind   Kind      `json:"kind"`
	Key    []KeyPart `json:"key,omitempty"`
	Values []Value   `json:"values,omitempty"` // of a row without a key all, else those that differ
	Count  int64     `json:"count"`
}

// KeyPart is a column of a key.
type KeyPart struct {
	Column string  `json:"column"`
	Value  *string `json:"value"`
}

// longest is what is read of a value that may be of any length.
const longest = 1000

// rowsSQL reads the rows of some buckets, in the order of their place.
func (c *comparison) rowsSQL(end, n int, buckets []int) string {
	numbers := make([]string, len(buckets))
	for i, b := range buckets {
		numbers[i] = strconv.Itoa(b)
	}
	var values []string
	for i, col := range c.columns {
		t := col.text(end)
		if !slices.Contains(c.key, i) {
			bytes := t
			if c.convert {
				bytes = "convert_to(" + t + ", 'UTF8')"
			}
			t = fmt.Sprintf("case when length(%[1]s) > %[2]d then left(%[1]s, 200) || '... (' || length(%[1]s) || ' characters, md5 ' || md5(%[3]s) || ')' else %[1]s end", t, longest, bytes)
		}
		values = append(values, t)
	}
	var parts []string
	for _, l := range c.rels[end].leaves {
		condition := piece{leaf: l}.condition(c.table.Where)
		parts = append(parts, fmt.Sprintf("select %s as place, array[%s] from %s where %s and (%s & %d) = any ('{%s}'::bigint[])",
			c.place(end), strings.Join(values, ", "), l.from, condition, c.place(end), n-1, strings.Join(numbers, ",")))
	}
	return strings.Join(parts, " union all ") + " order by 1"
}

// group is the rows of one place.
type group struct {
	place int64
	rows  [][]*string
}

// stream reads groups in the order of their place.
func (e *End) stream(ctx context.Context, sql string) iter.Seq2[group, error] {
	return func(yield func(group, error) bool) {
		err := func() error {
			tx, err := e.begin(ctx, e.conns[0])
			if err != nil {
				return err
			}
			defer tx.Rollback(context.WithoutCancel(ctx))
			rows, err := tx.Query(ctx, sql)
			if err != nil {
				return err
			}
			defer rows.Close()
			g := group{}
			for rows.Next() {
				var place int64
				var values []*string
				if err := rows.Scan(&place, &values); err != nil {
					return err
				}
				if len(g.rows) > 0 && place != g.place {
					if !yield(g, nil) {
						return nil
					}
					g = group{}
				}
				g.place = place
				g.rows = append(g.rows, values)
			}
			if len(g.rows) > 0 && rows.Err() == nil {
				yield(g, nil)
			}
			return rows.Err()
		}()
		if err != nil {
			yield(group{}, err)
		}
	}
}

// rows compares the rows of some buckets. Both ends give them in the order of
// their place: they are merged, and only those of one place are held.
func (c *comparison) rows(ctx context.Context, n int, buckets []int, res *Result) error {
	if err := c.unchanged(ctx); err != nil {
		return err
	}
	p, stopP := iter.Pull2(c.ends[0].stream(ctx, c.rowsSQL(0, n, buckets)))
	defer stopP()
	s, stopS := iter.Pull2(c.ends[1].stream(ctx, c.rowsSQL(1, n, buckets)))
	defer stopS()
	a, err, moreA := p()
	b, err2, moreB := s()
	for moreA || moreB {
		switch {
		case err != nil:
			return c.ends[0].explain(c.table.Provider, err)
		case err2 != nil:
			return c.ends[1].explain(c.table.Subscriber, err2)
		case moreA && moreB && a.place == b.place:
			if err := c.judge(a.rows, b.rows, res); err != nil {
				return err
			}
			a, err, moreA = p()
			b, err2, moreB = s()
		case moreA && (!moreB || a.place < b.place):
			if err := c.judge(a.rows, nil, res); err != nil {
				return err
			}
			a, err, moreA = p()
		default:
			if err := c.judge(nil, b.rows, res); err != nil {
				return err
			}
			b, err2, moreB = s()
		}
	}
	return c.unchanged(ctx)
}

// unchanged makes sure that the tables are still the snapshots'.
func (c *comparison) unchanged(ctx context.Context) error {
	return c.both(func(end int, name ident.Name) error {
		e := c.ends[end]
		for _, l := range c.rels[end].leaves {
			err := e.slice(ctx, e.conns[0], piece{leaf: l}, "select 1 from "+l.from+" limit 1", func([][]byte) error { return nil })
			if err != nil {
				return e.explain(name, err)
			}
		}
		return nil
	})
}

// flat is a row, or some of its columns, as one string.
func flat(row []*string, columns []int) string {
	var b strings.Builder
	for _, i := range columns {
		if row[i] == nil {
			b.WriteString("-;")
			continue
		}
		fmt.Fprintf(&b, "%d:%s;", len(*row[i]), *row[i])
	}
	return b.String()
}

// judge compares the rows of one place. Usually it is one of each; more than
// one of a key are there where an end has no unique index on it.
func (c *comparison) judge(provider, subscriber [][]*string, res *Result) error {
	all := make([]int, len(c.columns))
	for i := range all {
		all[i] = i
	}
	key := c.key
	if len(key) == 0 {
		key = all
	}
	// Equal rows cancel out, one against one.
	left := map[string][][]*string{}
	for _, row := range subscriber {
		f := flat(row, all)
		left[f] = append(left[f], row)
	}
	missing := map[string][][]*string{}
	var order []string
	for _, row := range provider {
		f := flat(row, all)
		if n := len(left[f]); n > 0 {
			left[f] = left[f][:n-1]
			continue
		}
		k := flat(row, key)
		if missing[k] == nil {
			order = append(order, k)
		}
		missing[k] = append(missing[k], row)
	}
	extra := map[string][][]*string{}
	for _, row := range subscriber {
		f := flat(row, all)
		if n := len(left[f]); n > 0 {
			left[f] = left[f][:n-1]
			k := flat(row, key)
			if missing[k] == nil && extra[k] == nil {
				order = append(order, k)
			}
			extra[k] = append(extra[k], row)
		}
	}
	for _, k := range order {
		if err := c.tell(missing[k], extra[k], res); err != nil {
			return err
		}
	}
	return nil
}

// tell reports the rows of one key that have no equal at the other end.
func (c *comparison) tell(missing, extra [][]*string, res *Result) error {
	if len(c.key) == 0 {
		return c.tellCount(missing, extra, res)
	}
	for len(missing) > 0 || len(extra) > 0 {
		var d Difference
		switch {
		case len(extra) == 0:
			d, missing = c.keyed(Missing, missing[0], nil), missing[1:]
			res.Missing++
		case len(missing) == 0:
			d, extra = c.keyed(Extra, nil, extra[0]), extra[1:]
			res.Extra++
		default:
			d, missing, extra = c.keyed(Differing, missing[0], extra[0]), missing[1:], extra[1:]
			res.Differing++
		}
		if err := c.each(d); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) each(d Difference) error {
	if c.Each == nil {
		return nil
	}
	return c.Each(d)
}

func (c *comparison) keyed(kind Kind, p, s []*string) Difference {
	d := Difference{Kind: kind, Count: 1}
	row := p
	if row == nil {
		row = s
	}
	for _, i := range c.key {
		d.Key = append(d.Key, KeyPart{c.columns[i].name, row[i]})
	}
	for i, col := range c.columns {
		if kind == Differing && !same(p[i], s[i]) {
			d.Values = append(d.Values, Value{col.name, p[i], s[i]})
		}
	}
	return d
}

// tellCount reports rows of a table without a key, all of them equal.
func (c *comparison) tellCount(missing, extra [][]*string, res *Result) error {
	d := Difference{Kind: Missing, Count: int64(len(missing))}
	if len(extra) > 0 {
		d.Kind, d.Count = Extra, int64(len(extra))
		res.Extra += d.Count
	} else {
		res.Missing += d.Count
	}
	for i, col := range c.columns {
		v := Value{Column: col.name}
		if d.Kind == Missing {
			v.Provider = missing[0][i]
		} else {
			v.Subscriber = extra[0][i]
		}
		d.Values = append(d.Values, v)
	}
	return c.each(d)
}

func same(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
