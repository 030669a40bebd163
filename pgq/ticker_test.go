package pgq_test

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

func init() {
	pgq.RunTicker = func(ctx context.Context, db *pgx.ConnConfig) error {
		return (&ticker.Ticker{Database: db}).Run(ctx)
	}
}
