package plproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/londiste"
)

// Keeper looks at the replicas and keeps the clusters.
type Keeper struct {
	Config
	Install string        // SQL that makes the tables and functions of [Functions]
	Every   time.Duration // between rounds; default 1 s
	Log     *slog.Logger  // nil means none
	Stop    <-chan struct{}

	gauges   [][]*londiste.Gauge // by partition and place
	verdicts [][]verdict
	done     []Cluster // what the proxy database was seen to have
	proxy    *pgx.Conn
	ready    bool // over this session, functions and grants were seen to
}

const (
	lookTime  = 2 * time.Second  // how long a replica may take to answer
	proxyTime = 10 * time.Second // and the proxy database, in all
)

// New checks the configuration and connects to nothing.
func New(c Config) (*Keeper, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	k := &Keeper{Config: c}
	for _, p := range c.Partitions {
		var gauges []*londiste.Gauge
		for _, r := range p.Replicas {
			gauges = append(gauges, &londiste.Gauge{Pair: r.Pair})
		}
		k.gauges = append(k.gauges, gauges)
		k.verdicts = append(k.verdicts, make([]verdict, len(gauges)))
	}
	return k, nil
}

// Run keeps the clusters until ctx ends or Stop is closed.
func (k *Keeper) Run(ctx context.Context) error {
	k.Log = notice.Logger(k.Log)
	defer k.close(ctx)
	n := notice.Notice{Log: k.Log}
	before := ""
	l := loop.Loop{Idle: k.Every, MaxBackoff: 5 * time.Second, Stop: k.Stop, OnError: func(err error, _ time.Duration) {
		if !errors.Is(err, errBusy) {
			n.Waiting(notice.Explain(err))
		} else if text := err.Error(); text != before {
			before = text
			k.Log.Info("This one stands by: " + text)
		}
	}}
	return l.Run(ctx, func(ctx context.Context) (bool, error) {
		err := k.round(ctx)
		if err == nil {
			before = ""
			n.Over("The proxy database is kept up to date again")
		}
		return false, err
	})
}

// onceWait is how long one round waits for another keeper that is at its own.
const onceWait = 5 * time.Second

// Once is one round. It is an error if a keeper that stays has the clusters.
func (k *Keeper) Once(ctx context.Context) error {
	k.Log = notice.Logger(k.Log)
	defer k.close(ctx)
	for end := time.Now().Add(onceWait); ; {
		err := k.round(ctx)
		if !errors.Is(err, errBusy) || time.Now().After(end) || loop.Sleep(ctx, onceWait/50, k.Stop) != nil {
			return err
		}
	}
}

// Script is the SQL that a round would run now.
func (k *Keeper) Script(ctx context.Context) (string, error) {
	k.Log = notice.Logger(k.Log)
	defer k.close(ctx)
	k.look(ctx)
	short, cancel := context.WithTimeout(ctx, proxyTime)
	defer cancel()
	if err := k.connect(short); err != nil {
		return "", fmt.Errorf("proxy database: %w", err)
	}
	statements, err := k.statements(short, k.proxy, k.wanted())
	if err != nil {
		return "", fmt.Errorf("proxy database: %w", advised(err, k))
	}
	return script(statements), nil
}

func (k *Keeper) close(ctx context.Context) {
	for _, gauges := range k.gauges {
		for _, g := range gauges {
			g.Close()
		}
	}
	k.disconnect(ctx)
}

func (k *Keeper) disconnect(ctx context.Context) {
	if k.proxy == nil {
		return
	}
	if !k.proxy.IsClosed() {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		k.leave(short)
		cancel()
	}
	session.Close(ctx, k.proxy)
	k.proxy, k.ready = nil, false
}

// round looks, and has the proxy database follow. That is asked each time what
// it has: somebody may have changed it, or made it anew.
func (k *Keeper) round(ctx context.Context) error {
	k.look(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	want := k.wanted()
	short, cancel := context.WithTimeout(ctx, proxyTime)
	defer cancel()
	err := k.follow(short, want)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if !session.Outlived(err) {
			k.disconnect(ctx)
		}
		k.ready = false
		return fmt.Errorf("proxy database: %w", err)
	}
	for i, c := range want {
		if i >= len(k.done) || !c.equal(k.done[i]) {
			k.Log.Info(fmt.Sprintf("Cluster %s leads to: %s", c.Name, shown(c.Slots)))
		}
	}
	k.done = want
	return nil
}

// follow makes the proxy database have the clusters.
func (k *Keeper) follow(ctx context.Context, want []Cluster) error {
	if k.proxy == nil {
		if err := k.connect(ctx); err != nil {
			return err
		}
		if err := k.take(ctx, k.proxy); err != nil {
			k.disconnect(ctx) // the next round would take this session for the keeper's
			return err
		}
	}
	statements, err := k.statements(ctx, k.proxy, want)
	if err != nil || len(statements) == 0 {
		k.ready = err == nil
		return err
	}
	if k.ready && slices.EqualFunc(want, k.done, Cluster.equal) {
		k.Log.Warn("The clusters are not as they were left: they are made anew")
	}
	return k.write(ctx, want)
}

func (k *Keeper) wanted() []Cluster {
	fresh := make([][]bool, len(k.verdicts))
	for i, list := range k.verdicts {
		for _, v := range list {
			fresh[i] = append(fresh[i], v.in)
		}
	}
	var chosen []string
	if len(k.done) > 1 {
		chosen = k.done[1].Slots
	}
	return k.clusters(fresh, chosen)
}

// look asks all replicas at the same time.
func (k *Keeper) look(ctx context.Context) {
	var looks sync.WaitGroup
	for i, gauges := range k.gauges {
		for j, g := range gauges {
			looks.Go(func() {
				short, cancel := context.WithTimeout(ctx, lookTime)
				defer cancel()
				lag, err := g.Look(short)
				if ctx.Err() != nil {
					return
				}
				v := &k.verdicts[i][j]
				if v.note(lag, err, k.MaxLag, time.Now()) {
					k.tell(i, j, v)
				}
			})
		}
	}
	looks.Wait()
}

func (k *Keeper) tell(partition, place int, v *verdict) {
	name := k.Partitions[partition].Replicas[place].Name
	if len(k.Partitions) > 1 {
		name = fmt.Sprintf("%s of partition %d", name, partition)
	}
	if v.in {
		k.Log.Info(fmt.Sprintf("Replica %s gets reads: late by %s at most", name, v.last.Behind.Round(time.Millisecond)))
		return
	}
	k.Log.Warn(fmt.Sprintf("Replica %s gets no reads: %s", name, v.why))
}

func (k *Keeper) connect(ctx context.Context) (err error) {
	db := k.Proxy.Copy()
	if db.RuntimeParams["application_name"] == "" {
		db.RuntimeParams["application_name"] = "londiste"
	}
	k.proxy, err = session.Open(ctx, db, 5*time.Second)
	return err
}

// write makes the proxy database have the clusters, all or none.
func (k *Keeper) write(ctx context.Context, want []Cluster) error {
	tx, err := k.proxy.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // after the commit it does nothing
	// Two of them, of other clusters, would find the same function missing, and one fail.
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('skytools.plproxy', 0))`); err != nil {
		return err
	}
	statements, err := k.statements(ctx, k.proxy, want)
	if err != nil {
		return advised(err, k)
	}
	for _, s := range statements {
		if _, err := k.proxy.PgConn().Exec(ctx, s).ReadAll(); err != nil {
			return advised(err, k)
		}
	}
	if err := failpoint.Commit(failpoint.Cluster, func() error { return tx.Commit(ctx) }); err != nil {
		return err
	}
	k.ready = true
	return nil
}

func advised(err error, k *Keeper) error {
	pg := stateOf(err)
	switch {
	case pg == nil:
		return err
	case pg.Code == "42704" && k.Form == SQLMED && pg.Hint == "":
		return hint.With(err, "as superuser in the proxy database: create extension plproxy; callers are roles that exist there")
	case pg.Code == "42501" && k.Form == SQLMED:
		return hint.With(err, "as superuser: grant usage on foreign data wrapper plproxy to %s; its servers must be its own", k.Proxy.User)
	case pg.Code == "42501":
		return hint.With(err, "grant create on database %s to %s; schema plproxy must be its own", k.Proxy.Database, k.Proxy.User)
	case pg.Hint != "":
		return hint.With(err, "%s", pg.Hint)
	}
	return err
}
