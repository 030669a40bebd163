package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/dsn"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/web"
)

// keys are all keys of section [londiste], in the order of `--ini`.
var keys = slices.Concat(cli.CommonKeys, []conf.Key{
	{Name: "provider_db", Sample: "dbname=foo host=127.0.0.1 port=5432", Doc: "Connection string of the database whose tables are replicated."},
	{Name: "subscriber_db", Sample: "dbname=foo host=127.0.0.1 port=5433", Doc: "Connection string of the database that receives them."},
	{Name: "pgq_queue_name", Sample: "londiste.write", Doc: "Queue in the provider's database, also the name of the set of tables."},
	{Name: "pgq_consumer_id", Default: "%(job_name)s", Doc: "Name under which the subscriber reads the queue."},
	{Name: "parallel_copies", Default: "4", Doc: "How many tables are copied at the same time, and how many connections copy rows, in all."},
	{Name: "copy_workers", Default: "0", Doc: "How many connections copy one large table; 0 is half the machine's cores."},
	{Name: "copy_chunk_size", Default: "64MB", Doc: "A table larger than this is copied in chunks of this size; a copy that is interrupted goes on where it was."},
	{Name: "copy_max_rate", Default: "0", Unit: "bytes a second", Doc: "How fast all copies together may be, 10MB say; 0: as fast as they can."},
	{Name: "copy_max_lag", Default: "0", Unit: "seconds", Doc: "Begin no table and no chunk while something in the queue has waited longer for a tick or for this subscriber; 0: whatever waits."},
	{Name: "copy_max_writers", Default: "0", Doc: "Begin no table and no chunk while more transactions than this write at the provider; 0: however many."},
	{Name: "loop_delay", Default: "1.0", Unit: "seconds", Doc: "Pause between looks at the queue where no notification comes."},
	{Name: "lock_timeout", Default: "10.0", Unit: "seconds", Doc: "How long set-up commands and copies try to get the lock of a table."},
	{Name: "conflict", Default: "count", Doc: "What a row changed at the subscriber does: count sets it right and counts it, error stops replay."},
	{Name: "park_after", Default: "5.0", Unit: "seconds", Doc: "How long a batch may fail because of one table before it is applied without that table, which is parked. 0: never."},
	{Name: "park_max_age", Default: "259200", Unit: "seconds", Doc: "Age of a parked table's events at which they are kept no longer: it has to be copied anew then. 0: kept for ever."},
	{Name: "park_max_size", Default: "10737418240", Unit: "bytes", Doc: "The same by how much of the queue's tables they keep from being emptied. 0: any."},
	{Name: "fake", Default: "0", Doc: "1: set-up commands do their work and roll it back."},
}, web.Keys, []conf.Key{
	{Name: "connection_lifetime", ReplacedBy: "connections are kept, and made anew when they fail"},
	{Name: "pgq_lazy_fetch", ReplacedBy: "batches are streamed, their memory is bounded"},
	{Name: "maint_delay", ReplacedBy: "the ticker does all maintenance: pgqadm INI ticker"},
	{Name: "mirror_queue", ReplacedBy: "a mirror is a subscriber of its own"},
	{Name: "compare_sql", ReplacedBy: "all columns of all rows are compared"},
	{Name: "method", ReplacedBy: "changes are applied to the subscriber directly"},
	{Name: "file_dst", ReplacedBy: "changes are applied to the subscriber directly"},
})

// settings is an ini file taken apart.
type settings struct {
	pair           set.Pair
	parallelCopies int
	copyWorkers    int
	chunkBytes     int64
	pace           replay.CopyPace
	loopDelay      time.Duration
	stopOnConflict bool
	parkAfter      time.Duration // less than 0: never
	parkMaxAge     time.Duration
	parkMaxSize    int64
	fake           bool
	listen         web.Address
	refresh        time.Duration // of what is served there
}

func (s *settings) provider() *londiste.Provider {
	return &londiste.Provider{Pair: s.pair, Fake: s.fake}
}

func (s *settings) subscriber() *londiste.Subscriber {
	return &londiste.Subscriber{Pair: s.pair, Fake: s.fake}
}

func (s *settings) worker() *replay.Worker {
	return &replay.Worker{
		Pair: s.pair, ParallelCopies: s.parallelCopies, CopyWorkers: s.copyWorkers, ChunkBytes: s.chunkBytes, Pace: s.pace,
		Idle: s.loopDelay, StopOnConflict: s.stopOnConflict,
		ParkAfter: s.parkAfter, ParkMaxAge: s.parkMaxAge, ParkMaxSize: s.parkMaxSize,
	}
}

// settings reads the ini file.
func (p *program) settings() (*settings, error) {
	sec, err := p.Section()
	if err != nil {
		return nil, err
	}
	return take(sec)
}

// settingsIn reads another ini file than the program's own.
func settingsIn(file string) (*settings, error) {
	f, err := conf.Load(file)
	if _, is := errors.AsType[*fs.PathError](err); is {
		err = hint.With(err, "name the ini file by which replay runs for that subscriber")
	}
	if err != nil {
		return nil, cli.Usage(err)
	}
	sec, err := f.Section(section, nil)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return take(sec)
}

// take reads all values; its error tells all that is wrong at once.
func take(s *conf.Section) (*settings, error) {
	var c settings
	c.pair.Job = s.Need("job_name")
	c.pair.Queue = s.Need("pgq_queue_name")
	c.pair.Consumer = s.String("pgq_consumer_id", c.pair.Job)
	c.pair.LockTimeout = s.Duration("lock_timeout", 10*time.Second)
	c.parallelCopies = s.Int("parallel_copies", 4)
	c.copyWorkers = s.Int("copy_workers", 0)
	c.chunkBytes = s.Size("copy_chunk_size", 64<<20)
	c.pace.MaxRate = s.Size("copy_max_rate", 0)
	c.pace.MaxLag = s.Duration("copy_max_lag", 0)
	c.pace.MaxWriters = s.Int("copy_max_writers", 0)
	c.loopDelay = s.Duration("loop_delay", time.Second)
	c.stopOnConflict = s.Choice("conflict", "count", "count", "error") == "error"
	if c.parkAfter = s.Duration("park_after", 5*time.Second); c.parkAfter == 0 {
		c.parkAfter = -1
	}
	c.parkMaxAge = s.Duration("park_max_age", 72*time.Hour)
	c.parkMaxSize = int64(s.Int("park_max_size", 10<<30))
	c.fake = s.Bool("fake", false)
	var bad1, bad2, bad3 error
	c.listen, c.refresh, bad3 = web.TakeKeys(s)
	provider, subscriber := s.Need("provider_db"), s.Need("subscriber_db")
	if err := s.Err(); err != nil {
		return nil, cli.Usage(err)
	}
	c.pair.Provider, bad1 = database(s, "provider_db", provider)
	c.pair.Subscriber, bad2 = database(s, "subscriber_db", subscriber)
	return &c, cli.Usage(errors.Join(bad1, bad2, bad3))
}

func database(s *conf.Section, key, text string) (*pgx.ConnConfig, error) {
	cfg, err := dsn.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", s.Where(key), key, err)
	}
	return cfg, nil
}

// call is one run of a command: the settings, with the log open, its
// arguments and where results go.
type call struct {
	*settings
	args []string
	out  io.Writer
}

// command makes the body of a command.
func (p *program) command(run func(ctx context.Context, c *call) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		sec, err := p.Section()
		if err != nil {
			return err
		}
		s, err := take(sec)
		if err != nil {
			return err
		}
		log, err := p.OpenLog(sec, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer log.Close()
		s.pair.Log = log.Logger
		return cli.Interruptible(cmd.Context(), func(ctx context.Context) error {
			return run(ctx, &call{s, args, cmd.OutOrStdout()})
		})
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
