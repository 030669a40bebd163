package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/dsn"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/plproxy"
	"github.com/skytools-go/skytools/schema"
)

const proxySection = "plproxy_config"

// proxyKeys are all keys of section [plproxy_config].
var proxyKeys = slices.Concat(cli.CommonKeys, []conf.Key{
	{Name: "proxy_db", Sample: "dbname=proxy host=127.0.0.1 port=5432", Doc: "Connection string of the database with PL/Proxy, as the role that is to own the clusters."},
	{Name: "form", Default: "sqlmed", Doc: "How clusters are kept: sqlmed, as foreign servers; functions, as those that PL/Proxy calls, over tables in schema plproxy."},
	{Name: "write_cluster", Default: "write", Doc: "Name of the cluster that leads to the providers."},
	{Name: "read_cluster", Default: "read", Doc: "Name of the cluster that leads to fresh replicas; with several partitions also the first part of read_0, read_1 …"},
	{Name: "partition_*", Sample: "", Doc: "partition_0, partition_1 …: connection string by which the proxy reaches that partition's provider, without password. Their number is a power of two."},
	{Name: "replicas_*", Sample: "", Doc: "replicas_0, replicas_1 …: a line for each replica of that partition: its londiste ini file, then weight=N if it is to get more than others, then the connection string by which the proxy reaches it, if not host, port and dbname of its subscriber_db."},
	{Name: "max_lag", Default: "5.0", Unit: "seconds", Doc: "How old a replica's rows may be."},
	{Name: "fallback", Default: "write", Doc: "Where reads go while no replica is fresh: write, to the provider; none, they fail."},
	{Name: "callers", Doc: "Comma list of roles that call proxy functions: they get the right to use the clusters."},
	{Name: "loop_delay", Default: "1.0", Unit: "seconds", Doc: "Pause between looks at the replicas. 0: look once, as --once does."},
})

func (p *program) proxyCommand() *cobra.Command {
	var once, printSQL bool
	cmd := cli.ForSection(&cobra.Command{
		Use: "plproxy-config", Short: "Keep the clusters of a PL/Proxy database: writes to providers, reads to fresh replicas", Args: cobra.NoArgs,
		Long: "Takes replicas that are dead or late out of the read clusters of a PL/Proxy database, and puts them back.\n" +
			"Its ini file is one of its own, with section [" + proxySection + "]: see docs/read-write-split.md.\n" +
			"Runs until it is stopped; -d puts it into the background, -r has it read its ini file anew.",
	}, proxySection)
	cmd.Flags().BoolVar(&once, "once", false, "look once, change what is to be changed, and exit")
	cmd.Flags().BoolVar(&printSQL, "print-sql", false, "look once, print the SQL that would be run, and exit")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		sec, err := p.Section()
		if err != nil {
			return err
		}
		k, err := takeProxy(sec)
		if err != nil {
			return err
		}
		if !once && !printSQL && k.Every > 0 {
			return p.keepProxy(cmd, sec, k)
		}
		log, err := p.OpenLog(sec, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer log.Close()
		k.Log = log.Logger
		return cli.Interruptible(cmd.Context(), func(ctx context.Context) error {
			if !printSQL {
				return k.Once(ctx)
			}
			text, err := k.Script(ctx)
			if err == nil {
				fmt.Fprint(cmd.OutOrStdout(), text)
			}
			return err
		})
	}
	return cmd
}

// keepProxy is the daemon.
func (p *program) keepProxy(cmd *cobra.Command, sec *conf.Section, k *plproxy.Keeper) error {
	return p.Daemon(cmd.Context(), sec, cmd.ErrOrStderr(), func(ctx context.Context, job cli.Job) error {
		job.Ready()
		return cli.Reloading(ctx, job, k, func() (*plproxy.Keeper, error) {
			sec, err := p.Section()
			if err != nil {
				return nil, err
			}
			k, err := takeProxy(sec)
			if err == nil && k.Every == 0 {
				err = hint.With(errors.New("loop_delay = 0 is no pause between looks"), "-s stops the daemon")
			}
			return k, err
		}, func(ctx context.Context, k *plproxy.Keeper, job cli.Job) error {
			k.Log, k.Stop = job.Log, job.Stop
			return k.Run(ctx)
		})
	})
}

// takeProxy reads all values of the section; its error tells all that is wrong.
func takeProxy(s *conf.Section) (*plproxy.Keeper, error) {
	c := plproxy.Config{
		Job:      s.Need("job_name"),
		Form:     plproxy.Form(s.Choice("form", "sqlmed", "sqlmed", "functions")),
		Write:    s.String("write_cluster", "write"),
		Read:     s.String("read_cluster", "read"),
		Callers:  s.List("callers"),
		MaxLag:   s.Duration("max_lag", 5*time.Second),
		Fallback: s.Choice("fallback", "write", "write", "none") == "write",
	}
	every := s.Duration("loop_delay", time.Second)
	proxy := s.Need("proxy_db")
	errs := []error{s.Err()}
	var err error
	if proxy != "" {
		if c.Proxy, err = database(s, "proxy_db", proxy); err != nil {
			errs = append(errs, err)
		}
	}
	for i := 0; ; i++ {
		key := fmt.Sprintf("partition_%d", i)
		text, there := s.Get(key)
		if !there {
			break
		}
		part := plproxy.Partition{Write: text}
		errs = append(errs, reaches(s, key, text))
		part.Replicas, err = takeReplicas(s, fmt.Sprintf("replicas_%d", i))
		errs = append(errs, err)
		c.Partitions = append(c.Partitions, part)
	}
	if len(c.Partitions) == 0 {
		errs = append(errs, hint.With(fmt.Errorf("%s: key partition_0 is missing in section [%s]", s.Path(), s.Name),
			"it is how the proxy reaches the provider; %s --ini plproxy-config prints a sample", section))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, cli.Usage(err)
	}
	k, err := plproxy.New(c)
	if err != nil {
		return nil, cli.Usage(hint.With(fmt.Errorf("%s: %w", s.Path(), err), "%s", hint.Of(err)))
	}
	k.Every = every
	k.Install, err = schema.Proxy()
	return k, err
}

// reaches checks a connection string that PL/Proxy is to use: it writes the user
// behind it, and callers of the proxy could read a password in it.
func reaches(s *conf.Section, key, text string) error {
	if _, err := database(s, key, text); err != nil {
		return err
	}
	if strings.Contains(text, "://") {
		return hint.With(fmt.Errorf("%s: %s: PL/Proxy takes no URI", s.Where(key), key), "write it as host=… port=… dbname=…")
	}
	if dsn.Redact(text) != text {
		return hint.With(fmt.Errorf("%s: %s: a password in it could be read by whoever calls a proxy function", s.Where(key), key),
			"put it into the password file of the proxy server's system user (~postgres/.pgpass)")
	}
	return nil
}

// takeReplicas reads lines of FILE.ini [weight=N] [CONNECTION STRING].
func takeReplicas(s *conf.Section, key string) ([]plproxy.Replica, error) {
	var list []plproxy.Replica
	var errs []error
	for line := range strings.SplitSeq(s.String(key, ""), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		r, err := takeReplica(s, key, line)
		errs = append(errs, err)
		list = append(list, r)
	}
	if len(list) == 0 {
		errs = append(errs, hint.With(fmt.Errorf("%s: key %s names no replica", s.Path(), key), "a line each: replica.ini weight=1"))
	}
	return list, errors.Join(errs...)
}

func takeReplica(s *conf.Section, key, line string) (plproxy.Replica, error) {
	file, rest, _ := strings.Cut(line, " ")
	r := plproxy.Replica{Name: file, Weight: 1}
	wrong := func(err error) (plproxy.Replica, error) {
		return r, hint.With(fmt.Errorf("%s: %s: %w", s.Where(key), key, err), "%s", hint.Of(err))
	}
	rest = strings.TrimSpace(rest)
	if w, ok := strings.CutPrefix(rest, "weight="); ok {
		w, rest, _ = strings.Cut(w, " ")
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || n > 100 {
			return wrong(fmt.Errorf("%s: weight=%s is not a number from 1 to 100", file, w))
		}
		r.Weight, rest = n, strings.TrimSpace(rest)
	}
	its, err := settingsIn(file)
	if err != nil {
		return wrong(err)
	}
	r.Pair, r.Connect = its.pair, rest
	if rest != "" {
		return r, reaches(s, key, rest)
	}
	at := its.pair.Subscriber
	if slices.ContainsFunc(at.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != at.Host || f.Port != at.Port }) {
		return wrong(hint.With(fmt.Errorf("%s: subscriber_db names several servers", file),
			"write behind the file how the proxy reaches the replica: %s weight=%d host=… port=… dbname=…", file, r.Weight))
	}
	r.Connect = fmt.Sprintf("host=%s port=%d dbname=%s", quoteValue(at.Host), at.Port, quoteValue(at.Database))
	return r, nil
}

// quoteValue is a value of a connection string.
func quoteValue(v string) string {
	if v != "" && !strings.ContainsAny(v, ` '\`) {
		return v
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
}
