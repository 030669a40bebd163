// Package cli is what the programs have in common at the command line:
//
//	PROGRAM [flags] FILE.ini COMMAND [ARGS] [flags]
//
// Flags may stand anywhere. The first argument that is no flag and no command
// is the ini file; a pass before parsing turns it into --config, also while
// the shell completes. Skytools' switches (-q -v -d -s -k -r -V --ini) mean
// the same in every program.
//
// A program makes an [App], adds commands to its Root and returns what
// [App.Run] returns. A command reads its section by [App.Section], writes
// results to its OutOrStdout (tables by [App.Print], which knows --json) and
// messages to the log; a daemon runs under [App.Daemon].
//
// Exit status: 0 done, 1 failed, 2 wrong usage or a mistake in the ini file. A command that has another one
// to tell returns [Status]. Errors are printed by Run and nobody else:
//
//	londiste: error: table public.log has no primary key
//	hint: add one, or name a unique index on NOT NULL columns with --key INDEX
//
// Nothing that is mistyped ends with status 0: [App.Check] holds a program's
// tree of commands to that.
package cli
