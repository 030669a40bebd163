package schema

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
)

// Options of one [Install].
type Options struct {
	// Log gets a line a step; nil is silent.
	Log *slog.Logger
	// DryRun does everything and rolls it back.
	DryRun bool
}

// Report tells what one [Install] found and did.
type Report struct {
	Database string
	Before   int      // version found, 0 = none
	Version  int      // version now
	Applied  []string // structure files that were run, in order
	Replaced []string // function files that were run, in order
	Dropped  []string // functions that no file makes any more
	Granted  bool     // the grants were run
	// MissingRoles are the roles of the queue that the cluster lacks because
	// this role may not create them. RoleSQL is what an administrator would
	// run; the grants follow at the next install.
	MissingRoles []string
	RoleSQL      []string
	// Extensions are the components that stay as they are because extensions of
	// these names hold them.
	Extensions []string
	// Own is the version of this program's extension pgq, if the schemas were
	// made by it: see [WriteExtension].
	Own string
}

// Changed tells whether the install wrote anything.
func (r Report) Changed() bool {
	return r.Granted || len(r.Applied)+len(r.Replaced)+len(r.Dropped) > 0
}

// Lines are the messages for the user, in Skytools' words.
func (r Report) Lines() []string {
	var lines []string
	for _, component := range components {
		switch {
		case slices.Contains(r.Extensions, component):
			lines = append(lines, component+" is an extension's and stays as it is")
		case r.Before == 0:
			lines = append(lines, "Installing "+component)
		case r.touched(component):
			lines = append(lines, "Upgrading "+component)
		default:
			lines = append(lines, component+" is installed")
		}
	}
	if r.Own != "" {
		lines = append(lines, "The schemas belong to the extension pgq "+r.Own)
	}
	if len(r.MissingRoles) > 0 {
		lines = append(lines,
			"Roles "+strings.Join(r.MissingRoles, ", ")+" do not exist and this role may not create them; an administrator can run:")
		for _, statement := range r.RoleSQL {
			lines = append(lines, "    "+statement+";")
		}
		lines = append(lines, "After that, install again to grant them their rights")
	}
	return lines
}

func (r Report) touched(component string) bool {
	in := func(name string) bool {
		return strings.HasPrefix(name, component+"/") || strings.HasPrefix(name, component+".")
	}
	return slices.ContainsFunc(r.Applied, in) || slices.ContainsFunc(r.Replaced, in) || slices.ContainsFunc(r.Dropped, in)
}

// Install brings the schemas of the connection's database to this program's
// version, in one transaction, or leaves it as it was. It may be called again
// at any time and by several programs at once.
func Install(ctx context.Context, conn *pgx.Conn, opt Options) (Report, error) {
	return install(ctx, conn, tree, opt)
}

func install(ctx context.Context, conn *pgx.Conn, tree fs.FS, opt Options) (Report, error) {
	files, err := load(tree)
	if err != nil {
		return Report{}, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return Report{}, fmt.Errorf("install: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // after the commit it does nothing
	run := &run{tx: tx, files: files, log: opt.Log}
	if run.log == nil {
		run.log = slog.New(slog.DiscardHandler)
	}
	for _, step := range []func(context.Context) error{
		run.guard, run.roles, run.owner, run.tables, run.functions, run.grants,
	} {
		if err := step(ctx); err != nil {
			return Report{}, fmt.Errorf("install: %w", err)
		}
	}
	if opt.DryRun {
		return run.report, nil
	}
	if err := commit(ctx, tx); err != nil {
		return Report{}, fmt.Errorf("install: %w", err)
	}
	return run.report, nil
}

func commit(ctx context.Context, tx pgx.Tx) error {
	return failpoint.Commit(failpoint.Install, func() error { return tx.Commit(ctx) })
}

// run is one install under way.
type run struct {
	tx     pgx.Tx
	files  bundle
	log    *slog.Logger
	report Report
}

func (r *run) guard(ctx context.Context) error {
	if err := r.exec(ctx, "", sessionSQL(true)+lockSQL); err != nil {
		return err
	}
	if err := r.execFile(ctx, "install/guard.sql"); err != nil {
		return err
	}
	r.report.Version = Number
	err := r.tx.QueryRow(ctx, `select current_database()`).Scan(&r.report.Database)
	if err != nil {
		return err
	}
	if err := r.beside(ctx); err != nil {
		return err
	}
	if err := r.tx.QueryRow(ctx, ownExtensionSQL).Scan(&r.report.Own); err != nil {
		return err
	}
	there, err := r.bookkeeping(ctx)
	if err != nil || !there {
		return err
	}
	return r.tx.QueryRow(ctx, `select coalesce(max(version), 0) from skytools.installation`).Scan(&r.report.Before)
}

// beside finds the components that extensions hold and leaves them out.
func (r *run) beside(ctx context.Context) error {
	err := r.tx.QueryRow(ctx, foreignSQL, components).Scan(&r.report.Extensions)
	r.files = r.files.without(r.report.Extensions)
	return err
}

func (r *run) bookkeeping(ctx context.Context) (there bool, err error) {
	err = r.tx.QueryRow(ctx, `select to_regclass('skytools.migration') is not null`).Scan(&there)
	return there, err
}

// roles makes the roles that are missing. Only a role's absence leads to any
// statement, so an install without CREATEROLE stays quiet.
func (r *run) roles(ctx context.Context) error {
	missing, err := r.missingRoles(ctx)
	if err != nil || len(missing) == 0 {
		return err
	}
	if err := r.execFile(ctx, "install/roles.sql"); err != nil {
		return err
	}
	if missing, err = r.missingRoles(ctx); err != nil {
		return err
	}
	r.report.MissingRoles = missing
	for _, role := range missing {
		statement := "create role " + role
		if role == "pgq_admin" {
			statement += " in role pgq_reader, pgq_writer"
		}
		r.report.RoleSQL = append(r.report.RoleSQL, statement)
	}
	return nil
}

func (r *run) owner(ctx context.Context) error { return r.execFile(ctx, "install/owner.sql") }

func (r *run) missingRoles(ctx context.Context) ([]string, error) {
	var missing []string
	err := r.tx.QueryRow(ctx, `select coalesce(array_agg(w order by nr) filter (where to_regrole(w) is null), '{}')
		from unnest(array['pgq_reader', 'pgq_writer', 'pgq_admin']) with ordinality as x (w, nr)`).Scan(&missing)
	return missing, err
}

func (r *run) tables(ctx context.Context) error {
	applied := map[string]string{}
	there, err := r.bookkeeping(ctx)
	if err != nil {
		return err
	}
	if there {
		// What this program made of a component that is an extension's now went
		// with its schema.
		if err := r.exec(ctx, "", forgetComponentsSQL(r.report.Extensions)); err != nil {
			return err
		}
		if applied, err = r.pairs(ctx, `select file, sum from skytools.migration`); err != nil {
			return err
		}
	}
	for _, component := range r.files.Components {
		if err := r.schema(ctx, component); err != nil {
			return err
		}
	}
	for _, f := range r.files.Tables {
		if applied[f.Path] == f.Sum {
			continue
		}
		if err := r.mayChange(); err != nil {
			return err
		}
		if err := r.exec(ctx, f.Path, migrationSQL(f, r.report.Extensions)); err != nil {
			return err
		}
		r.log.Debug("structure applied", "file", f.Path)
		r.report.Applied = append(r.report.Applied, f.Path)
	}
	return nil
}

// mayChange refuses to change what is an extension's: an object made beside its
// script would come twice from a dump, and a member cannot be dropped.
func (r *run) mayChange() error {
	if r.report.Own == "" {
		return nil
	}
	return hint.With(fmt.Errorf("the schemas in database %q belong to the extension pgq %s, which differs from this program's",
		r.report.Database, r.report.Own),
		"write this program's with: pgqadm print-extension $(pg_config --sharedir)/extension; then run: alter extension pgq update")
}

// schema makes a component's schema. To make one that is there asks for the
// right CREATE, which an owner may have lost since.
func (r *run) schema(ctx context.Context, component string) error {
	var there bool
	err := r.tx.QueryRow(ctx, `select to_regnamespace($1) is not null`, component).Scan(&there)
	if err != nil || there {
		return err
	}
	if err := r.mayChange(); err != nil {
		return err
	}
	return r.exec(ctx, "", schemaSQL(component))
}

func (r *run) grants(ctx context.Context) error {
	sum := r.files.grantsSum()
	var same bool
	err := r.tx.QueryRow(ctx, `select exists (select from skytools.installation
		where version = $1 and grants_sum = $2 and granted_roles = `+presentRolesSQL+`)`, Number, sum).Scan(&same)
	if err != nil || same {
		return err
	}
	for _, f := range r.files.Grants {
		if err := r.exec(ctx, f.Path, f.Text); err != nil {
			return err
		}
	}
	r.report.Granted = true
	return r.exec(ctx, "", finishSQL(sum))
}

func (r *run) pairs(ctx context.Context, query string) (map[string]string, error) {
	rows, err := r.tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	pairs := map[string]string{}
	var key, value string
	_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error {
		pairs[key] = value
		return nil
	})
	return pairs, err
}

func (r *run) execFile(ctx context.Context, name string) error {
	f, err := readFile(steps, name)
	if err != nil {
		return err
	}
	return r.exec(ctx, "", f.Text)
}

// exec runs SQL that may hold several statements. An error names the file and
// line that it came from, if text is a file's.
func (r *run) exec(ctx context.Context, path, text string) error {
	err := r.tx.Conn().PgConn().Exec(ctx, text).Close()
	if err == nil {
		return nil
	}
	return explain(err, path, text)
}

// refusal is a server's error shown by its message alone, its code and hint
// still to be found by errors.As.
type refusal struct {
	text string
	err  *pgconn.PgError
}

func (e *refusal) Error() string { return e.text }
func (e *refusal) Unwrap() error { return e.err }
