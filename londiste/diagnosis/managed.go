package diagnosis

import (
	"context"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/londiste/set"
)

// Managed tells of both sides what their servers let the roles do. A side that
// does not answer is a finding.
func Managed(ctx context.Context, p *set.Pair) ([]doctor.Finding, error) {
	x := &exam{Pair: p, provider: open(ctx, "provider", p.Provider), subscriber: open(ctx, "subscriber", p.Subscriber)}
	defer x.close(ctx)
	features := check{doctor.Check[view]{
		Name: "managed",
		Look: func(ctx context.Context, v view) ([]doctor.Finding, error) { return doctor.Managed(ctx, v.conn) },
	}, each, reached, false}
	all := append(x.run(ctx, checks[0]), x.run(ctx, features)...)
	return all, ctx.Err()
}
