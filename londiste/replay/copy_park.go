package replay

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// isParked reads whether the copier's table is parked. While it is, there is
// nothing to do for it. Before its first event is applied again, foreign keys
// that would act go: until the table has caught up it shows another time than
// its neighbours.
func (c *copier) isParked(ctx context.Context, t *set.Table) error {
	var err error
	if t.Parked, err = set.ReadParked(ctx, c.sub, c.Queue, c.name); err != nil {
		return err
	}
	c.parked = t.Parked
	if t.Aside() {
		return errCopyEnds
	}
	if t.Parked == nil || !c.noReplica || c.free {
		return nil
	}
	if err := c.dropFkeys(ctx, t.Dest); err != nil {
		return err
	}
	c.free = true
	return nil
}

// parkAgain returns a table, whose retry has failed with cause, to where it
// was, with the new error; false if there was none, or it may pass.
func (c *copier) parkAgain(ctx context.Context, cause error) (bool, error) {
	bad, ok := errors.AsType[*apply.Error](cause)
	if c.parked == nil || !ok || !bad.Lasting() {
		return false, nil
	}
	err := endRetry(c.write(ctx), func(tx pgx.Tx) error {
		here, known, err := set.PositionOf(ctx, tx, c.Queue, c.consumer)
		if err != nil {
			return err
		}
		t, found, err := set.OneTable(ctx, tx, c.Queue, c.name)
		if err != nil {
			return err
		}
		if !known || !found {
			return set.ErrMoved
		}
		if t.State.Phase == set.DoSync {
			if err := c.move(ctx, tx, t.State, set.State{Phase: set.CatchingUp}); err != nil {
				return err
			}
		} else if t.State.Phase != set.CatchingUp {
			return set.ErrMoved
		}
		p := &set.ParkedTable{Tick: int64(here), Error: bad.Error(), Event: bad.Event, Key: bad.Key, Statement: bad.Statement}
		return p.Park(ctx, tx, c.Queue, c.name, c.consumer)
	})
	if errors.Is(err, set.ErrMoved) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.Logger().Error("Table parked again", "table", c.name.String(), "event", bad.Event, "key", bad.Key, "error", bad,
		"hint", "mend the cause, then: londiste INI subscriber retry "+hint.Shell(c.name.String()))
	c.changed()
	return true, nil
}

// lostPlace sees to a table whose consumer, or its tick, is gone from the
// provider. One that was parked is not copied anew without being asked for.
func (c *copier) lostPlace(ctx context.Context, t *set.Table, here pgq.TickID, known bool) error {
	if c.parked == nil {
		c.Logger().Warn("The provider has lost the copy's place: copying anew", "table", c.name.String())
		return c.change(ctx, t.State, set.State{}, nil)
	}
	gone := "the subscriber does not know any more where they begin"
	if known {
		var err error
		if gone, err = lostHold(holdAt(ctx, c.prov, c.Pair, c.name, c.me, c.fence.Epoch, here)); err != nil || gone == "" {
			return err
		}
	}
	err := giveUp(ctx, c.Pair, t, set.Copier, gone, c.write(ctx))
	if err == nil {
		c.changed()
	}
	if errors.Is(err, set.ErrMoved) {
		return nil
	}
	return err
}
