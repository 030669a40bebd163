package londiste

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/structure"
	"github.com/skytools-go/skytools/londiste/set"
)

// creation makes tables of the provider at the subscriber.
type creation struct {
	sub   *session
	there *structure.Structure
	keys  map[ident.Name][]string
	names []ident.Name
	opt   AddOptions
}

// createTables makes tables and registers them, all in one transaction: the
// foreign keys between them are no matter of order, and when one cannot be
// made none is.
func (b *Subscriber) createTables(ctx context.Context, prov, sub *session, names []ident.Name, opt AddOptions) error {
	if len(names) == 0 {
		return nil
	}
	there, keys, err := prov.structures(ctx, names, nil)
	if err != nil {
		return err
	}
	c := &creation{sub, there, keys, names, opt}
	return sub.changeTable(ctx, names[0], func(tx pgx.Tx) error {
		if err := c.make(ctx, tx); err != nil {
			return err
		}
		for _, n := range names {
			sub.log.Info("Adding " + n.String())
			if err := sub.registerTable(ctx, tx, n, opt); err != nil {
				return fmt.Errorf("add table %s: %w", n, err)
			}
		}
		return nil
	})
}

// make runs statements until none is left: what the database gives new
// objects by default is seen only when they are there.
func (c *creation) make(ctx context.Context, tx pgx.Tx) error {
	here, err := structure.ReadTarget(ctx, tx, c.there)
	if err != nil {
		return err
	}
	existed := map[ident.Name]bool{}
	for n := range here.Tables {
		existed[n] = true
	}
	todo, err := c.judge(c.compare(here), existed)
	if err != nil {
		return err
	}
	for _, n := range c.names {
		if existed[n] {
			c.sub.log.Info("Table " + n.String() + " is there already")
		} else {
			c.sub.log.Info("Creating " + n.String())
		}
	}
	const rounds = 2
	for range rounds {
		if todo, err = c.round(ctx, tx, todo, existed); err != nil {
			return err
		}
	}
	for _, d := range todo {
		if d.Breaks {
			return differs(d)
		}
		c.sub.log.Warn(d.Text)
	}
	return nil
}

// round runs the statements of differences, and looks at what is left.
func (c *creation) round(ctx context.Context, tx pgx.Tx, todo []Difference, existed map[ident.Name]bool) ([]Difference, error) {
	refused, err := structure.Run(ctx, tx, todo)
	if err != nil {
		return nil, c.explain(err)
	}
	for _, err := range refused {
		c.sub.log.Warn("Left out: " + err.Error())
	}
	here, err := structure.ReadTarget(ctx, tx, c.there)
	if err != nil {
		return nil, err
	}
	for _, n := range c.names {
		if err := c.sub.needOwned(here.Tables[n], n); err != nil {
			return nil, err
		}
	}
	var left []Difference
	for _, d := range c.compare(here) {
		if !existed[d.Table] && !d.Decorates {
			left = append(left, d)
		}
	}
	if len(refused) > 0 { // and would be again
		for i := range left {
			left[i] = left[i].WithoutSQL()
		}
	}
	return left, nil
}

func (c *creation) compare(here *structure.Target) []Difference {
	return structure.Compare(c.there, here, structure.Options{Keys: c.keys, Base: !c.opt.CreateFull, Own: queueSchemas})
}

// judge sorts out what is to be made. Nothing that is there already is
// changed: where it is another than at the provider, the command ends.
func (c *creation) judge(found []Difference, existed map[ident.Name]bool) (todo []Difference, err error) {
	clashes, what := 0, "" // what stands in the way
	var first *Difference
	for _, d := range found {
		shared := d.Table == (ident.Name{})
		switch {
		case shared && !d.Missing && d.Decorates: // privileges and comments of what others use too
		case shared && !d.Missing, existed[d.Table]:
			c.sub.log.Warn(d.Text)
			if d.Absent || !c.opt.Force {
				clashes++
				if what == "" && !shared {
					what = "table " + d.Table.String()
				}
			}
		case d.Breaks && len(d.SQL) == 0:
			// That there is no table says less than why none can be made.
			if first == nil || first.Kind == structure.Relation {
				first = &d
				continue
			}
			c.sub.log.Error(d.Text)
		default:
			todo = append(todo, d)
		}
	}
	switch {
	case first != nil:
		return nil, differs(*first)
	case clashes > 0:
		err := fmt.Errorf("%s is at the subscriber already, with another structure (%d differences)", cmp.Or(what, "what the tables need"), clashes)
		return nil, hint.With(err, "londiste INI subscriber check --sql prints the statements that mend it; --force adds it as it is")
	}
	return todo, nil
}

// explain says which right is wanting.
func (c *creation) explain(err error) error {
	err = fmt.Errorf("subscriber: %w", err)
	if set.SQLState(err) != "42501" {
		return err
	}
	role := ident.Quote(c.sub.conn.Config().User)
	return hint.With(err, "grant create on the schema to %s (grant create on database %s to %s for a new one), or add the table without --create when somebody has made it",
		role, ident.Quote(c.sub.conn.Config().Database), role)
}

// differs is a difference as an error. Its hint is the statement that mends
// it, where that is a short one.
func differs(d Difference) error {
	err := errors.New(d.Text)
	switch {
	case len(d.SQL) == 1 && d.Kind != structure.Relation:
		return hint.With(err, "at the subscriber: %s", d.SQL[0])
	case d.Hint != "":
		return hint.With(err, "%s", d.Hint)
	case len(d.SQL) > 0:
		return hint.With(err, "londiste INI subscriber check --sql prints the statements that mend it")
	}
	return err
}
