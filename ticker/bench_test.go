package ticker

import (
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// BenchmarkLook is one look of the ticker at a database where nothing happens.
func BenchmarkLook(b *testing.B) {
	dsn := database(b)
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	t := &Ticker{Database: pgtest.Config(b, dsn), conn: conn, queues: map[int32]*ticking{}, Log: slog.New(slog.DiscardHandler)}
	defer t.disconnect()
	for b.Loop() {
		if _, err := t.round(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
