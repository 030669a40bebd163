package schema

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/skytools-go/skytools/internal/hint"
)

// extensionMark begins each file of [WriteExtension], so that it overwrites
// nobody else's.
const extensionMark = "Written by pgqadm print-extension"

// parts are the extensions that upstream has beside pgq. What they would make
// is in ours: its schemas need each other. A script that creates them goes on
// working, and finds what it wants or fails.
var parts = []struct{ name, comment string }{
	{"pgq_node", "Nodes of cascaded queues (in extension pgq)"},
	{"pgq_coop", "Cooperative consumers (in extension pgq)"},
	{"pgq_ext", "What a consumer has done, kept in its target (in extension pgq)"},
	{"londiste", "Registered tables of replication (in extension pgq)"},
}

// WriteExtension writes the control and SQL files of the schemas as an
// extension for `create extension pgq`, into a folder where a server looks for
// extensions and which is made if missing. It returns the files' names. The extension has no C code and
// needs no superuser: whoever may create schemas in a database may create it
// there, and owns it. It is what [Install] makes, bookkeeping included, and
// refuses a database where [Install] was before.
func WriteExtension(dir string) ([]string, error) {
	b, err := load(tree)
	if err != nil {
		return nil, err
	}
	version, err := b.version("pgq")
	if err != nil {
		return nil, err
	}
	script, err := extensionScript(b)
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		"pgq.control":                       control("Transactional queues with batch consumers, and replication of tables", version, ""),
		fmt.Sprintf("pgq--%s.sql", version): script,
	}
	names := []string{"pgq.control", fmt.Sprintf("pgq--%s.sql", version)}
	for older := 1; older < Number; older++ {
		name := fmt.Sprintf("pgq--3.5.%d--%s.sql", older, version)
		files[name] = extensionUpdate(b)
		names = append(names, name)
	}
	for _, part := range parts {
		version, err := b.version(part.name)
		if err != nil {
			return nil, err
		}
		script := fmt.Sprintf("%s--%s.sql", part.name, version)
		files[part.name+".control"] = control(part.comment, version, "requires = 'pgq'\n")
		files[script] = scriptHead(part.name) + fmt.Sprintf("select %s.version();\n", part.name)
		names = append(names, part.name+".control", script)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("write extension: %w", err)
	}
	for _, name := range names {
		if err := free(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(files[name]), 0o644); err != nil {
			return nil, fmt.Errorf("write extension: %w", err)
		}
	}
	return names, nil
}

// free tells whether a file may be written: it is not there, or ours.
func free(path string) error {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write extension: %w", err)
	}
	if first, _, _ := strings.Cut(string(text), "\n"); !strings.Contains(first, extensionMark) {
		return hint.With(fmt.Errorf("%s is of another extension", path),
			"remove its package first, or give another folder: PostgreSQL 18 has the setting extension_control_path")
	}
	return nil
}

// version is what a component's function version() answers.
func (b bundle) version(component string) (string, error) {
	answer := regexp.MustCompile(`select '([0-9.]+)'`)
	for _, f := range b.Functions {
		if m := answer.FindStringSubmatch(f.Text); f.Path == component+"/functions/version.sql" && m != nil {
			return m[1], nil
		}
	}
	return "", fmt.Errorf("%s/functions/version.sql names no version", component)
}

func control(comment, version, more string) string {
	return fmt.Sprintf(`# %s
comment = '%s'
default_version = '%s'
encoding = 'UTF8'
relocatable = false
schema = 'pg_catalog'
superuser = false
trusted = true
%s`, extensionMark, comment, version, more)
}

func scriptHead(name string) string {
	return fmt.Sprintf("-- %s\n\\echo Use \"CREATE EXTENSION %s\" to load this file. \\quit\n", extensionMark, name)
}

// extensionScript is the script of `create extension pgq`.
func extensionScript(b bundle) (string, error) {
	var out strings.Builder
	out.WriteString(scriptHead("pgq") + sessionSQL(false))
	for _, name := range []string{"install/extension.sql", "install/roles.sql"} {
		step, err := readFile(steps, name)
		if err != nil {
			return "", err
		}
		out.WriteString("\n" + step.Text)
	}
	for _, component := range b.Components {
		fmt.Fprintf(&out, "create schema %s;\n", component)
	}
	out.WriteString(b.structure() + b.definitions() + b.rights() + configDumpSQL)
	return out.String(), nil
}

// extensionUpdate is the script of `alter extension pgq update` from any
// version: it passes over structure that is there.
func extensionUpdate(b bundle) string {
	return scriptHead("pgq") + sessionSQL(false) + b.structure() + b.replacement() + b.rights() + configDumpSQL
}

// configDumpSQL has pg_dump save the rows of all tables and the values of all
// sequences; but what the installer remembers comes with the script.
const configDumpSQL = `
do $config$
declare
    member oid;
begin
    for member in
        select c.oid from pg_class c join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid
        where d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
            and d.refobjid = (select oid from pg_extension where extname = 'pgq')
            and c.relkind in ('r', 'S')
            and c.oid not in ('skytools.installation'::regclass, 'skytools.migration'::regclass, 'skytools.routine'::regclass)
        order by c.oid
    loop
        perform pg_extension_config_dump(member, '');
    end loop;
end
$config$;
`
