package diagnosis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
)

// Options are what an examination is about.
type Options struct {
	Schema int      // version of the schemas that the databases should hold
	Tables []string // names or globs; none: those that are registered, or all
}

// exam is what the checks look at.
type exam struct {
	*set.Pair
	schema     int
	provider   *side
	subscriber *side
	status     *londiste.Status
	now        func() time.Time

	names []ident.Name // the tables looked at
	named bool         // they were asked for
	apart []ident.Name // those whose structure is not to be compared: a check has told why
}

// side is one of the two databases.
type side struct {
	name      string
	cfg       *pgx.ConnConfig
	conn      *pgx.Conn // nil: it does not answer
	err       error     // why
	installed bool
}

// view is what one check looks at: the pair, and one side of it if the check
// is about one.
type view struct {
	*exam
	*side
}

// Examine looks at all that can be wrong with a pair. Nothing is changed. A side
// that does not answer and a check that lacks a right are findings, not errors;
// an error is a table's name that means nothing.
func Examine(ctx context.Context, p *set.Pair, opt Options) ([]doctor.Finding, error) {
	return examine(ctx, p, opt, checks)
}

func examine(ctx context.Context, p *set.Pair, opt Options, checks []check) ([]doctor.Finding, error) {
	x := &exam{Pair: p, schema: opt.Schema, now: time.Now}
	x.provider = open(ctx, "provider", p.Provider)
	x.subscriber = open(ctx, "subscriber", p.Subscriber)
	defer x.close(ctx)
	if err := x.read(ctx, londiste.Selection{Names: opt.Tables}); err != nil {
		return nil, err
	}
	var all []doctor.Finding
	for _, c := range checks {
		all = append(all, x.run(ctx, c)...)
	}
	return all, ctx.Err()
}

// connectPatience is how long a side may take to answer.
const connectPatience = 10 * time.Second

// open connects so that a pooler in transaction mode does not hinder: no
// statement is prepared.
func open(ctx context.Context, name string, cfg *pgx.ConnConfig) *side {
	cfg = cfg.Copy()
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	s := &side{name: name, cfg: cfg}
	short, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	s.conn, s.err = set.ConnectSide(short, name, cfg)
	if s.err == nil {
		s.installed, s.err = set.One[bool](short, s.conn, `select to_regclass('skytools.capture') is not null and to_regclass('londiste.table_info') is not null`)
	}
	if s.err != nil {
		set.CloseConn(&s.conn)
	}
	return s
}

func (x *exam) close(ctx context.Context) {
	x.provider.close(ctx)
	x.subscriber.close(ctx)
}

func (s *side) close(ctx context.Context) {
	if s.conn != nil {
		session.Close(ctx, s.conn)
	}
}

// read finds the tables to look at and how the pair stands.
func (x *exam) read(ctx context.Context, sel londiste.Selection) error {
	x.named = len(sel.Names) > 0
	if x.provider.installed || x.subscriber.installed {
		x.status = (&londiste.Subscriber{Pair: *x.Pair}).ReadStatus(ctx)
	}
	if !x.named && x.status != nil {
		for _, t := range x.status.Tables {
			n, err := ident.Parse(t.Name)
			if err != nil {
				return err
			}
			x.names = append(x.names, n)
		}
	}
	var err error
	switch {
	case len(x.names) > 0:
	case x.provider.conn != nil:
		sel.All = !x.named
		x.names, err = sel.Tables(ctx, x.provider.conn)
		if set.SQLState(err) != "" {
			err = nil // the checks say so
		}
	case x.named:
		for _, text := range sel.Names {
			n, err := ident.Parse(text)
			if err != nil {
				return err
			}
			x.names = append(x.names, n)
		}
	}
	return err
}

// run runs one check where it belongs.
func (x *exam) run(ctx context.Context, c check) (all []doctor.Finding) {
	sides := []*side{x.provider, x.subscriber}
	switch c.at {
	case provider:
		sides = sides[:1]
	case subscriber:
		sides = sides[1:]
	case pair:
		sides = []*side{nil}
	}
	for _, s := range sides {
		if !x.ready(s, c.needs) {
			continue
		}
		found, err := c.Run(ctx, view{x, s})
		if err != nil {
			found = append(found, doctor.Finding{
				Check: c.Name, Result: doctor.Unknown, Text: err.Error(), Why: c.Why,
				Mend: cmp.Or(hint.Of(err), "try again; if it stays so, the server's log tells more"),
			})
		}
		for _, f := range found {
			if s != nil {
				f.Side = s.name
			}
			all = append(all, f)
			if n, err := ident.Parse(f.Object); err == nil && c.parts && f.Result != doctor.Sound {
				x.apart = append(x.apart, n)
			}
		}
	}
	return all
}

// ready tells whether what a check needs is there.
func (x *exam) ready(s *side, needs need) bool {
	sides := []*side{s}
	if s == nil {
		sides = []*side{x.provider, x.subscriber}
	}
	return !slices.ContainsFunc(sides, func(s *side) bool {
		return needs >= reached && s.conn == nil || needs >= installed && !s.installed
	})
}

// tables are the names looked at, as two parallel arrays.
func (x *exam) tables() (schemas, rels []string) {
	schemas, rels = make([]string, len(x.names)), make([]string, len(x.names))
	for i, n := range x.names {
		schemas[i], rels[i] = n.Schema, n.Name
	}
	return schemas, rels
}

// connectionOf tells whether a side answers.
func connectionOf(_ context.Context, v view) ([]doctor.Finding, error) {
	if v.side.err == nil {
		c := v.conn.Config()
		number := v.conn.PgConn().ParameterStatus("server_version")
		return []doctor.Finding{{
			Result: doctor.Sound,
			Text:   fmt.Sprintf("database %s as role %s at %s:%d, PostgreSQL %s", c.Database, c.User, c.Host, c.Port, number),
		}}, nil
	}
	return []doctor.Finding{{
		Result: doctor.Unknown, Text: v.side.err.Error(),
		Mend: cmp.Or(hint.Of(v.side.err), "see the server's log; the key in the ini is "+v.side.name+"_db"),
	}}, nil
}

// problems is a check by what [londiste.Status] has found of a kind.
func problems(kind londiste.Kind, result doctor.Result) look {
	return func(_ context.Context, v view) (found []doctor.Finding, err error) {
		if v.status == nil {
			return nil, doctor.ErrLacking
		}
		for _, p := range v.status.Problems {
			if p.Kind == kind {
				mend := cmp.Or(p.Mend, "nothing: it is under way, londiste INI status shows how far")
				found = append(found, doctor.Finding{Result: result, Text: p.Text, Mend: mend})
			}
		}
		return found, nil
	}
}

// tableSQL is a check by a statement about the tables looked at, see
// [exam.queryTables].
func tableSQL(sql string) look {
	return func(ctx context.Context, v view) ([]doctor.Finding, error) { return v.queryTables(ctx, v.conn, sql) }
}

// queryTables runs a statement about the tables looked at: their schemas are $1,
// their names $2, and {table} in what mends is one of them, for a shell.
func (x *exam) queryTables(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]doctor.Finding, error) {
	if len(x.names) == 0 {
		return nil, doctor.ErrLacking
	}
	schemas, rels := x.tables()
	found, err := doctor.Query(ctx, conn, wantedSQL+sql, append([]any{schemas, rels}, args...)...)
	slices.SortStableFunc(found, func(a, b doctor.Finding) int { return strings.Compare(a.Object, b.Object) })
	for i, f := range found {
		found[i].Mend = strings.ReplaceAll(f.Mend, "{table}", hint.Shell(f.Object))
	}
	return found, err
}

// look is what a check does.
type look = func(ctx context.Context, v view) ([]doctor.Finding, error)
