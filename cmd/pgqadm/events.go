package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/daemon"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/relay"
)

func (p *program) eventsCommand() *cobra.Command {
	var consumer string
	var follow bool
	last := 10
	cmd := &cobra.Command{
		Use: "events QUEUE", Short: "Print the last events, or a consumer's", Args: cobra.ExactArgs(1),
		Long: "Prints the last events of a queue and, with --follow, those that come. Nothing is changed.\n" +
			"With --consumer it is that consumer, which must be registered: it prints what waits for it, batch by\n" +
			"batch, and ends each after stdout took it. Who dies in between gets the batch again; with --json each\n" +
			"object begins with a key by which the receiver tells.\n" +
			"SIGINT and SIGTERM end it, SIGINT after the current batch.",
	}
	cmd.Flags().StringVar(&consumer, "consumer", "", "read as this consumer, which moves on")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the events that come")
	countFlag(cmd.Flags(), &last, "last", "n", "how many of the last events to print, without --consumer")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, signals, release := daemon.Listen(cmd.Context())
		defer release()
		cmd.SetContext(ctx)
		err := p.command(func(ctx context.Context, c *call) error {
			q, err := findQueue(ctx, c)
			if err != nil {
				return err
			}
			write, err := p.lineOf(ctx, c)
			if err != nil {
				return err
			}
			if consumer != "" {
				return p.consume(ctx, c, q, consumer, follow, write, signals.Stop)
			}
			return c.tail(ctx, q, last, follow, write, signals.Stop)
		})(cmd, args)
		if ctx.Err() != nil {
			return nil // that is how it ends
		}
		return err
	}
	return p.WithJSON(cmd)
}

// lineOf is how an event is printed.
func (p *program) lineOf(ctx context.Context, c *call) (func([]byte, pgq.Event) ([]byte, error), error) {
	if p.JSON() {
		keys, err := relay.ReadKeys(ctx, c.conn, c.args[0])
		return func(b []byte, ev pgq.Event) ([]byte, error) { return relay.AppendJSON(b, keys, ev) }, err
	}
	return func(b []byte, ev pgq.Event) ([]byte, error) {
		line := fmt.Sprintf("%d  %s  %s  %s", ev.ID, clock(ev.Time).Text, ev.Type, ev.Data)
		for _, extra := range [][]byte{ev.Extra1, ev.Extra2, ev.Extra3, ev.Extra4} {
			if extra != nil {
				line += "  " + string(extra)
			}
		}
		return append(b, ident.Visible(line)...), nil
	}, nil
}

// consume prints as a consumer: all that waits for it now, or for ever.
func (p *program) consume(ctx context.Context, c *call, q pgq.Queue, name string, follow bool,
	format func([]byte, pgq.Event) ([]byte, error), interrupted <-chan struct{},
) error {
	if err := findConsumer(q, name); err != nil {
		return err
	}
	if err := notMember(ctx, c, q.Name, name); err != nil {
		return err
	}
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop) })
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-interrupted:
			end()
		case <-ctx.Done():
		}
	})
	lines := &relay.Lines{W: c.out, Format: format}
	if !follow {
		for _, s := range q.Consumers {
			if s.Name == name && s.Batch == 0 && s.LastTick >= q.LastTick {
				return nil
			}
		}
		lines.Done = func(b *pgq.Batch) {
			if b.Cur.ID >= q.LastTick {
				end()
			}
		}
	}
	consumer := &pgq.Consumer{Database: c.conn.Config(), Queue: q.Name, Name: name, Log: c.log, Stop: stop}
	return consumer.Run(ctx, lines.Handle)
}

// notMember refuses a member of a cooperative consumer, which has no position
// of its own: it shares sub_id with the main one, whose name its own begins with.
func notMember(ctx context.Context, c *call, queue, name string) error {
	var main string
	err := c.conn.QueryRow(ctx, `select mc.co_name
		from pgq.queue q
			join pgq.subscription s on s.sub_queue = q.queue_id
			join pgq.consumer c on c.co_id = s.sub_consumer
			join pgq.subscription m on m.sub_queue = s.sub_queue and m.sub_id = s.sub_id and m.sub_consumer <> s.sub_consumer
			join pgq.consumer mc on mc.co_id = m.sub_consumer
		where q.queue_name = $1 and c.co_name = $2 and starts_with(c.co_name, mc.co_name || '.')
		order by length(mc.co_name) limit 1`, queue, name).Scan(&main)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return hint.With(fmt.Errorf("%s is a member of the cooperative consumer %s", name, main),
		"--consumer reads as a consumer by itself; without it events are printed and nobody moves on")
}

// tail prints without being a consumer.
func (c *call) tail(ctx context.Context, q pgq.Queue, last int, follow bool,
	format func([]byte, pgq.Event) ([]byte, error), interrupted <-chan struct{},
) error {
	show := func(ev pgq.Event) error {
		line, err := format(nil, ev)
		if err == nil {
			_, err = c.out.Write(append(line, '\n'))
		}
		return err
	}
	tail := pgq.NewTail(c.conn, q.Name)
	events, err := tail.Last(ctx, last)
	for _, ev := range events {
		if err = show(ev); err != nil {
			return err
		}
	}
	if err == nil && q.NewEvents > 0 && q.TickerLag > q.MaxLag+time.Second {
		c.log.Warn(fmt.Sprintf("%s without a tick; the last one is %s old", noun.Count(q.NewEvents, "event"), q.TickerLag.Round(time.Second)))
	}
	if err != nil || !follow {
		return err
	}
	f := &following{call: c, tail: tail, show: show}
	defer f.close()
	l := loop.Loop{
		Stop: interrupted, MaxBackoff: 5 * time.Second,
		OnError: func(err error, _ time.Duration) { c.log.Warn("events wait: " + err.Error()) },
	}
	return l.Run(ctx, f.step)
}

// following is a tail that goes on over a new connection when the old is lost.
type following struct {
	*call
	tail *pgq.Tail
	show func(pgq.Event) error
	own  *pgx.Conn // the connection that listens
}

func (f *following) close() {
	if f.own != nil {
		closeConn(f.own)
	}
}

func (f *following) step(ctx context.Context) (more bool, err error) {
	if f.own == nil || f.own.IsClosed() {
		conn, err := connect(ctx, f.conn.Config(), "the ini file")
		if err != nil {
			return false, err
		}
		f.own, f.tail = conn, f.tail.Over(conn)
		if err := f.tail.Listen(ctx); err != nil {
			return false, err
		}
	}
	some := false
	for ev, err := range f.tail.More(ctx) {
		switch {
		case errors.Is(err, pgq.ErrMissed):
			f.log.Warn("events may have been missed: the queue went on without this reader")
			return true, nil
		case errors.Is(err, pgq.ErrQueueNotFound):
			return false, loop.Permanent(err)
		case err != nil:
			return false, err
		}
		some = true
		if err := f.show(ev); err != nil {
			return false, loop.Permanent(err)
		}
	}
	if some {
		return true, nil
	}
	return true, f.tail.Wait(ctx, time.Second)
}
