package pgq_test

import (
	"context"
	"fmt"
	"os"
	"strings"
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

// TestReadme: README shows the function above, and that does what it says.
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

	page := string(must(os.ReadFile("../README.md")))
	_, shown, _ := strings.Cut(page, "```go\n")
	shown, _, _ = strings.Cut(shown, "```")
	var indented strings.Builder
	for line := range strings.Lines(shown) {
		indented.WriteString("\t" + line)
	}
	if own := string(must(os.ReadFile("readme_test.go"))); len(shown) < 100 || !strings.Contains(own, "error {\n"+indented.String()+"}\n") {
		t.Error("README shows another program than readme_test.go has")
	}
}
