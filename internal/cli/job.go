package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"syscall"

	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/daemon"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/logfile"
)

// CommonKeys are the keys that every program has. Put them first in
// [App.Keys].
var CommonKeys = []conf.Key{
	{Name: "job_name", Doc: "Name of this job, for %(job_name)s and, in londiste, for the subscriber's node; the section's name if not set.", Sample: "my_job"},
	{Name: "pidfile", Doc: "File with the running process's id. -d, -s, -k and -r need it.", Sample: "%(job_name)s.pid"},
	{Name: "logfile", Doc: "File to log to.", Sample: "%(job_name)s.log"},
	{Name: "log_size", Default: fmt.Sprint(logfile.DefaultSize), Unit: "bytes", Doc: "The log file is renamed to logfile.1 and begun anew when it gets this large."},
	{Name: "log_count", Default: fmt.Sprint(logfile.DefaultCount), Doc: "How many renamed log files are kept."},
	{Name: "use_skylog", Default: "0", Doc: "1: log to syslog too."},
}

// Section reads the ini file, refuses unknown keys and returns the program's
// section. The caller takes its values and then asks the section's Err.
func (a *App) Section() (*conf.Section, error) {
	s, err := a.section(false)
	if err == nil {
		err = s.Unknown(a.keysOf(s.Name))
	}
	if err != nil {
		return nil, Usage(err)
	}
	return s, nil
}

// section reads the section that the command is for; any that the program
// knows where no command says which.
func (a *App) section(any bool) (*conf.Section, error) {
	f, err := conf.Load(a.config)
	if err != nil {
		return nil, err
	}
	names := a.wanted
	if len(names) == 0 {
		names = []string{a.Name}
		for _, other := range a.Also {
			if other.Instead || any {
				names = append(names, other.Name)
			}
		}
	}
	for _, name := range names {
		if slices.Contains(f.Sections(), name) {
			return f.Section(name, nil)
		}
	}
	return f.Section(names[0], nil) // says what is there instead
}

// keysOf are the documented keys of a section.
func (a *App) keysOf(section string) []conf.Key {
	for _, other := range a.Also {
		if other.Name == section {
			return other.Keys
		}
	}
	return a.Keys
}

// ConfigFile is the ini file's name as given.
func (a *App) ConfigFile() string { return a.config }

// OpenLog opens the log that the section's keys and -q or -v ask for; lines
// go to stderr too. Keys without effect are named in it, once.
func (a *App) OpenLog(s *conf.Section, stderr io.Writer) (*logfile.Log, error) {
	keys := a.keysOf(s.Name)
	o := logfile.Options{
		Path:    s.File("logfile", ""),
		Size:    int64(s.Int("log_size", logfile.DefaultSize)),
		Count:   s.Int("log_count", logfile.DefaultCount),
		Syslog:  s.Int("use_skylog", 0) > 0,
		Ident:   s.String("job_name", a.Name),
		Console: stderr,
		Level:   logfile.Level(a.quiet, a.verbose),
	}
	if k := conf.Find(keys, "syslog"); k != nil { // pgqd's way to say it
		_, asked := s.Get("syslog")
		on := s.Bool("syslog", k.Default == "1")
		o.Try = on && !asked && !o.Syslog
		o.Syslog = o.Syslog || on
		o.Ident = s.String("syslog_ident", o.Ident)
		o.Facility = s.Choice("syslog_facility", "daemon", logfile.Facilities()...)
	}
	if err := s.Err(); err != nil {
		return nil, Usage(err)
	}
	l, err := logfile.Open(o)
	if err != nil {
		return nil, err
	}
	if !a.noted {
		a.noted = true
		for _, line := range s.Ignored(keys) {
			l.Warn(line)
		}
	}
	return l, nil
}

// Job is what a daemon's work gets to know of the process it runs in.
type Job struct {
	Log *slog.Logger
	// Stop is closed by SIGINT: finish the current batch, then return.
	Stop <-chan struct{}
	// Reload gets a value after SIGHUP, when the log is already reopened.
	Reload <-chan struct{}
	// Ready tells a waiting parent or systemd that start-up succeeded. What
	// is refused after it is not seen by who typed the command.
	Ready func()
}

// Daemon runs work as the program's daemon: in the background with -d, under
// the pidfile, logging, with signals taken. Its context ends at SIGTERM.
func (a *App) Daemon(ctx context.Context, s *conf.Section, stderr io.Writer, work func(ctx context.Context, job Job) error) error {
	pidfile := s.File("pidfile", "")
	if err := s.Err(); err != nil {
		return Usage(err)
	}
	if a.background && !daemon.Detached() {
		if pidfile == "" {
			return hint.With(daemon.ErrNeedPidfile, "set pidfile in section [%s] of %s", s.Name, s.Path())
		}
		status, err := daemon.Detach(ctx, stderr)
		if err != nil {
			return err
		}
		return Status(status, nil)
	}
	log, err := a.OpenLog(s, stderr)
	if err != nil {
		return err
	}
	defer log.Close()
	if pidfile != "" {
		p, err := daemon.Acquire(pidfile, log.Logger)
		if err != nil {
			log.Aside.Error(err.Error())
			return err
		}
		defer p.Remove()
	}
	if err = supervise(ctx, log, work); err != nil {
		// Run prints it too, but a daemon's stderr is nowhere.
		log.Aside.Log(ctx, logfile.LevelFatal, fmt.Sprintf("Job %s crashed: %s", s.String("job_name", a.Name), err))
	}
	return err
}

var errStopped = errors.New("ended by SIGINT")

// supervise runs work with signals taken. Killed, work has nothing to
// complain about.
func supervise(ctx context.Context, log *logfile.Log, work func(context.Context, Job) error) error {
	ctx, signals, release := daemon.Listen(ctx)
	defer release()
	reload, relayed := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(relayed)
		reopen(ctx, log, signals.Reload, reload)
	}()
	err := work(ctx, Job{Log: log.Logger, Stop: signals.Stop, Reload: reload, Ready: func() {
		if err := daemon.Ready(); err != nil {
			log.Warn("could not tell that the daemon is ready", "error", err)
		}
	}})
	ended := context.Cause(ctx)
	if ended == nil && err == nil {
		select {
		case <-signals.Stop:
			ended = errStopped
		default:
		}
	}
	if err := daemon.Stopping(); err != nil {
		log.Warn("could not tell that the daemon is stopping", "error", err)
	}
	release()
	<-relayed
	if ended == nil {
		return err
	}
	log.Info(ended.Error())
	if err != nil {
		log.Debug("interrupted", "error", err)
	}
	return nil
}

// reopen opens the log anew at each value of in and passes it on to out,
// until ctx ends.
func reopen(ctx context.Context, log *logfile.Log, in <-chan struct{}, out chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-in:
		}
		if err := log.Reopen(); err != nil {
			log.Error("reload: the old log file stays in use", "error", err)
		}
		select {
		case out <- struct{}{}:
		default:
		}
	}
}

// signal does what -s, -k or -r ask for and says so on stdout.
func (a *App) signal(stdout io.Writer) error {
	var sig syscall.Signal
	what, n := "", 0
	for _, c := range []struct {
		on   bool
		sig  syscall.Signal
		what string
	}{
		{a.stop, syscall.SIGINT, "SIGINT: it finishes its current batch and leaves"},
		{a.kill, syscall.SIGTERM, "SIGTERM: it leaves at once"},
		{a.reload, syscall.SIGHUP, "SIGHUP: it reloads"},
	} {
		if c.on {
			sig, what = c.sig, c.what
			n++
		}
	}
	if n > 1 {
		return Usage(errors.New("-s, -k and -r exclude each other"))
	}
	s, err := a.section(true)
	if err != nil {
		return Usage(err)
	}
	pidfile := s.File("pidfile", "")
	if err := s.Err(); err != nil {
		return Usage(err)
	}
	pid, err := daemon.Signal(pidfile, sig)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "process %d got %s\n", pid, what)
	return nil
}
