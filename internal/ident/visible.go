package ident

import (
	"strconv"
	"strings"
	"unicode"
)

// Visible is text for people in one line: a name may hold what a terminal
// would obey, and newlines.
func Visible(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
