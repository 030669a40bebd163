package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/relay"
)

// switches are what Skytools' queue programs do instead of their work.
type switches struct{ register, unregister, rewind, reset bool }

func (o *switches) add(cmd *cobra.Command, target bool) {
	cmd.Flags().BoolVar(&o.register, "register", false, "register the consumer and end")
	cmd.Flags().BoolVar(&o.unregister, "unregister", false, "unregister the consumer, forget its position and end")
	if target {
		cmd.Flags().BoolVar(&o.rewind, "rewind", false, "move the queue's consumer to the target's position and end")
		cmd.Flags().BoolVar(&o.reset, "reset", false, "forget the target's position and end: the next run begins where the queue stands")
	}
}

// any tells whether one was given; more than one is an error.
func (o *switches) any() (bool, error) {
	given := 0
	for _, on := range []bool{o.register, o.unregister, o.rewind, o.reset} {
		if on {
			given++
		}
	}
	if given > 1 {
		return false, cli.Usage(errors.New("--register, --unregister, --rewind and --reset exclude each other"))
	}
	return given == 1, nil
}

// do does what was switched on.
func (o *switches) do(ctx context.Context, set relaySettings, c *call) error {
	consumer := &pgq.Consumer{Database: set.source, Queue: set.queue, Name: set.consumer, PositionTable: set.positions}
	of := fmt.Sprintf("consumer %s of queue %s", set.consumer, set.queue)
	var target *relay.Target
	if set.target != nil {
		target = &relay.Target{Database: set.target, Key: "dst_db"}
		defer target.Close()
	}
	switch {
	case o.register:
		added, err := pgq.Register(ctx, c.conn, set.queue, set.consumer)
		return c.say(err, map[bool]string{true: "Registered: " + of, false: "Is registered already: " + of}[added])
	case o.unregister:
		found, err := pgq.Unregister(ctx, c.conn, set.queue, set.consumer)
		if err == nil && target != nil {
			_, err = consumer.Reset(ctx, target)
		}
		return c.say(err, map[bool]string{true: "Unregistered: " + of, false: "Was not registered: " + of}[found])
	case o.rewind:
		tick, err := consumer.Rewind(ctx, c.conn, target)
		if errors.Is(err, pgq.ErrNoPosition) {
			err = hint.With(err, "it has done nothing yet, or position_table is another one")
		}
		return c.say(err, fmt.Sprintf("Moved to tick %d: %s", tick, of))
	}
	found, err := consumer.Reset(ctx, target)
	return c.say(err, map[bool]string{true: "Position forgotten: " + of, false: "There was no position: " + of}[found])
}

func (c *call) say(err error, done string) error {
	if err == nil {
		c.log.Info(done)
	}
	return err
}

// once runs the switches without being a daemon: no pidfile, no waiting.
func (p *program) once(cmd *cobra.Command, set relaySettings, o *switches) error {
	log, err := p.OpenLog(set.section, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer log.Close()
	return cli.Interruptible(cmd.Context(), func(ctx context.Context) error {
		c := &call{log: log.Logger, out: cmd.OutOrStdout()}
		return c.over(ctx, set.source, "src_db", func(ctx context.Context, c *call) error {
			if err := pgq.CheckInstalled(ctx, c.conn); err != nil {
				return err
			}
			return o.do(ctx, set, c)
		})
	})
}
