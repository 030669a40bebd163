package diagnosis

import (
	"context"
	"fmt"
	"slices"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
)

// The checks of tables and sequences that are more than a statement.

func keysOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	if !v.side.installed {
		return v.queryTables(ctx, v.conn, nothingCapturedSQL+keysSQL)
	}
	return v.queryTables(ctx, v.conn, capturedSQL+keysSQL, v.Queue)
}

// bypassOf looks for settings and subscriptions also where no table is known.
func bypassOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	schemas, rels := v.tables()
	return doctor.Query(ctx, v.conn, wantedSQL+bypassSQL, schemas, rels)
}

// captureOf finds what programs of other makes have registered.
func captureOf(_ context.Context, v view) (found []doctor.Finding, err error) {
	if v.status == nil || v.status.Events == nil {
		return nil, doctor.ErrLacking
	}
	for _, t := range v.status.Tables {
		if t.Provider && t.Capture == "" {
			found = append(found, doctor.Finding{
				Result: doctor.Failed, Object: t.Name, Text: "it is registered, and not captured",
				Mend: "londiste INI provider add " + hint.Shell(t.Name),
			})
		}
	}
	return found, nil
}

// triggersOf tries what the worker will try.
func triggersOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	replica, err := set.MayBeReplica(ctx, v.conn)
	if err != nil {
		return nil, err
	}
	return v.queryTables(ctx, v.conn, triggersSQL, replica)
}

// structureOf tells each difference that keeps rows from being replicated; the
// others are a number.
func structureOf(ctx context.Context, v view) (found []doctor.Finding, err error) {
	if v.status == nil || !v.status.Provider.Installed || !v.status.Subscriber.Installed {
		return nil, doctor.ErrLacking
	}
	if v.status.Provider.Type != "root" || v.status.Subscriber.Type == "root" || v.status.Subscriber.Node != v.Job {
		return nil, doctor.ErrLacking // nor would a command compare them
	}
	names := slices.DeleteFunc(slices.Clone(v.names), func(n ident.Name) bool { return slices.Contains(v.apart, n) })
	list, err := (&londiste.Subscriber{Pair: *v.Pair}).Differences(ctx, names)
	if err != nil {
		return nil, err
	}
	others := 0
	for _, d := range list {
		switch {
		case !d.Breaks:
			others++
		default:
			mend := "londiste INI subscriber check " + hint.Shell(d.Table.String()) + " --sql prints what mends it"
			if len(d.SQL) == 0 && d.Hint != "" {
				mend = d.Hint
			}
			found = append(found, doctor.Finding{Result: doctor.Failed, Object: d.Table.String(), Text: d.Text, Mend: mend})
		}
	}
	if others > 0 {
		found = append(found, doctor.Finding{
			Result: doctor.Warning, Text: fmt.Sprintf("%d differences that keep no row from being replicated", others),
			Mend: "londiste INI subscriber check names them",
		})
	}
	return found, nil
}

// sequencesOf looks at the provider's sequences for their end, at the
// subscriber's for whether they can be where the provider's are.
func sequencesOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	if v.status == nil {
		return nil, doctor.ErrLacking
	}
	var schemas, rels []string
	var values []int64
	for _, s := range v.status.Sequences {
		n, err := ident.Parse(s.Name)
		if err != nil {
			return nil, err
		}
		if s.Provider != nil {
			schemas, rels, values = append(schemas, n.Schema), append(rels, n.Name), append(values, *s.Provider)
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	found, err := doctor.Query(ctx, v.provider.conn, sourceSequencesSQL, schemas, rels)
	if err != nil {
		return nil, err
	}
	more, err := doctor.Query(ctx, v.subscriber.conn, targetSequencesSQL, schemas, rels, values)
	return append(found, more...), err
}

// leaseOf knows a worker whose session stands, and which has nothing to say.
func leaseOf(ctx context.Context, v view) ([]doctor.Finding, error) {
	who, silent, err := (set.Fence{Queue: v.Queue, Consumer: v.ConsumerName()}).Holder(ctx, v.conn)
	if err != nil || !silent || v.status == nil || v.status.Worker == nil || !v.status.Worker.Running {
		return nil, err
	}
	return []doctor.Finding{{
		Result: doctor.Failed, Text: who + " has the lease, and has given no sign of life for more than a minute",
		Mend: "on that machine: londiste INI replay -k, then replay -d; another worker that waits takes the lease by itself",
	}}, nil
}

// inSync tells whether all of those tables that are replicated here are in sync.
func inSync(st *londiste.Status, names ...string) bool {
	return !slices.ContainsFunc(st.Tables, func(t londiste.TableStatus) bool {
		return t.Here && slices.Contains(names, t.Name) && t.State != set.PhaseNames[set.OK]
	})
}

func foreignKeysOf(_ context.Context, v view) (found []doctor.Finding, err error) {
	if v.status == nil {
		return nil, doctor.ErrLacking
	}
	for _, f := range v.status.Fkeys {
		if inSync(v.status, f.From.String(), f.To.String()) {
			found = append(found, doctor.Finding{
				Result: doctor.Warning, Object: f.From.String(),
				Text: fmt.Sprintf("foreign key %s to %s is not back, and both tables are in sync", ident.Quote(f.Name), f.To),
				Mend: "replay tries again, and its log names what is in the way; at the subscriber: " + f.Def,
			})
		}
	}
	return found, nil
}

func droppedOf(_ context.Context, v view) (found []doctor.Finding, err error) {
	if v.status == nil {
		return nil, doctor.ErrLacking
	}
	for _, t := range v.status.Tables {
		if t.Here && t.Waiting > 0 && inSync(v.status, t.Name) {
			found = append(found, doctor.Finding{
				Result: doctor.Warning, Object: t.Name, Text: fmt.Sprintf("it is in sync, and of its indexes and constraints are not back: %d", t.Waiting),
				Mend: "start replay, which makes them, and see its log for what is in the way",
			})
		}
	}
	return found, nil
}
