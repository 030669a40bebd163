package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/ident"
)

// Column is one column of a [Table].
type Column struct {
	Title string // heading; a column without one is in JSON only
	Key   string // name in JSON
	Right bool   // aligned to the right, for numbers
}

// Table is rows under headings, printed aligned or as JSON.
type Table struct {
	Columns []Column
	rows    [][]any
}

// Cell is a value whose text is not what fmt makes of it.
type Cell struct {
	Text  string
	Value any // in JSON
}

// Add appends a row of one value per column. nil is "-" in text and null in
// JSON; a time.Duration is a number of seconds in JSON.
func (t *Table) Add(cells ...any) {
	if len(cells) != len(t.Columns) {
		panic(fmt.Sprintf("a row of %d cells in a table of %d columns", len(cells), len(t.Columns)))
	}
	t.rows = append(t.rows, cells)
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// WithJSON gives cmd, which prints tables by [App.Print], the flag --json.
func (a *App) WithJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return cmd
}

// JSON tells whether --json was given, for output that is no table.
func (a *App) JSON() bool { return a.json }

// Print writes the table aligned, or with --json as an array of objects.
func (a *App) Print(w io.Writer, t *Table) error {
	if a.json {
		return t.WriteJSON(w)
	}
	return t.WriteText(w)
}

// WriteText writes headings and rows, columns two blanks apart.
func (t *Table) WriteText(w io.Writer) error {
	var columns []Column
	lines := make([][]string, len(t.rows)+1)
	for i, c := range t.Columns {
		if c.Title == "" {
			continue
		}
		columns = append(columns, c)
		lines[0] = append(lines[0], c.Title)
		for n, r := range t.rows {
			lines[n+1] = append(lines[n+1], text(r[i]))
		}
	}
	width := make([]int, len(columns))
	for _, line := range lines {
		for i, s := range line {
			width[i] = max(width[i], utf8.RuneCountInString(s))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		var row strings.Builder
		for i, s := range line {
			gap := strings.Repeat(" ", width[i]-utf8.RuneCountInString(s))
			if i > 0 {
				row.WriteString("  ")
			}
			if columns[i].Right {
				row.WriteString(gap + s)
			} else {
				row.WriteString(s + gap)
			}
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text is a cell as printed: in one line, whatever a name contains.
func text(cell any) string {
	switch v := cell.(type) {
	case nil:
		return "-"
	case Cell:
		cell = v.Text
	}
	return ident.Visible(fmt.Sprint(cell))
}

// MarshalJSON is for a table inside another one.
func (t *Table) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := t.WriteJSON(&b)
	return b.Bytes(), err
}

// WriteJSON writes an array with one object a row, keys in column order.
func (t *Table) WriteJSON(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("[")
	for n, r := range t.rows {
		if n > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n  {")
		for i, cell := range r {
			if i > 0 {
				b.WriteString(", ")
			}
			if c, ok := cell.(Cell); ok {
				cell = c.Value
			}
			if d, ok := cell.(time.Duration); ok {
				cell = d.Seconds()
			}
			fmt.Fprintf(&b, "%q: ", t.Columns[i].Key)
			if err := encode(&b, cell); err != nil {
				return fmt.Errorf("column %s: %w", t.Columns[i].Key, err)
			}
		}
		b.WriteString("}")
	}
	if len(t.rows) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("]\n")
	_, err := w.Write(b.Bytes())
	return err
}

// encode appends a value as JSON, & < > as they stand.
func encode(b *bytes.Buffer, value any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	b.Truncate(len(bytes.TrimRight(b.Bytes(), "\n")))
	return err
}
