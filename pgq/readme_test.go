package pgq_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/pgq"
)

// readme is the program that README shows, word for word.
func readme(ctx context.Context, dsn string, stop <-chan struct{}, bill func(pgq.Event)) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := pgq.Register(ctx, conn, "orders", "billing"); err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `insert into purchase values (17, 'umbrella')`); err != nil {
			return err
		}
		orders := &pgq.Producer{Queue: "orders"}
		_, err := orders.Insert(ctx, tx, pgq.Event{Type: "bought", Data: []byte(`{"id":17}`)})
		return err
	})
	if err != nil {
		return err
	}
	billing := &pgq.Consumer{Database: conn.Config(), Queue: "orders", Name: "billing", Stop: stop}
	return billing.Run(ctx, func(ctx context.Context, batch *pgq.Batch) error {
		for ev, err := range batch.Events(ctx) {
			if err != nil {
				return err
			}
			bill(ev)
		}
		return nil
	})
}

// TestReadme: the function that README shows does what it says.
func TestReadme(t *testing.T) {
	shop := openShop()
	defer shop.close()
	stop := make(chan struct{})
	var bills []string
	err := readme(t.Context(), shop.dsn, stop, func(ev pgq.Event) {
		bills = append(bills, fmt.Sprint(ev.Type, " ", string(ev.Data)))
		close(stop)
	})
	if err != nil || len(bills) != 1 || bills[0] != `bought {"id":17}` {
		t.Errorf("%q, %v", bills, err)
	}
}
