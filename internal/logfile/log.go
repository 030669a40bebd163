package logfile

import (
	"io"
	"log/slog"
	"log/syslog"
)

// Skytools' defaults for the keys log_size (bytes) and log_count.
const (
	DefaultSize  = 10485760
	DefaultCount = 3
)

// Options say where a program logs. The zero value logs nowhere.
type Options struct {
	Path    string // key logfile; "" for none
	Size    int64  // key log_size, bytes
	Count   int    // key log_count
	Syslog  bool   // key use_skylog
	Ident   string // name in syslog: the job's
	Console io.Writer
	Level   slog.Level
}

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
		l.sys, failed = syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, o.Ident)
		if failed == nil {
			all = append(all, &handler{level: o.Level, put: l.toSyslog})
		}
	}
	l.Aside = slog.New(slog.NewMultiHandler(all...))
	if o.Console != nil {
		all = append(all, NewConsole(o.Console, o.Level))
	}
	l.Logger = slog.New(slog.NewMultiHandler(all...))
	if failed != nil {
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
