package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/dsn"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/relay"
)

// queueProgram is a program of Skytools that reads a queue, as a command with
// a section of the ini file of its own.
type queueProgram struct {
	name, short, long string
	keys              []conf.Key
	target            bool // it has a dst_db, as those of Skytools have
	// prepare reads the program's own keys.
	prepare func(s *conf.Section) (relayRun, error)
}

// sections are the names of its section: Skytools 3 put a 3 behind them.
func (q queueProgram) sections() []string {
	if !q.target {
		return []string{q.name}
	}
	return []string{q.name, q.name + "3"}
}

// relayRun is a program with its keys read.
type relayRun func(ctx context.Context, r *relaying) error

// relaying is what all of them have.
type relaying struct {
	consumer *pgq.Consumer
	source   *relay.Target // for what is asked beside the consumer
	target   *relay.Target // nil where there is no dst_db
	log      *slog.Logger
}

// sourceKeys are the keys of each of them, after the common ones.
var sourceKeys = []conf.Key{
	{Name: "src_db", Doc: "Connection string of the database with the queue.", Sample: "dbname=src host=127.0.0.1"},
	{Name: "queue_name", Doc: "The queue.", Sample: "some.queue"},
	{Name: "consumer_name", Doc: "Name of the consumer, which is registered at the first start; job_name if not set."},
	{Name: "pgq_queue_name", Doc: "queue_name by the name that Skytools 2.1 has for it."},
	{Name: "pgq_consumer_id", Doc: "consumer_name by the name that Skytools 2.1 has for it."},
}

// targetKeys are those of a program that writes to a database.
var targetKeys = []conf.Key{
	{Name: "dst_db", Doc: "Connection string of the target.", Sample: "dbname=dst host=127.0.0.1"},
	{Name: "position_table", Default: pgq.PositionTable, Doc: "Table of the target with the position; it is made if the role may."},
}

func sectionKeys(own ...conf.Key) []conf.Key { return slices.Concat(cli.CommonKeys, sourceKeys, own) }

func targetSectionKeys(own ...conf.Key) []conf.Key {
	return sectionKeys(slices.Concat(targetKeys, own)...)
}

const exactlyOnce = "\nEach event arrives exactly once: the position stands in a table of the target, public.pgq_position\n" +
	"if not said otherwise, which is made at the first start, and moves in the transaction that writes."

var queuePrograms = []queueProgram{
	{
		name: "queue_mover", short: "Copy events into another queue (daemon)", target: true,
		long: "Copies the events of one queue into another, also in another database." + exactlyOnce,
		keys: targetSectionKeys(conf.Key{Name: "dst_queue_name", Doc: "The target's queue.", Sample: "other.queue"}),
		prepare: func(s *conf.Section) (relayRun, error) {
			queue := s.Need("dst_queue_name")
			return func(ctx context.Context, r *relaying) error {
				mover := &relay.Mover{Queue: queue, Source: r.source, Log: r.log}
				return r.consumer.RunTx(ctx, r.target, mover.Handle)
			}, nil
		},
	},
	{
		name: "queue_splitter", short: "Copy events into queues that they name (daemon)", target: true,
		long: "Copies each event into the queue that one of its fields names." + exactlyOnce,
		keys: targetSectionKeys(conf.Key{Name: "queue_field", Default: "extra1", Doc: "The field with the queue's name: " + strings.Join(relay.Fields, ", ") + "."}),
		prepare: func(s *conf.Section) (relayRun, error) {
			field := s.Choice("queue_field", "extra1", relay.Fields...)
			return func(ctx context.Context, r *relaying) error {
				splitter := &relay.Splitter{Field: field, Source: r.source, Log: r.log}
				return r.consumer.RunTx(ctx, r.target, splitter.Handle)
			}, nil
		},
	},
	{
		name: "simple_consumer", short: "Run a statement for each event (daemon)", target: true,
		long: "Runs dst_query for each event. %(pgq.ev_data)s and the like are columns of the event, %(id)s one of the\n" +
			"row in its data; in the ini file each % is written twice. Values are bound, not pasted." + exactlyOnce,
		keys: targetSectionKeys(
			conf.Key{Name: "dst_query", Doc: "The statement.", Sample: "insert into note (type, data) values (%%(pgq.ev_type)s, %%(pgq.ev_data)s)"},
			conf.Key{Name: "table_filter", Doc: "Comma list of tables: only events with one of them in extra1."},
			conf.Key{Name: "consumer_filter", Doc: "Condition in SQL: only events that it is true of, such as ev_type = 'note'."}),
		prepare: prepareStatement,
	},
	{
		name: "webhook", short: "Send events to a web server (daemon)",
		long: "Sends events to a web server by POST, as JSON objects or arrays of them, at least once; the header\n" +
			"Idempotency-Key is the same when a request comes again. After 5xx, 408, 425, 429 and when there is no\n" +
			"answer all waits; an event that is refused otherwise comes again by itself, and after max_attempts of\n" +
			"the queue's policy it is a dead letter.",
		keys: sectionKeys(
			conf.Key{Name: "url", Doc: "Where to send them.", Sample: "https://127.0.0.1:8080/events"},
			conf.Key{Name: "batch_size", Default: "0", Doc: "Events in a request, as an array; 0: each one by itself, as an object."},
			conf.Key{Name: "headers", Doc: "Header lines to send along, such as Authorization: Bearer …; further ones on indented lines."},
			conf.Key{Name: "timeout", Default: "10", Unit: "seconds", Doc: "How long to wait for an answer."},
			conf.Key{Name: "retry_delay", Default: "60", Unit: "seconds", Doc: "When a refused event comes again; doubles each time, to an hour."},
			conf.Key{Name: "tls_ca", Doc: "File of the certificates that the server's is checked against, instead of the system's."},
			conf.Key{Name: "tls_cert", Doc: "File of the certificate to show."},
			conf.Key{Name: "tls_key", Doc: "File of its key."}),
		prepare: prepareWebhook,
	},
}

func prepareStatement(s *conf.Section) (relayRun, error) {
	statement, err := relay.NewStatement(s.Need("dst_query"))
	if err != nil {
		err = hint.With(fmt.Errorf("%s: dst_query: %w", s.Where("dst_query"), err), "%s", hint.Of(err))
	}
	tables, where := s.List("table_filter"), s.String("consumer_filter", "")
	return func(ctx context.Context, r *relaying) error {
		return r.consumer.RunTx(ctx, r.target, statement.Handle(relay.Filter{Tables: tables, Where: where, Source: r.source}))
	}, err
}

// headerName is a token of RFC 7230; net/http sends no other.
var headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")

func prepareWebhook(s *conf.Section) (relayRun, error) {
	hook := relay.Webhook{
		URL: s.Need("url"), Header: http.Header{}, Batch: s.Int("batch_size", 0), Retry: s.Duration("retry_delay", time.Minute),
	}
	var errs []error
	if u, err := url.Parse(hook.URL); hook.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		errs = append(errs, fmt.Errorf("%s: url is not http:// or https:// and a host", s.Where("url")))
	}
	for line := range strings.Lines(s.String("headers", "")) {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s: headers: a line without a colon", s.Where("headers")))
		case !headerName.MatchString(name):
			errs = append(errs, fmt.Errorf("%s: headers: %q is no name of a header", s.Where("headers"), name))
		case strings.ContainsFunc(value, func(r rune) bool { return r != '\t' && r < ' ' || r == 0x7f }):
			errs = append(errs, fmt.Errorf("%s: headers: %s has a control character", s.Where("headers"), name))
		}
		hook.Header.Add(name, value)
	}
	if hook.Batch < 0 {
		errs = append(errs, fmt.Errorf("%s: batch_size: %d is negative", s.Where("batch_size"), hook.Batch))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	var err error
	if transport.TLSClientConfig, err = tlsConfig(s); err != nil {
		errs = append(errs, err)
	}
	hook.Client = &http.Client{Transport: transport, Timeout: s.Duration("timeout", 10*time.Second), CheckRedirect: relay.NoRedirects}
	if hook.Client.Timeout == 0 { // to net/http it is for ever
		errs = append(errs, fmt.Errorf("%s: timeout must be more than 0", s.Where("timeout")))
	}
	return func(ctx context.Context, r *relaying) error {
		keys, err := r.keys(ctx)
		if err != nil {
			return err
		}
		hook.Keys, hook.Log = keys, r.log
		return r.consumer.Run(ctx, hook.Handle)
	}, errors.Join(errs...)
}

func tlsConfig(s *conf.Section) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := s.File("tls_ca", ""); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: tls_ca: %w", s.Where("tls_ca"), err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: tls_ca: no certificate in %s", s.Where("tls_ca"), file)
		}
	}
	cert, key := s.File("tls_cert", ""), s.File("tls_key", "")
	if cert == "" && key == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s: tls_cert, tls_key: %w", s.Where("tls_cert"), err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// keys makes the idempotency keys; the queue's database is waited for by the
// consumer, so here it must answer.
func (r *relaying) keys(ctx context.Context) (relay.Keys, error) {
	conn, err := connect(ctx, r.consumer.Database, "src_db")
	if err != nil {
		return relay.Keys{}, err
	}
	defer closeConn(conn)
	return relay.ReadKeys(ctx, conn, r.consumer.Queue)
}

// relaySettings are the values of the section of a queue program.
type relaySettings struct {
	section         *conf.Section
	source, target  *pgx.ConnConfig
	queue, consumer string
	positions       string // table of the target
	run             relayRun
}

func (p *program) queueProgramCommand(q queueProgram) *cobra.Command {
	cmd := &cobra.Command{Use: q.name, Short: q.short, Long: q.long, Args: cobra.NoArgs}
	var instead switches
	instead.add(cmd, q.target)
	load := func() (relaySettings, error) { return p.relaySettings(q) }
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		set, err := load()
		if err != nil {
			return err
		}
		if one, err := instead.any(); err != nil {
			return err
		} else if one {
			return p.once(cmd, set, &instead)
		}
		return p.Daemon(cmd.Context(), set.section, cmd.ErrOrStderr(), func(ctx context.Context, job cli.Job) error {
			if err := set.reachable(ctx); err != nil {
				return err
			}
			job.Ready()
			return cli.Reloading(ctx, job, set, load, serveRelay)
		})
	}
	return cli.ForSection(cmd, q.sections()...)
}

func (p *program) relaySettings(q queueProgram) (relaySettings, error) {
	s, err := p.Section()
	if err != nil {
		return relaySettings{}, err
	}
	set := relaySettings{section: s, queue: s.String("queue_name", s.String("pgq_queue_name", ""))}
	if set.queue == "" {
		s.Need("queue_name")
	}
	set.consumer = s.String("consumer_name", s.String("pgq_consumer_id", s.String("job_name", s.Name)))
	run, err := q.prepare(s)
	set.run = run
	source := s.Need("src_db")
	target := ""
	if q.target {
		target, set.positions = s.Need("dst_db"), s.String("position_table", pgq.PositionTable)
	}
	if err := errors.Join(s.Err(), err); err != nil {
		return set, cli.Usage(err)
	}
	if set.source, err = parseDB(s, "src_db", source, p.Name); err == nil && q.target {
		set.target, err = parseDB(s, "dst_db", target, p.Name)
	}
	return set, cli.Usage(err)
}

// parseDB reads the connection string of a key.
func parseDB(s *conf.Section, key, value, program string) (*pgx.ConnConfig, error) {
	config, err := dsn.Parse(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", s.Where(key), key, err)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = program
	}
	return config, nil
}

// reachable returns what the databases refuse for good; one that is down is
// waited for.
func (set relaySettings) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for key, db := range map[string]*pgx.ConnConfig{"src_db": set.source, "dst_db": set.target} {
		if db == nil {
			continue
		}
		conn, err := connect(ctx, db, key)
		if err == nil {
			closeConn(conn)
		} else if hint.Refused(err) {
			return err
		}
	}
	return nil
}

// serveRelay runs the program until it fails or the job is to end.
func serveRelay(ctx context.Context, set relaySettings, job cli.Job) error {
	r := &relaying{
		source: &relay.Target{Database: set.source, Key: "src_db"}, log: job.Log,
		consumer: &pgq.Consumer{
			Database: set.source, Queue: set.queue, Name: set.consumer, Register: true,
			PositionTable: set.positions, Log: job.Log, Stop: job.Stop,
		},
	}
	defer r.source.Close()
	if set.target != nil {
		r.target = &relay.Target{Database: set.target, Key: "dst_db"}
		defer r.target.Close()
	}
	job.Log.Info(fmt.Sprintf("%s reads queue %s as consumer %s", set.section.Name, set.queue, set.consumer))
	return set.run(ctx, r)
}
