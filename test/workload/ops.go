package workload

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
)

// Kind is one sort of change. Do makes it inside a transaction of the writer.
type Kind struct {
	Name   string
	Weight int
	Do     func(ctx context.Context, tx pgx.Tx, r *rand.Rand) error
}

// exec makes a kind's function of one statement and a source of arguments.
func exec(sql string, args func(r *rand.Rand) []any) func(context.Context, pgx.Tx, *rand.Rand) error {
	return func(ctx context.Context, tx pgx.Tx, r *rand.Rand) error {
		_, err := tx.Exec(ctx, sql, args(r)...)
		return err
	}
}

func key(r *rand.Rand) int     { return r.IntN(200) }
func text(r *rand.Rand) string { return fmt.Sprintf("w%03d", r.IntN(300)) }

// Kinds are all sorts of change, a differential run makes each many times.
var Kinds = []Kind{
	{"insert", 10, exec(`insert into account (id, owner) values ($1, $2) on conflict do nothing`,
		func(r *rand.Rand) []any { return []any{key(r), text(r)} })},
	{"insert many", 6, exec(`insert into entry (account_id, amount, doc)
		select id, $1, jsonb_build_object('n', id, 'null', null, 'text', owner) from account order by id limit $2`,
		func(r *rand.Rand) []any { return []any{r.IntN(1000), 1 + r.IntN(8)} })},
	{"update one", 12, exec(`update account set balance = balance + $2 where id = $1`,
		func(r *rand.Rand) []any { return []any{key(r), r.IntN(100)} })},
	{"update many", 4, exec(`update entry set amount = amount + 1, doc = nullif(doc, '{}') where account_id between $1 and $1 + 9`,
		func(r *rand.Rand) []any { return []any{key(r)} })},
	{"transfer", 8, transfer},
	{"append", 12, exec(`insert into counter values ($1, 1, array[$2::int])
		on conflict (id) do update set n = counter.n + 1, log = counter.log || excluded.log`,
		func(r *rand.Rand) []any { return []any{r.IntN(20), r.IntN(1 << 30)} })},
	// Deletes more than the others insert: all content is hashed at many ticks,
	// so the tables stay small.
	{"delete", 5, exec(`delete from entry where id in (
		select id from entry where (account_id = $1 or account_id is null) and id % 8 = $2 order by id limit 30)`,
		func(r *rand.Rand) []any { return []any{key(r), r.IntN(8)} })},
	{"delete cascade", 2, exec(`delete from account where id = $1`, func(r *rand.Rand) []any { return []any{key(r)} })},
	{"key change", 4, exec(`update account set id = $2 where id = $1 and not exists (select from account where id = $2)`,
		func(r *rand.Rand) []any { return []any{key(r), key(r)} })},
	{"key change composite", 3, exec(`update cell set x = x + 1000, y = $1 where x < 1000 and y = $1 and not exists (
		select from cell c where c.x = cell.x + 1000 and c.y = $1)`, func(r *rand.Rand) []any { return []any{r.IntN(12)} })},
	{"key swap", 3, keySwap},
	{"unique swap", 5, exec(`update seat s set place = o.place from seat o
		where (s.id, o.id) in (($1::int, $2::int), ($2::int, $1::int))`, func(r *rand.Rand) []any { return []any{r.IntN(40), r.IntN(40)} })},
	{"seat", 5, exec(`insert into seat values ($1, $1 + 100, $2) on conflict (id) do update set label = excluded.label`,
		func(r *rand.Rand) []any { return []any{r.IntN(40), text(r)} })},
	{"unseat", 1, exec(`delete from seat where id = $1`, func(r *rand.Rand) []any { return []any{r.IntN(40)} })},
	{"upsert", 8, exec(`insert into word values ($1, 1, array[$1, null, '', 'a,b "q"'])
		on conflict (word) do update set n = word.n + 1, tags = excluded.tags || word.tags[:3]`,
		func(r *rand.Rand) []any { return []any{text(r)} })},
	{"upsert key change", 2, exec(`insert into word values ($1, 0, null) on conflict (word) do update set word = $2`,
		func(r *rand.Rand) []any { return []any{text(r), text(r) + "x"} })},
	{"returning function", 3, exec(`insert into word values ($1, 5, '{}') on conflict (word) do update set n = 5 returning touch_word(word)`,
		func(r *rand.Rand) []any { return []any{text(r)} })},
	{"delete and insert", 3, exec(`with d as (delete from word where word in ($1, $2) returning *)
		insert into word select word, n + 1, tags from d limit 1`, func(r *rand.Rand) []any { return []any{text(r), text(r)} })},
	{"merge", 3, exec(`merge into cell t using (select $1::int x, y, $2::text v from generate_series(1, 6) y) s on t.x = s.x and t.y = s.y
		when matched and t.y % 3 = 0 then delete
		when matched then update set v = s.v, w = make_interval(days => s.y)
		when not matched then insert values (s.x, s.y, s.v, '1 mon 3 days -00:00:05.5')`,
		func(r *rand.Rand) []any { return []any{r.IntN(60), text(r)} })},
	{"savepoint", 4, savepoint},
	{"copy", 2, copyIn},
	{"truncate", 1, exec(`truncate cell`, func(*rand.Rand) []any { return nil })},
	{"truncate and refill", 1, truncateRefill},
}

func transfer(ctx context.Context, tx pgx.Tx, r *rand.Rand) error {
	a, b, sum := key(r), key(r), r.IntN(50)
	_, err := tx.Exec(ctx, `update account set balance = balance - $2 where id = $1 and exists (select from account where id = $3)`, a, sum, b)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update account set balance = balance + $2 where id = $1`, b, sum)
	return err
}

// keySwap exchanges two keys by way of a third that nobody uses.
func keySwap(ctx context.Context, tx pgx.Tx, r *rand.Rand) error {
	a, b := text(r), text(r)
	hop := fmt.Sprintf("hop%d", r.Int64())
	for _, step := range [][2]string{{a, hop}, {b, a}, {hop, b}} {
		if _, err := tx.Exec(ctx, `update word set word = $2 where word = $1 and not exists (select from word where word = $2)`,
			step[0], step[1]); err != nil {
			return err
		}
	}
	return nil
}

// savepoint rolls back the middle of three changes of one row.
func savepoint(ctx context.Context, tx pgx.Tx, r *rand.Rand) error {
	id := r.IntN(20)
	add := func(tx pgx.Tx, n int) error {
		_, err := tx.Exec(ctx, `update counter set n = n + $2, log = log || $2::int where id = $1`, id, n)
		return err
	}
	if err := add(tx, 1); err != nil {
		return err
	}
	sub, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	if err := add(sub, 1_000_000); err != nil {
		return err
	}
	if err := sub.Rollback(ctx); err != nil {
		return err
	}
	return add(tx, 2)
}

func copyIn(ctx context.Context, tx pgx.Tx, r *rand.Rand) error {
	rows := make([][]any, 1+r.IntN(30))
	for i := range rows {
		rows[i] = []any{r.IntN(1000), fmt.Sprint("copied\t\\N ", i)}
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"entry"}, []string{"amount", "doc"}, pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		return []any{rows[i][0], map[string]any{"copied": rows[i][1]}}, nil
	}))
	return err
}

// truncateRefill empties a table amid other changes of it in one transaction.
func truncateRefill(ctx context.Context, tx pgx.Tx, r *rand.Rand) error {
	for _, sql := range []string{
		`insert into cell values (5000, 1, 'lost') on conflict do nothing`,
		`truncate cell`,
		`insert into cell select g, g % 7, 'kept' from generate_series(1, 20) g`,
		`update cell set v = 'seen' where y = 3`,
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
