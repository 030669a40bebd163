package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/transfer"
	"github.com/skytools-go/skytools/londiste/set"
)

// ledger is what the subscriber's database knows of a copy in chunks. Its
// head is a row of skytools.copy_table that each chunk's transaction holds for
// key share and a new attempt for update: no chunk of an attempt before is
// committed after the new one has read which are missing.
type ledger struct {
	attempt int
	shape   string
	lines   []line
}

// line is a row of skytools.copy_chunk.
type line struct {
	transfer.Chunk
	attempt     int // that brought it; 0: missing
	rows, bytes int64
}

func newLines(chunks []transfer.Chunk) []line {
	lines := make([]line, len(chunks))
	for i, c := range chunks {
		lines[i].Chunk = c
	}
	return lines
}

func (l *ledger) missing() []transfer.Chunk {
	var chunks []transfer.Chunk
	for _, n := range l.lines {
		if n.attempt == 0 {
			chunks = append(chunks, n.Chunk)
		}
	}
	return chunks
}

// begun tells whether some chunk has been brought.
func (l *ledger) begun() bool { return len(l.missing()) < len(l.lines) }

func (l *ledger) sums() (rows, bytes int64) {
	for _, n := range l.lines {
		rows, bytes = rows+n.rows, bytes+n.bytes
	}
	return rows, bytes
}

// writeLedger runs fn, which begins an attempt or a chunk.
func (c *copier) writeLedger(ctx context.Context, conn *pgx.Conn, fn func(tx pgx.Tx) error) error {
	return c.fence.Write(ctx, conn, failpoint.CopyLedger, fn)
}

// read reads the ledger, having waited for the chunks under way.
func (l *ledger) read(ctx context.Context, tx pgx.Tx, p *set.Pair, name ident.Name) error {
	err := tx.QueryRow(ctx, `select attempt, coalesce(shape, '') from skytools.copy_table
		where queue_name = $1 and table_name = $2 for update`, p.Queue, name.String()).Scan(&l.attempt, &l.shape)
	if errors.Is(err, pgx.ErrNoRows) { // a copy begun by an older program
		_, err = tx.Exec(ctx, `insert into skytools.copy_table (queue_name, table_name) values ($1, $2)`,
			p.Queue, name.String())
	}
	if err != nil {
		return fmt.Errorf("ledger of the copy: %w", err)
	}
	rows, err := tx.Query(ctx, `
		select first_page, coalesce(end_page, 0), coalesce(attempt, 0), rows_copied, bytes_copied
		from skytools.copy_chunk where queue_name = $1 and table_name = $2 order by first_page`, p.Queue, name.String())
	if err != nil {
		return fmt.Errorf("ledger of the copy: %w", err)
	}
	l.lines, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (line, error) {
		var n line
		err := row.Scan(&n.First, &n.End, &n.attempt, &n.rows, &n.bytes)
		return n, err
	})
	return err
}

// reset writes the lines anew, all missing.
func (l *ledger) reset(ctx context.Context, tx pgx.Tx, p *set.Pair, name ident.Name) error {
	first, end := make([]int64, len(l.lines)), make([]int64, len(l.lines))
	for i, n := range l.lines {
		first[i], end[i] = n.First, n.End
	}
	b := &pgx.Batch{}
	b.Queue(`update skytools.copy_table k set chunks_voided = chunks_voided + (
			select coalesce(sum(begun), 0) from skytools.copy_chunk c where (c.queue_name, c.table_name) = (k.queue_name, k.table_name))
		where queue_name = $1 and table_name = $2`, p.Queue, name.String())
	b.Queue(`delete from skytools.copy_chunk where queue_name = $1 and table_name = $2`, p.Queue, name.String())
	b.Queue(`insert into skytools.copy_chunk (queue_name, table_name, first_page, end_page)
		select $1, $2, c.first, nullif(c.last, 0) from unnest($3::bigint[], $4::bigint[]) c (first, last)`,
		p.Queue, name.String(), first, end)
	return tx.SendBatch(ctx, b).Close()
}

// next writes down that an attempt begins, and what it reads.
func (l *ledger) next(ctx context.Context, tx pgx.Tx, p *set.Pair, name ident.Name, size transfer.Storage) error {
	l.attempt++
	_, err := tx.Exec(ctx, `
		update skytools.copy_table set attempt = $3, shape = $4, rows_expected = nullif($5, -1), bytes_expected = $6
		where queue_name = $1 and table_name = $2`,
		p.Queue, name.String(), l.attempt, l.shape, size.Rows, size.Bytes)
	return err
}

// keep makes sure that the attempt is the last one and keeps it so until tx
// ends; ErrMoved where it is not, or the table is not in copy any more.
func (l *ledger) keep(ctx context.Context, tx pgx.Tx, p *set.Pair, name ident.Name) error {
	var mine bool
	err := tx.QueryRow(ctx, `
		select t.merge_state = $4 from skytools.copy_table k
		join londiste.table_info t using (queue_name, table_name)
		where queue_name = $1 and table_name = $2 and k.attempt = $3 and t.local
		for key share of k`, p.Queue, name.String(), l.attempt, set.State{Phase: set.InCopy}.Text()).Scan(&mine)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !mine {
		return set.ErrMoved
	}
	return err
}

// begin writes down that a chunk is begun, in a transaction before that of its
// rows: one that is lost tells nothing of itself.
func (l *ledger) begin(ctx context.Context, tx pgx.Tx, p *set.Pair, name ident.Name, c transfer.Chunk) error {
	if err := l.keep(ctx, tx, p, name); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update skytools.copy_chunk set begun = begun + 1
		where queue_name = $1 and table_name = $2 and first_page = $3`, p.Queue, name.String(), c.First)
	return err
}

// done writes down that a chunk's rows are there.
func (l *ledger) done(ctx context.Context, tx pgx.Tx, p *set.Pair, name ident.Name, c transfer.Chunk, rows, bytes int64) error {
	tag, err := tx.Exec(ctx, `
		update skytools.copy_chunk set attempt = $4, rows_copied = $5, bytes_copied = $6, finished_at = clock_timestamp()
		where queue_name = $1 and table_name = $2 and first_page = $3 and attempt is null`,
		p.Queue, name.String(), c.First, l.attempt, rows, bytes)
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("the chunk from page %d of table %s has been brought already", c.First, name)
	}
	return err
}
