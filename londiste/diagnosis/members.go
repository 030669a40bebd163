package diagnosis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste/set"
)

// Member is one subscriber of a set with its provider, and the file that says so.
type Member struct {
	set.Pair
	File string
}

// Look looks at one pair: [Managed], or [Examine] with its options.
type Look = func(context.Context, *set.Pair) ([]doctor.Finding, error)

// Whole looks at all members of a set by look. What is found at the
// provider is told once. Findings elsewhere name the member's node, and
// what mends them its file. At the end stands what is wrong with the set as such.
func Whole(ctx context.Context, members []Member, look Look) ([]doctor.Finding, error) {
	var all []doctor.Finding
	type known struct {
		check, object string
		result        doctor.Result
	}
	told := map[known]bool{} // at the provider, by an earlier member
	for i, m := range members {
		found, err := look(ctx, &m.Pair)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.File, err)
		}
		own := map[known]bool{}
		for _, f := range found {
			if f.Side == "provider" {
				key := known{f.Check, f.Object, f.Result}
				if told[key] {
					continue
				}
				own[key] = true
			}
			if f.Side != "provider" || i > 0 {
				f.Node = m.Job // or the provider as this one's file has it
			}
			if f.Side == "provider" && strings.Contains(f.Mend, "INI subscriber ") {
				f.Mend += "; what is done at the subscriber, at each"
			}
			f.Mend = strings.ReplaceAll(f.Mend, "londiste INI ", "londiste "+hint.Shell(m.File)+" ")
			all = append(all, f)
		}
		maps.Copy(told, own)
	}
	found, err := membersCheck.Run(ctx, members)
	return append(all, found...), err
}

var membersCheck = doctor.Check[[]Member]{
	Name: "members", Sound: "each subscriber of the queue was looked at", Look: membersOf,
	Why: "what nobody looks at may hold up rotation, or take the place of another",
}

// membersOf compares the members with one another and with those whom the provider knows.
func membersOf(ctx context.Context, members []Member) ([]doctor.Finding, error) {
	first := open(ctx, "provider", members[0].Provider)
	defer first.close(ctx)
	if first.conn == nil {
		return nil, doctor.ErrLacking // told as connection
	}
	root, err := set.Identify(ctx, first.conn)
	if err != nil {
		return nil, err
	}
	files := map[string]string{members[0].Job: members[0].File}
	var found []doctor.Finding
	for _, m := range members[1:] {
		switch twin, there := files[m.Job]; {
		case there:
			found = append(found, doctor.Finding{
				Result: doctor.Failed, Object: m.Job, Text: fmt.Sprintf("%s and %s have the same job_name", twin, m.File),
				Mend: "give each subscriber a job_name of its own, or name each file once",
			})
		case m.Queue != members[0].Queue:
			found = append(found, stranger(m, members[0], "queue "+m.Queue+", not "+members[0].Queue))
		default:
			its := open(ctx, "provider", m.Provider)
			if its.conn != nil {
				id, err := set.Identify(ctx, its.conn)
				its.close(ctx)
				if err != nil {
					return found, err
				}
				if id.System != root.System || id.OID != root.OID {
					found = append(found, stranger(m, members[0], "another provider, database "+id.Database))
				}
			}
		}
		files[m.Job] = m.File
	}
	switch {
	case !first.installed && len(found) == 0:
		return nil, doctor.ErrLacking
	case !first.installed:
		return found, nil
	}
	others, err := othersOf(ctx, first, members[0].Queue, files)
	return append(found, others...), err
}

func stranger(m, first Member, what string) doctor.Finding {
	return doctor.Finding{
		Result: doctor.Failed, Object: m.Job, Text: fmt.Sprintf("%s is no member of the set of %s: it reads %s", m.File, first.File, what),
		Mend: "mend provider_db or pgq_queue_name in " + m.File + ", or look at it by itself: londiste " + hint.Shell(m.File) + " doctor",
	}
}

// othersOf are subscribers that the provider knows and nobody has looked at.
func othersOf(ctx context.Context, root *side, queue string, files map[string]string) ([]doctor.Finding, error) {
	return doctor.Query(ctx, root.conn, `
		select 'unknown', c.node_name,
			'subscriber ' || c.node_name || ' in database ' || c.database_name || ' was not looked at',
			'name its ini file, too: --with FILE.ini'
		from skytools.claim c
		where c.queue_name = $1 and not c.node_name = any($2::text[])
			and exists (select from pgq.get_consumer_info($1, c.consumer_name))
		order by c.node_name`, queue, slices.Collect(maps.Keys(files)))
}
