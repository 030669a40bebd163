package schema

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// wrongDefinition is SQLSTATE 42P13: among others, a function that is to be
// replaced has another result type or other argument names.
const wrongDefinition = "42P13"

// routine is what the database remembers of one function file.
type routine struct {
	Sum        string
	Signatures []string
	Whole      bool // all of them exist
}

// functions runs the files whose text changed or whose functions are gone and
// drops what no file makes any more.
func (r *run) functions(ctx context.Context) error {
	known, err := r.routines(ctx)
	if err != nil {
		return err
	}
	var changed []file
	old := maps.Clone(known) // files that are gone remain in it
	for _, f := range r.files.Functions {
		delete(old, f.Path)
		if have, ok := known[f.Path]; !ok || have.Sum != f.Sum || !have.Whole {
			changed = append(changed, f)
		}
	}
	paths := slices.Sorted(maps.Keys(old))
	for _, f := range changed {
		paths = append(paths, f.Path)
	}
	if len(paths) == 0 {
		return nil
	}
	if err := r.mayChange(); err != nil {
		return err
	}
	if err := r.exec(ctx, "", forgetSQL(paths)); err != nil {
		return err
	}
	for _, f := range changed {
		if err := r.replace(ctx, f, known[f.Path].Signatures); err != nil {
			return err
		}
		r.report.Replaced = append(r.report.Replaced, f.Path)
	}
	if err := r.vanished(ctx); err != nil {
		return err
	}
	return r.exec(ctx, "", dropVanishedSQL)
}

func (r *run) routines(ctx context.Context) (map[string]routine, error) {
	rows, err := r.tx.Query(ctx, `select r.file, r.sum, r.signatures,
		coalesce((select bool_and(to_regprocedure(s) is not null) from unnest(r.signatures) s), true)
		from skytools.routine r`)
	if err != nil {
		return nil, err
	}
	known := map[string]routine{}
	var path string
	var one routine
	_, err = pgx.ForEachRow(rows, []any{&path, &one.Sum, &one.Signatures, &one.Whole}, func() error {
		known[path] = one
		one = routine{}
		return nil
	})
	return known, err
}

// replace runs one file. A function whose result changed cannot be replaced in
// place: then the file's functions are dropped first and made anew.
func (r *run) replace(ctx context.Context, f file, signatures []string) error {
	if err := r.exec(ctx, "", "savepoint replace_file"); err != nil {
		return err
	}
	err := r.exec(ctx, f.Path, f.Text)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == wrongDefinition && len(signatures) > 0 {
		text := "rollback to savepoint replace_file;\n"
		for _, signature := range signatures {
			text += "drop routine if exists " + signature + ";\n"
		}
		if err := r.exec(ctx, "", text); err != nil {
			return err
		}
		err = r.exec(ctx, f.Path, f.Text)
	}
	if err != nil {
		return err
	}
	return r.exec(ctx, "", "release savepoint replace_file;\n"+recordSQL(f))
}

func (r *run) vanished(ctx context.Context) error {
	return r.tx.QueryRow(ctx, `select coalesce(array_agg(s order by s), '{}') from (
		select unnest(current_setting('skytools.replaced_routines')::text[])
		except select unnest(signatures) from skytools.routine) x (s)`).Scan(&r.report.Dropped)
}
