package main

import (
	"context"
	"fmt"
)

var memoryLines = []line{
	{"large transaction", "rows/s", nil, nil},
	{"memory of the ticker, most", "MiB", &bound{64, false, false}, &bound{64, false, false}},
	{"memory of the worker, most", "MiB", &bound{64, false, false}, &bound{64, false, false}},
}

// memory has one large transaction pass the daemons.
func (b *bench) memory(ctx context.Context) error {
	return b.rounds(ctx, []string{ours}, func(ctx context.Context, who string) error {
		return b.withReplica(ctx, who, nil, func(ctx context.Context, r *replica) error {
			u, err := r.measure(func() error {
				err := r.provider.exec(ctx, fmt.Sprintf("insert into ev select %s from generate_series(1, %d) g", rowOf, b.memoryRows))
				if err != nil {
					return err
				}
				return r.arrived(ctx, int64(b.memoryRows))
			})
			if err != nil {
				return err
			}
			r.add("large transaction", float64(b.memoryRows)/u.wall.Seconds())
			for i, daemon := range []string{"ticker", "worker"} {
				mib, err := highWater(r.daemons()[i])
				if err != nil {
					return err
				}
				r.add("memory of the "+daemon+", most", mib)
			}
			return r.equal(ctx)
		})
	})
}
