package pgq_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/skytools-go/skytools/pgq"
)

// A producer writes an event with the row that it is about; a consumer gets it
// when that transaction has committed.
func Example() {
	shop := openShop() // a database with a queue "orders" and a ticker
	defer shop.close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)
	must(pgq.Register(ctx, conn, "orders", "billing"))

	orders := &pgq.Producer{Queue: "orders"}
	tx := must(conn.Begin(ctx))
	must(tx.Exec(ctx, `insert into purchase values (17, 'umbrella')`))
	must(orders.Insert(ctx, tx, pgq.Event{Type: "bought", Data: []byte(`{"id":17}`)}))
	if err := tx.Commit(ctx); err != nil {
		panic(err)
	}

	billing := &pgq.Consumer{Database: must(pgx.ParseConfig(shop.dsn)), Queue: "orders", Name: "billing"}
	err := billing.Run(ctx, func(ctx context.Context, batch *pgq.Batch) error {
		for ev, err := range batch.Events(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(ev.ID, ev.Type, string(ev.Data))
			stop() // one is enough here
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// 1 bought {"id":17}
	// <nil>
}

// An event goes the way of its transaction: what is rolled back was never
// there. Its id is used up.
func ExampleProducer_Insert() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)

	orders := &pgq.Producer{Queue: "orders"}
	for _, item := range []string{"umbrella", "", "boots"} {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			id, err := orders.Insert(ctx, tx, pgq.Event{Type: "bought", Data: []byte(item)})
			if err != nil {
				return err
			}
			if item == "" {
				return errors.New("nothing was bought")
			}
			fmt.Println("event", id)
			return nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	_, err := (&pgq.Producer{Queue: "oders"}).Insert(ctx, conn, pgq.Event{})
	fmt.Println(errors.Is(err, pgq.ErrQueueNotFound))
	// Output:
	// event 1
	// nothing was bought
	// event 3
	// true
}

// A thousand events by one statement cost the server a small part of what they
// cost one after another.
func ExampleProducer_InsertMany() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)

	events := make([]pgq.Event, 1000)
	for i := range events {
		events[i] = pgq.Event{Type: "counted", Data: fmt.Append(nil, i)}
	}
	ids := must((&pgq.Producer{Queue: "orders"}).InsertMany(ctx, conn, events))
	fmt.Println(len(ids), ids[0], ids[999])
	// Output: 1000 1 1000
}

// Where the events come from elsewhere and are too many to hold.
func ExampleProducer_InsertSeq() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)

	tx := must(conn.Begin(ctx))
	n := must((&pgq.Producer{Queue: "orders"}).InsertSeq(ctx, tx, func(yield func(pgq.Event) bool) {
		for i := range 12_345 {
			if !yield(pgq.Event{Type: "read", Data: fmt.Append(nil, i)}) {
				return
			}
		}
	}))
	fmt.Println(n, tx.Commit(ctx))
	// Output: 12345 <nil>
}

type requestKey struct{}

// The trace context of the producer's request comes out at the consumer's side.
// Which library makes sense of it is the program's business.
func ExampleProducer_trace() {
	shop := openShop()
	defer shop.close()
	ctx := context.WithValue(context.Background(), requestKey{}, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)
	must(pgq.Register(ctx, conn, "orders", "billing"))

	orders := &pgq.Producer{
		Queue: "orders",
		Trace: func(ctx context.Context) string { s, _ := ctx.Value(requestKey{}).(string); return s },
	}
	must(orders.Insert(ctx, conn, pgq.Event{Type: "bought"}))

	stop := make(chan struct{})
	billing := &pgq.Consumer{
		Database: must(pgx.ParseConfig(shop.dsn)), Queue: "orders", Name: "billing", Stop: stop,
		Trace: func(ctx context.Context, carrier string) context.Context {
			return context.WithValue(ctx, requestKey{}, carrier)
		},
	}
	_ = billing.Run(context.Background(), func(ctx context.Context, batch *pgq.Batch) error {
		for ev, err := range batch.Events(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(batch.Context(ctx, ev).Value(requestKey{}))
			close(stop)
		}
		return nil
	})
	// Output: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
}

// A closed Stop ends Run after the batch in hand: a program closes it when it is
// asked to leave. An error has the batch delivered again.
func ExampleConsumer_Run() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)

	stop, tries := make(chan struct{}), 0
	billing := &pgq.Consumer{
		Database: must(pgx.ParseConfig(shop.dsn)), Queue: "orders", Name: "billing", Stop: stop,
	}
	handle := func(ctx context.Context, batch *pgq.Batch) error {
		for ev, err := range batch.Events(ctx) {
			if err != nil {
				return err
			}
			if tries++; tries == 1 {
				fmt.Println("the printer is out of paper")
				return errors.New("no paper")
			}
			fmt.Println("bill for", string(ev.Data))
			close(stop)
		}
		return nil
	}
	err := billing.Run(ctx, handle)
	fmt.Println(errors.Is(err, pgq.ErrConsumerNotFound))

	billing.Register = true
	done := make(chan error)
	go func() { done <- billing.Run(ctx, handle) }()
	for len(must(pgq.Consumers(ctx, conn))) == 0 { // it gets what is written from now on
		time.Sleep(10 * time.Millisecond) // between two looks
	}
	must((&pgq.Producer{Queue: "orders"}).Insert(ctx, conn, pgq.Event{Type: "bought", Data: []byte("umbrella")}))
	fmt.Println(<-done)
	// Output:
	// true
	// the printer is out of paper
	// bill for umbrella
	// <nil>
}

// What cannot be done now is asked for again, by itself; the rest of the batch
// is done.
func ExampleBatch_Retry() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)
	must(pgq.Register(ctx, conn, "orders", "billing"))
	must((&pgq.Producer{Queue: "orders"}).InsertMany(ctx, conn, []pgq.Event{
		{Data: []byte("umbrella")}, {Data: []byte("boots")}, {Data: []byte("coat")},
	}))

	stop := make(chan struct{})
	billing := &pgq.Consumer{Database: must(pgx.ParseConfig(shop.dsn)), Queue: "orders", Name: "billing", Stop: stop}
	_ = billing.Run(ctx, func(ctx context.Context, batch *pgq.Batch) error {
		for ev, err := range batch.Events(ctx) {
			if err != nil {
				return err
			}
			if string(ev.Data) == "boots" && ev.Retry == 0 {
				batch.Retry(ev, 50*time.Millisecond)
				fmt.Println("boots have no price yet")
				continue
			}
			fmt.Println("bill for", string(ev.Data), "at try", ev.Retry+1)
			if ev.Retry > 0 {
				close(stop)
			}
		}
		return nil
	})
	// Output:
	// bill for umbrella at try 1
	// boots have no price yet
	// bill for coat at try 1
	// bill for boots at try 2
}

// What can never be done is put aside, with the reason, and can be looked at and
// sent again when that is mended.
func ExampleBatch_Dead() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)
	must(pgq.Register(ctx, conn, "orders", "billing"))
	must((&pgq.Producer{Queue: "orders"}).InsertMany(ctx, conn, []pgq.Event{
		{Type: "bought", Data: []byte("umbrella")}, {Type: "bougth", Data: []byte("boots")},
	}))

	stop := make(chan struct{})
	billing := &pgq.Consumer{Database: must(pgx.ParseConfig(shop.dsn)), Queue: "orders", Name: "billing", Stop: stop}
	_ = billing.Run(ctx, func(ctx context.Context, batch *pgq.Batch) error {
		for ev, err := range batch.Events(ctx) {
			if err != nil {
				return err
			}
			if ev.Type != "bought" {
				batch.Dead(ev, "unknown type "+ev.Type)
				close(stop)
			}
		}
		return nil
	})
	for _, dead := range must(pgq.DeadEvents(ctx, conn, "orders", "billing", 10)) {
		fmt.Println(dead.Reason)
	}
	fmt.Println(must(pgq.ReplayDead(ctx, conn, "orders", "billing", nil)), "comes again")
	// Output:
	// unknown type bougth
	// 1 comes again
}

// Invoices and the position in the queue are written by one transaction, in
// another database if need be: however often the process dies, each purchase
// has one invoice.
func ExampleConsumer_RunTx() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	target := must(pgxpool.New(ctx, shop.dsn))
	defer target.Close()
	must(pgq.Register(ctx, target, "orders", "billing"))
	must((&pgq.Producer{Queue: "orders"}).InsertMany(ctx, target, []pgq.Event{{Data: []byte("17")}, {Data: []byte("18")}}))

	stop, deaths := make(chan struct{}), 0
	billing := &pgq.Consumer{Database: must(pgx.ParseConfig(shop.dsn)), Queue: "orders", Name: "billing", Stop: stop}
	err := billing.RunTx(ctx, target, func(ctx context.Context, tx pgx.Tx, batch *pgq.Batch) error {
		for ev, err := range batch.Events(ctx) {
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `insert into invoice (purchase) values ($1::text::int)`, string(ev.Data)); err != nil {
				return err
			}
			if string(ev.Data) == "17" && deaths == 0 {
				deaths++
				return errors.New("as good as dead: the first invoice is rolled back with the position")
			}
			if string(ev.Data) == "18" {
				close(stop)
			}
		}
		return nil
	})
	var invoices int
	if err := target.QueryRow(ctx, `select count(*) from invoice`).Scan(&invoices); err != nil {
		panic(err)
	}
	fmt.Println(invoices, "invoices", err)
	// Output: 2 invoices <nil>
}

// Three members of one consumer share its batches.
func ExampleConsumer_member() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)
	must(pgq.Register(ctx, conn, "orders", "billing"))

	stop, printed := make(chan struct{}), make(chan string)
	members := make(chan error)
	for _, name := range []string{"anna", "berta", "carla"} {
		member := &pgq.Consumer{
			Database: must(pgx.ParseConfig(shop.dsn)), Queue: "orders", Name: "billing", Stop: stop,
			Member: name, DeadAfter: time.Minute,
		}
		go func() {
			members <- member.Run(ctx, func(ctx context.Context, batch *pgq.Batch) error {
				for ev, err := range batch.Events(ctx) {
					if err != nil {
						return err
					}
					printed <- string(ev.Data)
				}
				return nil
			})
		}()
	}
	orders, bills := &pgq.Producer{Queue: "orders"}, map[string]int{}
	for i := range 100 {
		must(orders.Insert(ctx, conn, pgq.Event{Data: fmt.Append(nil, i)}))
	}
	for range 100 {
		bills[<-printed]++
	}
	close(stop)
	fmt.Println(len(bills), "bills", <-members, <-members, <-members)
	// Output: 100 bills <nil> <nil> <nil>
}

// Queues and consumers are made, configured and looked at over any connection.
func ExampleCreateQueue() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, shop.dsn))
	defer conn.Close(ctx)

	fmt.Println("made:", must(pgq.CreateQueue(ctx, conn, "mails")), must(pgq.CreateQueue(ctx, conn, "mails")))
	fmt.Println("registered:", must(pgq.Register(ctx, conn, "mails", "postman")))
	if err := pgq.SetConfig(ctx, conn, "mails", []pgq.Setting{{Name: "rotation_period", Value: "30 minutes"}}); err != nil {
		panic(err)
	}
	q := must(pgq.ReadQueue(ctx, conn, "mails"))
	fmt.Println(q.Name, q.RotationPeriod)
	for _, c := range must(pgq.Consumers(ctx, conn)) {
		fmt.Println(c.Queue, c.Name, c.PendingEvents)
	}
	err := pgq.DropQueue(ctx, conn, "mails")
	fmt.Println(errors.Is(err, pgq.ErrConsumersAttached))
	must(pgq.Unregister(ctx, conn, "mails", "postman"))
	fmt.Println(pgq.DropQueue(ctx, conn, "mails"))
	// Output:
	// made: true false
	// registered: true
	// mails 30m0s
	// mails postman 0
	// true
	// <nil>
}
