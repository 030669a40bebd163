package schema

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed all:pgq all:pgq_node all:pgq_coop all:pgq_ext all:londiste all:skytools
var tree embed.FS

// steps are the parts of an install that are no component's.
//
//go:embed install
var steps embed.FS

// components are the schemas in the order in which they are installed: each
// one's tables may refer to those before it.
var components = []string{"pgq", "pgq_node", "pgq_coop", "pgq_ext", "londiste", "skytools"}

// bookkeeping is the one structure file that is run before all others: it
// makes the tables in which the installer remembers what it did.
const bookkeeping = "skytools/tables/000_bookkeeping.sql"

// file is one SQL file of the tree.
type file struct {
	Path string // pgq/functions/ticker.sql
	Text string
	Sum  string // sha256 of Text, in hex
}

// bundle is everything to be installed, each list in the order of running.
type bundle struct {
	Components []string
	Tables     []file
	Functions  []file
	Grants     []file
}

func load(tree fs.FS) (bundle, error) {
	b := bundle{Components: components}
	first, err := readFile(tree, bookkeeping)
	if err != nil {
		return b, err
	}
	b.Tables = append(b.Tables, first)
	for _, component := range components {
		tables, err := readDir(tree, path.Join(component, "tables"))
		if err != nil {
			return b, err
		}
		for _, f := range tables {
			if f.Path != bookkeeping {
				b.Tables = append(b.Tables, f)
			}
		}
		functions, err := readDir(tree, path.Join(component, "functions"))
		if err != nil {
			return b, err
		}
		b.Functions = append(b.Functions, functions...)
		grants, err := readFile(tree, path.Join(component, "grants.sql"))
		if err != nil {
			return b, err
		}
		b.Grants = append(b.Grants, grants)
	}
	return b, nil
}

// readDir reads the *.sql files of one directory in name order; a directory
// that does not exist has none.
func readDir(tree fs.FS, dir string) ([]file, error) {
	names, err := fs.Glob(tree, dir+"/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	var files []file
	for _, name := range names {
		f, err := readFile(tree, name)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func readFile(tree fs.FS, name string) (file, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return file{}, fmt.Errorf("read schema file: %w", err)
	}
	sum := sha256.Sum256(text)
	return file{Path: name, Text: string(text), Sum: hex.EncodeToString(sum[:])}, nil
}

func (f file) component() string {
	name, _, _ := strings.Cut(f.Path, "/")
	return name
}

// grantsSum stands for everything the grants depend on inside the program.
func (b bundle) grantsSum() string {
	h := sha256.New()
	for _, list := range [][]file{b.Tables, b.Functions, b.Grants} {
		for _, f := range list {
			h.Write([]byte(f.Sum))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// without leaves out components.
func (b bundle) without(names []string) bundle {
	out := func(f file) bool { return slices.Contains(names, f.component()) }
	return bundle{
		Components: slices.DeleteFunc(slices.Clone(b.Components), func(c string) bool { return slices.Contains(names, c) }),
		Tables:     slices.DeleteFunc(slices.Clone(b.Tables), out),
		Functions:  slices.DeleteFunc(slices.Clone(b.Functions), out),
		Grants:     slices.DeleteFunc(slices.Clone(b.Grants), out),
	}
}
