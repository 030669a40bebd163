package logfile

import (
	"io"
	"log/slog"
	"log/syslog"
	"maps"
	"slices"
)

// Skytools' defaults for the keys log_size (bytes) and log_count.
const (
	DefaultSize  = 10485760
	DefaultCount = 3
)

// Options say where a program logs. The zero value logs nowhere.
type Options struct {
	Path   string // key logfile; "" for none
	Size   int64  // key log_size, bytes
	Count  int    // key log_count
	Syslog bool   // key use_skylog
	Try    bool   // a syslog that is not there goes without saying
	Ident  string // name in syslog: the job's
	// Facility is the sender's kind in syslog, one of [Facilities]; "" is daemon.
	Facility string
	Console  io.Writer
	Level    slog.Level
}

var facilities = map[string]syslog.Priority{
	"auth": syslog.LOG_AUTH, "authpriv": syslog.LOG_AUTHPRIV, "cron": syslog.LOG_CRON, "daemon": syslog.LOG_DAEMON,
	"ftp": syslog.LOG_FTP, "kern": syslog.LOG_KERN, "lpr": syslog.LOG_LPR, "mail": syslog.LOG_MAIL,
	"news": syslog.LOG_NEWS, "syslog": syslog.LOG_SYSLOG, "user": syslog.LOG_USER, "uucp": syslog.LOG_UUCP,
	"local0": syslog.LOG_LOCAL0, "local1": syslog.LOG_LOCAL1, "local2": syslog.LOG_LOCAL2, "local3": syslog.LOG_LOCAL3,
	"local4": syslog.LOG_LOCAL4, "local5": syslog.LOG_LOCAL5, "local6": syslog.LOG_LOCAL6, "local7": syslog.LOG_LOCAL7,
}

// Facilities are the names that [Options] takes for one.
func Facilities() []string { return slices.Sorted(maps.Keys(facilities)) }

// Log is a logger and the file behind it.
type Log struct {
	*slog.Logger
	// Aside logs to file and syslog but not to the console, for what the
	// program prints there in words of its own.
	Aside *slog.Logger
	file  *File
	sys   *syslog.Writer
}

// Open opens the log. A syslog that does not answer is a warning in the log,
// no error: the program's work does not hang on it.
func Open(o Options) (*Log, error) {
	l := &Log{}
	var all []slog.Handler // the console's comes last
	if o.Path != "" {
		f, err := OpenFile(o.Path, o.Size, o.Count)
		if err != nil {
			return nil, err
		}
		l.file = f
		all = append(all, NewHandler(f, o.Level))
	}
	var failed error
	if o.Syslog {
		facility, ok := facilities[o.Facility]
		if !ok {
			facility = syslog.LOG_DAEMON
		}
		l.sys, failed = syslog.New(facility|syslog.LOG_INFO, o.Ident)
		if failed == nil {
			all = append(all, &handler{level: o.Level, put: l.toSyslog})
		}
	}
	l.Aside = slog.New(slog.NewMultiHandler(all...))
	if o.Console != nil {
		all = append(all, NewConsole(o.Console, o.Level))
	}
	l.Logger = slog.New(slog.NewMultiHandler(all...))
	if failed != nil && !o.Try {
		l.Warn("use_skylog: syslog does not answer, going on without", "error", failed)
	}
	return l, nil
}

func (l *Log) toSyslog(level slog.Level, line string) error {
	switch {
	case level < slog.LevelInfo:
		return l.sys.Debug(line)
	case level < slog.LevelWarn:
		return l.sys.Info(line)
	case level < slog.LevelError:
		return l.sys.Warning(line)
	case level < LevelFatal:
		return l.sys.Err(line)
	}
	return l.sys.Crit(line)
}

// Reopen opens the log file anew: what SIGHUP asks for.
func (l *Log) Reopen() error {
	if l.file == nil {
		return nil
	}
	return l.file.Reopen()
}

// Close ends the log.
func (l *Log) Close() error {
	if l.sys != nil {
		_ = l.sys.Close()
	}
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
