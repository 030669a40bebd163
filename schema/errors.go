package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// explain puts a server's error into words: its message, and for a file of
// ours where it stands.
func explain(err error, path, text string) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	if path == "" {
		return &refusal{pg.Message, pg}
	}
	where := path
	if line := lineAt(text, int(pg.Position)); line > 0 {
		where = fmt.Sprintf("%s:%d", path, line)
	}
	return &refusal{where + ": " + pg.Message, pg}
}

// lineAt is the line of the position-th character, both counted from 1; 0 if
// the server gave none.
func lineAt(text string, position int) int {
	runes := []rune(text)
	if position < 1 || position > len(runes) {
		return 0
	}
	return 1 + strings.Count(string(runes[:position-1]), "\n")
}
