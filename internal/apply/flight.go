package apply

import "context"

// The applier has two sets: while the server is at work on one, events are
// taken into the other.

// flight is a flush under way.
type flight struct {
	set    *set
	landed chan struct{}
	putOff bool
	err    error
}

// mostGrace is how many times its limits a set may pass, when a foreign key
// wants a row whose event is still to come.
const mostGrace = 8

func (a *Applier) full() bool {
	return len(a.set.rows) >= a.grace*a.opt.MaxRows || a.set.bytes() >= a.grace*a.opt.MaxBytes
}

// turn sends the set, which is full, on its way and goes on with the other.
func (a *Applier) turn(ctx context.Context) error {
	if err := a.land(ctx); err != nil {
		return err
	}
	if !a.full() { // it has become part of a set that may be larger
		return nil
	}
	why := whenFull
	if a.grace >= mostGrace {
		why = whenAsked
	}
	f := &flight{set: a.set, landed: make(chan struct{})}
	a.flight, a.set, a.spare = f, a.spare, nil
	go func() {
		defer close(f.landed)
		f.putOff, f.err = a.flusher.flush(ctx, f.set, why)
	}()
	return nil
}

// land waits for the flush under way. The events of one that was put off are
// joined by those taken meanwhile.
func (a *Applier) land(ctx context.Context) error {
	f := a.flight
	if f == nil {
		return nil
	}
	<-f.landed
	a.flight, a.spare = nil, f.set
	switch {
	case f.err != nil:
		f.set.reset(2 * a.opt.MaxBytes)
		return f.err
	case !f.putOff:
		a.grace = 1
		return nil
	case !f.set.takes(a.set):
		a.grace = 1
		_, err := a.flusher.flush(ctx, f.set, whenAsked)
		return err
	}
	f.set.absorb(a.set, 2*a.opt.MaxBytes)
	a.set, a.spare = f.set, a.set
	a.grace *= 2
	return nil
}

// flush empties the set.
func (a *Applier) flush(ctx context.Context) error {
	if err := a.land(ctx); err != nil {
		return err
	}
	a.grace = 1
	_, err := a.flusher.flush(ctx, a.set, whenAsked)
	return err
}
