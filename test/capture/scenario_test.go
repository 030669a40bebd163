package capture

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// options of skytools.capture_install.
type options map[string]any

// scenario is a case: what a file of cases/ says.
//
// Paragraphs are client messages. Comment lines that begin with --: direct:
//
//	--: breaks statement first_run     the case must diverge in this mode without this mend
//	--: capture entry {"key": "i"}     install capture on a table, instead of sending a message
//	--: error 23505                    the next message must fail with this SQLSTATE
//	--: as second                      another writer's connection ("admin" is a superuser's) sends the next message
//	--: needs 17                       the next message is for this server version and newer
type scenario struct {
	name     string
	messages []message
	breaks   map[string][]string
}

type message struct {
	line    int
	sql     string
	writer  string
	fails   string
	needs   int
	capture string
	options options
}

func parse(name, text string) (scenario, error) {
	c := scenario{name: name, breaks: map[string][]string{}}
	line := 1
	for _, paragraph := range strings.Split(text, "\n\n") {
		next := message{line: line, writer: "first"}
		var sql []string
		for l := range strings.Lines(paragraph + "\n") {
			directive, ok := strings.CutPrefix(strings.TrimSpace(l), "--:")
			if !ok {
				sql = append(sql, l)
				continue
			}
			if err := c.direct(&next, strings.TrimSpace(directive)); err != nil {
				return c, fmt.Errorf("%s, paragraph at line %d: %w", name, line, err)
			}
		}
		next.sql = strings.TrimSpace(strings.Join(sql, ""))
		line += strings.Count(paragraph, "\n") + 2
		if onlyComments(next.sql) && next.capture == "" {
			continue
		}
		c.messages = append(c.messages, next)
	}
	return c, nil
}

func onlyComments(sql string) bool {
	for l := range strings.Lines(sql) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "--") {
			return false
		}
	}
	return true
}

func (c *scenario) direct(m *message, directive string) error {
	word, rest, _ := strings.Cut(directive, " ")
	switch word {
	case "breaks":
		mode, mends, _ := strings.Cut(rest, " ")
		c.breaks[mode] = append(c.breaks[mode], strings.Fields(mends)...)
	case "capture":
		table, opt, found := strings.Cut(rest, " {")
		// Each captured table is a message of its own.
		if m.capture != "" {
			c.messages = append(c.messages, message{line: m.line, capture: m.capture, options: m.options, needs: m.needs})
			m.options = nil
		}
		m.capture = table
		if found {
			return json.Unmarshal([]byte("{"+opt), &m.options)
		}
	case "error":
		m.fails = rest
	case "as":
		m.writer = rest
	case "needs":
		n, err := strconv.Atoi(rest)
		m.needs = n
		return err
	default:
		return fmt.Errorf("unknown directive %q", directive)
	}
	return nil
}
