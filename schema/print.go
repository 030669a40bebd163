package schema

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Print writes the whole install as SQL for psql. Like [Install] it refuses
// what must not be touched, skips structure that is there and may be run
// again; it differs in that it replaces every function, changed or not. Run it
// with `psql -v ON_ERROR_STOP=1`; a function whose result type differs between
// two versions can be replaced by [Install] only.
func Print(w io.Writer) error {
	files, err := load(tree)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "-- Schemas %s, version %d.\n", strings.Join(components, ", "), Number)
	fmt.Fprintf(out, "begin transaction isolation level read committed read write;\n%s%s", sessionSQL(false), lockSQL)
	for _, name := range []string{"install/guard.sql", "install/roles.sql", "install/owner.sql"} {
		step, err := readFile(steps, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s", step.Text)
	}
	for _, component := range components {
		fmt.Fprint(out, schemaSQL(component))
	}
	fmt.Fprintf(out, "%s%s%scommit;\n", files.structure(), files.replacement(), files.rights())
	if err := out.Flush(); err != nil {
		return fmt.Errorf("print schema: %w", err)
	}
	return nil
}

// structure runs the structure files that were not applied yet.
func (b bundle) structure() string {
	var out strings.Builder
	for _, f := range b.Tables {
		fmt.Fprintf(&out, "\n-- %s\n%s", f.Path, migrationSQL(f, nil))
	}
	return out.String()
}

// replacement replaces every function and drops those that are gone.
func (b bundle) replacement() string {
	return "\n" + forgetSQL(nil) + b.definitions() + "\n" + dropVanishedSQL
}

// definitions makes every function and notes it.
func (b bundle) definitions() string {
	var out strings.Builder
	for _, f := range b.Functions {
		fmt.Fprintf(&out, "\n-- %s\n%s%s", f.Path, f.Text, recordSQL(f))
	}
	return out.String()
}

// rights runs the grants and notes that all is done.
func (b bundle) rights() string {
	var out strings.Builder
	for _, f := range b.Grants {
		fmt.Fprintf(&out, "\n-- %s\n%s", f.Path, f.Text)
	}
	fmt.Fprintf(&out, "\n%s", finishSQL(b.grantsSum()))
	return out.String()
}
