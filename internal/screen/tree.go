package screen

import (
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/tree"
	"github.com/charmbracelet/x/ansi"
)

// Node is a line of a tree and what hangs below it. Its text is made of
// pieces by [Say], and broken into more lines where it is too long.
type Node struct {
	text string
	row  []string
	kids []*Node
}

// Root returns the top of a tree.
func Root(text string) *Node { return &Node{text: text} }

// Add hangs a line below n and returns it.
func (n *Node) Add(text string) *Node {
	kid := &Node{text: text}
	n.kids = append(n.kids, kid)
	return kid
}

// AddRow hangs a line of cells below n, which stand in columns with those of
// its other rows. Where the terminal is too narrow the last columns go first,
// so they stand in the order of their worth.
func (n *Node) AddRow(cells ...string) *Node {
	kid := n.Add("")
	kid.row = cells
	return kid
}

const (
	step      = 3  // columns a level is indented by
	nameCells = 18 // of a row's first cell, at the least
)

// Lines draws the tree.
func (n *Node) Lines(width int) []string {
	t := n.draw(width)
	t.Enumerator(func(kids tree.Children, i int) string {
		if i == kids.Length()-1 {
			return "└─ "
		}
		return "├─ "
	})
	t.Indenter(func(kids tree.Children, i int) string {
		if i == kids.Length()-1 {
			return "   "
		}
		return "│  "
	})
	t.EnumeratorStyle(styles[Faint]).IndenterStyle(styles[Faint])
	lines := strings.Split(t.String(), "\n")
	for i, l := range lines {
		lines[i] = ansi.Truncate(strings.TrimRight(l, " "), width, "…")
	}
	return lines
}

// draw hands the tree to the library; width is what is left at n's depth.
func (n *Node) draw(width int) *tree.Tree {
	t := tree.Root(wrap(n.text, width))
	widths := columns(n.kids, width-step)
	for _, kid := range n.kids {
		if kid.row != nil {
			kid.text = kid.aligned(widths)
		}
		if len(kid.kids) == 0 {
			t.Child(wrap(kid.text, width-step))
		} else {
			t.Child(kid.draw(width - step))
		}
	}
	return t
}

// wrap breaks a text into lines; a word that is longer than a line, such as a
// path, is broken too.
func wrap(text string, width int) string {
	return lipgloss.Wrap(text, max(width, nameCells), " ")
}

// columns are the widths of the columns that fit.
func columns(rows []*Node, width int) []int {
	var widths []int
	for _, r := range rows {
		for i, cell := range r.row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], lipgloss.Width(cell))
		}
	}
	for len(widths) > 1 {
		rest := width
		for _, w := range widths[1:] {
			rest -= taken(w)
		}
		if rest >= min(widths[0], nameCells) {
			widths[0] = min(widths[0], rest)
			return widths
		}
		widths = widths[:len(widths)-1]
	}
	if len(widths) == 1 {
		widths[0] = min(widths[0], max(width, nameCells))
	}
	return widths
}

// taken is what a column costs with its gap; an empty one costs nothing.
func taken(width int) int {
	const gap = 2
	if width == 0 {
		return 0
	}
	return width + gap
}

func (n *Node) aligned(widths []int) string {
	var b strings.Builder
	for i, w := range widths {
		if i >= len(n.row) {
			break
		}
		cell := ansi.Truncate(n.row[i], w, "…")
		b.WriteString(cell + strings.Repeat(" ", taken(w)-lipgloss.Width(cell)))
	}
	return strings.TrimRight(b.String(), " ")
}
