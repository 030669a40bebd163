package main

import (
	"context"
	"errors"
	"time"
)

// replica is a pair that a peer replicates, on servers of its own.
type replica struct {
	*pair
	peer
	bench *bench
	who   string
}

// withReplica makes a replica, in sync, runs fn and takes everything away.
// before, which may be nil, fills the provider before the table is attached.
func (b *bench) withReplica(ctx context.Context, who string, before, fn func(ctx context.Context, r *replica) error) (err error) {
	p, err := newPair(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.remove()) }()
	r := &replica{pair: p, peer: b.peer(who, p), bench: b, who: who}
	defer func() { err = errors.Join(err, r.stop(context.WithoutCancel(ctx))) }()
	if before != nil {
		if err := before(ctx, r); err != nil {
			return err
		}
	}
	if err := errors.Join(r.prepare(ctx), r.attach(ctx)); err != nil {
		return err
	}
	return fn(ctx, r)
}

func (r *replica) add(metric string, value float64) { r.bench.add(r.who, metric, value) }

// usage is the time that something took, and the CPU of all who took part.
type usage struct {
	wall                          time.Duration
	provider, subscriber, daemons time.Duration
}

func (u usage) cpu() time.Duration { return u.provider + u.subscriber + u.daemons }

// measure takes the usage of fn. Daemons that start meanwhile count from
// their beginning.
func (r *replica) measure(fn func() error) (usage, error) {
	before := map[int]time.Duration{}
	for _, pid := range r.daemons() {
		before[pid] = cpuOf(pid)
	}
	u := usage{provider: -cpuOf(r.provider.PID()), subscriber: -cpuOf(r.subscriber.PID())}
	start := time.Now()
	if err := fn(); err != nil {
		return usage{}, err
	}
	u.wall = time.Since(start)
	u.provider += cpuOf(r.provider.PID())
	u.subscriber += cpuOf(r.subscriber.PID())
	for _, pid := range r.daemons() {
		u.daemons += cpuOf(pid) - before[pid]
	}
	return u, nil
}

// addMemory notes the daemons' high-water mark; peers without daemons have
// none.
func (r *replica) addMemory(metric string) error {
	pids := r.daemons()
	if len(pids) == 0 {
		return nil
	}
	mib, err := highWater(pids...)
	r.add(metric, mib)
	return err
}

// settle writes out what is in memory, and waits for a quiet machine.
func (r *replica) settle(ctx context.Context) error {
	for _, s := range r.both() {
		if err := s.exec(ctx, "vacuum analyze ev", "checkpoint"); err != nil {
			return err
		}
	}
	return r.bench.awaitQuiet(ctx)
}
