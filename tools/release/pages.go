package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
)

// page is a man page and the reference of docs that it is made of.
type page struct {
	title   string // londiste, londiste.ini
	section int
	short   string
	from    string // below docs
	related string
}

var commandPages = []page{
	{"londiste", 1, "replicate tables between PostgreSQL databases", "commands-londiste.md", "londiste.ini(5), pgqadm(1)"},
	{"pgqadm", 1, "set up and run queues in a PostgreSQL database", "commands-pgqadm.md", "pgqadm.ini(5), pgqd.ini(5), londiste(1)"},
}

// pagesOf lists the man pages; each reference of keys is one in section 5.
func pagesOf(root string) ([]page, error) {
	keys, err := filepath.Glob(filepath.Join(root, "docs", "config-*.md"))
	if err != nil || len(keys) == 0 {
		return nil, fmt.Errorf("no docs/config-*.md: %w", err)
	}
	pages := slices.Clone(commandPages)
	for _, path := range keys {
		file := filepath.Base(path)
		name := strings.TrimSuffix(strings.TrimPrefix(file, "config-"), ".md")
		program := "pgqadm(1)"
		if name == "londiste" {
			program = "londiste(1)"
		}
		pages = append(pages, page{name + ".ini", 5, "keys of section [" + name + "] of an ini file", file, program})
	}
	return pages, nil
}

// writePages writes the pages as they are, and compressed as packages want
// them.
func (r *release) writePages(context.Context) error {
	pages, err := pagesOf(r.root)
	if err != nil {
		return err
	}
	for _, p := range pages {
		text, err := os.ReadFile(filepath.Join(r.root, "docs", p.from))
		if err != nil {
			return err
		}
		man, err := p.render(string(text), r.version, r.date)
		if err != nil {
			return err
		}
		path := filepath.Join(r.stage, "man", fmt.Sprintf("man%d", p.section), fmt.Sprintf("%s.%d", p.title, p.section))
		if err := writeFile(path, man); err != nil {
			return err
		}
		if err := writeFile(path+".gz", compressed(man)); err != nil {
			return err
		}
	}
	return nil
}

func compressed(data []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a good one
	_, _ = z.Write(data)                                  // into memory: cannot fail
	_ = z.Close()
	return b.Bytes()
}

// render turns a reference into a man page: its tables become lists of terms,
// and its headings stand under man's own.
func (p page) render(reference, version string, date time.Time) ([]byte, error) {
	_, body, found := strings.Cut(reference, "\n\n")
	_, body, told := strings.Cut(body, "\n\n") // "Written by a test …"
	if !found || !told {
		return nil, fmt.Errorf("docs/%s does not begin with a heading and a paragraph", p.from)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%% %q %q %q %q %q\n", strings.ToUpper(p.title), fmt.Sprint(p.section), date.Format("2006-01-02"), "Skytools "+version, "Skytools for Go")
	fmt.Fprintf(&b, "# NAME\n%s - %s\n\n", p.title, p.short)
	if p.section == 1 {
		synopsis, rest, _ := strings.Cut(body, "\n\n")
		common, commands, ok := strings.Cut(rest, "\n\n## `")
		if !ok {
			return nil, fmt.Errorf("docs/%s has no commands", p.from)
		}
		common = strings.Replace(common, "## Common flags", "# COMMON FLAGS", 1)
		fmt.Fprintf(&b, "# SYNOPSIS\n%s\n\n%s\n\n# COMMANDS\n\n## `%s", synopsis, terms(common), terms(commands))
		b.WriteString("\n\n# EXIT STATUS\n0 done, 1 failed, 2 wrong usage or a mistake in the ini file; a command that has others says so.\n\n# FILES\n\n/etc/skytools/\\*.ini\n:   what the units of systemd read\n")
	} else {
		b.WriteString("# DESCRIPTION\nAn ini file as Python's ConfigParser reads it: `%(key)s` stands for another key's value.\n\n# KEYS\n\n")
		b.WriteString(terms(strings.ReplaceAll(body, "\n## ", "\n# ")))
	}
	fmt.Fprintf(&b, "\n\n# SEE ALSO\n%s\n", p.related)
	return md2man.Render([]byte(b.String())), nil
}

var cell = regexp.MustCompile(`(^|[^\\])\|`)

// terms turns each table into a list of its first column's words; a second
// column of three is the default.
func terms(markdown string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(markdown, "\n") {
		if !strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "|-") {
			b.WriteString(line + "\n")
			continue
		}
		columns := strings.Split(cell.ReplaceAllString(strings.Trim(line, "| "), "$1\x00"), "\x00")
		for i, c := range columns {
			columns[i] = strings.TrimSpace(strings.ReplaceAll(c, `\|`, "|"))
		}
		if strings.HasPrefix(line, "|-") || !strings.Contains(columns[0], "`") {
			continue // the head of a table
		}
		meaning := columns[len(columns)-1]
		if len(columns) == 3 && columns[1] != "" {
			meaning += " (default " + columns[1] + ")"
		}
		if meaning == "" {
			meaning = "nothing"
		}
		fmt.Fprintf(&b, "%s\n:   %s\n\n", columns[0], meaning)
	}
	return b.String()
}
