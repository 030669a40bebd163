package compare

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/skytools-go/skytools/internal/ident"
)

// Table says what to compare.
type Table struct {
	Provider, Subscriber ident.Name
	Key                  []string // columns that tell rows apart; none: equal rows are counted
	Where                string   // a condition that rows fulfil, "" for all
}

// Options say how.
type Options struct {
	Pace      Pace
	CountOnly bool                   // counts and sums, no rows
	Each      func(Difference) error // called for each row that differs; may be nil

	md5 bool // as if the servers' hashes differed
}

// Result is what was found.
type Result struct {
	Provider, Subscriber      int64 // rows
	Equal                     bool
	Missing, Extra, Differing int64    // at the subscriber; not known with CountOnly
	Notes                     []string // columns that were not compared
	Bytes                     int64    // of the table, at the provider
	Duration                  time.Duration
}

// comparison is one Compare.
type comparison struct {
	Options
	*plan
	table Table
	ends  [2]*End
	rels  [2]*relation
}

// Compare compares one table between two ends.
func Compare(ctx context.Context, provider, subscriber *End, table Table, o Options) (*Result, error) {
	begin := time.Now()
	c := &comparison{Options: o, table: table, ends: [2]*End{provider, subscriber}}
	provider.peer, subscriber.peer = subscriber, provider
	err := c.both(func(end int, name ident.Name) (err error) {
		c.rels[end], err = c.ends[end].describe(ctx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &Result{}
	if c.plan, res.Notes, err = match(c.rels[0], c.rels[1], table.Key); err != nil {
		return nil, fmt.Errorf("table %s: %w", table.Provider, err)
	}
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	var sums [2]total
	err = c.both(func(end int, name ident.Name) error { return c.ends[end].explain(name, c.totals(ctx, end, &sums[end])) })
	if err != nil {
		return nil, err
	}
	for _, l := range c.rels[0].leaves {
		res.Bytes += l.pages * provider.block
	}
	res.Provider, res.Subscriber, res.Equal = sums[0].rows, sums[1].rows, sums[0].equal(&sums[1])
	if !res.Equal && !o.CountOnly {
		err = c.find(ctx, res)
	}
	res.Duration = time.Since(begin)
	return res, err
}

// both does the same at both ends at once.
func (c *comparison) both(do func(end int, name ident.Name) error) error {
	var errs [2]error
	var group sync.WaitGroup
	for end, name := range []ident.Name{c.table.Provider, c.table.Subscriber} {
		group.Go(func() { errs[end] = do(end, name) })
	}
	group.Wait()
	if errs[0] != nil {
		return errs[0]
	}
	return errs[1]
}

// prepare draws the secrets and sees whether the servers hash alike.
func (c *comparison) prepare(ctx context.Context) error {
	var b [36]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	c.seed = int64(binary.LittleEndian.Uint64(b[:]))
	c.int = int32(binary.LittleEndian.Uint32(b[8:]))
	c.uuid, c.null = hex.EncodeToString(b[12:28]), hex.EncodeToString(b[12:])
	c.convert = c.ends[0].encoding != c.ends[1].encoding
	c.sortJSON()
	var birds [2]string
	err := c.both(func(end int, name ident.Name) error {
		return c.ends[end].explain(name, c.ends[end].conns[0].QueryRow(ctx, canary).Scan(&birds[end]))
	})
	c.portable = c.Options.md5 || birds[0] != birds[1]
	return err
}

// totals counts and adds up a table.
func (c *comparison) totals(ctx context.Context, end int, sum *total) error {
	return c.ends[end].scan(ctx, c.rels[end], c.Pace, func(from, condition string) string {
		return fmt.Sprintf("select count(*), coalesce(sum(%s), 0) from %s where %s", c.row(end), from, condition)
	}, c.table.Where, func(row [][]byte) error { return sum.add(row[0], row[1]) })
}

// bucketRows is about how many rows a bucket has.
const bucketRows = 256

// buckets counts and adds up by the hash of the key, n a power of two.
func (c *comparison) buckets(ctx context.Context, end, n int) ([]total, error) {
	sums := make([]total, n)
	err := c.ends[end].scan(ctx, c.rels[end], c.Pace, func(from, condition string) string {
		return fmt.Sprintf("select b, count(*), sum(h) from (select %s & %d as b, %s as h from %s where %s) x group by b",
			c.place(end), n-1, c.row(end), from, condition)
	}, c.table.Where, func(row [][]byte) error {
		b, err := strconv.Atoi(string(row[0]))
		if err != nil {
			return err
		}
		return sums[b].add(row[1], row[2])
	})
	return sums, err
}

// find looks for the rows that differ.
func (c *comparison) find(ctx context.Context, res *Result) error {
	n := 1 << bits.Len64(uint64(max(res.Provider, res.Subscriber)/bucketRows))
	n = min(max(n, 16), 1<<16)
	var sums [2][]total
	err := c.both(func(end int, name ident.Name) (err error) {
		sums[end], err = c.buckets(ctx, end, n)
		return c.ends[end].explain(name, err)
	})
	if err != nil {
		return err
	}
	var differ []int
	for b := range n {
		if !sums[0][b].equal(&sums[1][b]) {
			differ = append(differ, b)
		}
	}
	// A statement names no more buckets than this, and the server sorts no more.
	const together = 512
	for some := range slices.Chunk(differ, together) {
		if err := c.rows(ctx, n, some, res); err != nil {
			return err
		}
	}
	if res.Missing+res.Extra+res.Differing == 0 {
		return fmt.Errorf("table %s: the sums differ, and no row does: this is a defect", c.table.Provider)
	}
	return nil
}

// total is a count and a sum of hashes.
type total struct {
	rows int64
	sum  big.Int
}

func (t *total) add(rows, sum []byte) error {
	count, err := strconv.ParseInt(string(rows), 10, 64)
	if err != nil {
		return err
	}
	n, ok := new(big.Int).SetString(string(sum), 10)
	if !ok {
		return fmt.Errorf("sum %q of hashes", sum)
	}
	t.rows += count
	t.sum.Add(&t.sum, n)
	return nil
}

func (t *total) equal(o *total) bool { return t.rows == o.rows && t.sum.Cmp(&o.sum) == 0 }
