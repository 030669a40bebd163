// Package logfile writes Skytools' log lines.
//
// A line is time, process id, level and message; attributes follow as
// key=value:
//
//	2026-11-22 11:30:03,123 4711 INFO Adding public.entry
//	2026-11-22 11:30:04,009 4711 WARNING slow batch tick=17 took=3.2s
//
// Levels are DEBUG, INFO, WARNING, ERROR and FATAL. One record is one line:
// further lines of a message are indented by a tab, so none can pass for a
// record of its own. Passwords of connection strings are blanked on the way.
//
// [Open] puts together what a program wants: a file that rotates by size as
// Python's RotatingFileHandler does (log, log.1 … log.N) and is opened anew by
// [Log.Reopen] after SIGHUP; lines without time on stderr; and syslog.
package logfile
