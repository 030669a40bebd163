package router

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
)

// Token says after which transaction a read wants to be. Its text is short
// enough for a cookie, of letters, digits and dots; it is no secret, and one
// that somebody made up sends a read to the root at worst.
type Token struct {
	tx  pgq.TxID
	run run
}

// run is a database of a server from one start to the next: what a
// transaction's id means something in.
type run struct {
	started  int64 // microseconds since 1970
	database uint32
}

func runOf(started time.Time, database uint32) run { return run{started.UnixMicro(), database} }

// TokenOf is the token of the transaction tx, which is at the root and has
// written or is about to. Use it once tx is committed.
func TokenOf(ctx context.Context, tx pgx.Tx) (Token, error) {
	var (
		id      string
		started time.Time
		oid     int64
	)
	// In the application's session, so every name says where it is from.
	err := tx.QueryRow(ctx, `
		select pg_catalog.pg_current_xact_id()::pg_catalog.text, pg_catalog.pg_postmaster_start_time(), d.oid::pg_catalog.int8
		from pg_catalog.pg_database d
		where d.datname operator(pg_catalog.=) pg_catalog.current_database()`).Scan(&id, &started, &oid)
	if err != nil {
		return Token{}, fmt.Errorf("token of the transaction: %w", err)
	}
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return Token{}, fmt.Errorf("token of the transaction: %w", err)
	}
	return Token{pgq.TxID(n), runOf(started, uint32(oid))}, nil
}

// String is the token's text, "" of the zero token.
func (t Token) String() string {
	if t == (Token{}) {
		return ""
	}
	return strconv.FormatUint(uint64(t.tx), 36) + "." + strconv.FormatInt(t.run.started, 36) + "." +
		strconv.FormatUint(uint64(t.run.database), 36)
}

// ParseToken reads what String wrote.
func ParseToken(text string) (Token, error) {
	if text == "" {
		return Token{}, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) == 3 {
		tx, err1 := strconv.ParseUint(parts[0], 36, 64)
		started, err2 := strconv.ParseInt(parts[1], 36, 64)
		oid, err3 := strconv.ParseUint(parts[2], 36, 32)
		if err1 == nil && err2 == nil && err3 == nil {
			return Token{pgq.TxID(tx), run{started, uint32(oid)}}, nil
		}
	}
	return Token{}, hint.With(fmt.Errorf("%.60q is no token", text), "it is the text of what TokenOf gave, whole; read at the root instead")
}

// MarshalText is [Token.String] as bytes.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is [ParseToken].
func (t *Token) UnmarshalText(text []byte) (err error) {
	*t, err = ParseToken(string(text))
	return err
}
