package screen

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/skytools-go/skytools/internal/ident"
)

// Tone is what a piece of text means to its reader.
type Tone int

// The tones.
const (
	Plain  Tone = iota
	Strong      // a name, a heading
	Faint       // beside the point
	Good        // as it should be
	Busy        // under way
	Warn        // wants a look
	Bad         // wants doing
)

var styles = [...]lipgloss.Style{
	Plain:  lipgloss.NewStyle(),
	Strong: lipgloss.NewStyle().Bold(true),
	Faint:  lipgloss.NewStyle().Faint(true),
	Good:   lipgloss.NewStyle().Foreground(lipgloss.Green),
	Busy:   lipgloss.NewStyle().Foreground(lipgloss.Cyan),
	Warn:   lipgloss.NewStyle().Foreground(lipgloss.Yellow),
	Bad:    lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true),
}

// Say is text in a tone, in one line and harmless.
func Say(tone Tone, format string, args ...any) string {
	text := ident.Visible(fmt.Sprintf(format, args...))
	if tone == Plain || text == "" {
		return text
	}
	return styles[tone].Render(text)
}

// Join puts pieces in one line, a dot between any two that are not empty.
func Join(pieces ...string) string {
	var some []string
	for _, p := range pieces {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, Say(Faint, " · "))
}

// Bar is a bar of that many cells, a fraction of them full.
func Bar(fraction float64, cells int) string {
	full := min(max(int(fraction*float64(cells)), 0), cells)
	return Say(Busy, "%s", strings.Repeat("█", full)) + Say(Faint, "%s", strings.Repeat("░", cells-full))
}
