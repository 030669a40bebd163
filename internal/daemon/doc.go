// Package daemon is a program's life as a Unix process: its pidfile, its way
// into the background, and the signals that end or reload it.
//
// The pidfile is held under flock for as long as the process lives, so that
// a second one cannot start, a dead one's file is known to be stale, and a
// signal never reaches a stranger who got the same process id:
//
//	pidfile        lock      -s -k -r                                start
//	none           -         "No pidfile, process not running"       goes on
//	there          free      "pidfile exist, but process not running" "Ignoring stale pidfile", goes on
//	there          held      the signal is sent                      "Pidfile exists, another process running?"
//
// A free one whose process lives and is older than the file belongs to a
// program that does not lock, as Skytools' own: no start beside it, no signal.
//
// Go cannot fork, so -d starts the program again in a session of its own. The
// parent passes on what the child says on stderr until the child calls
// [Ready], then leaves with 0; a child that ends before is the parent's
// failure too:
//
//	parent                       child
//	Detach: starts child ──────► Detached() is true
//	relays stderr ◄───────────── reads ini, takes the pidfile, connects …
//	leaves with 0 ◄───────────── Ready: stderr to /dev/null
//	leaves with its status ◄──── or ends before
//
// Under systemd [Ready] and [Stopping] are told to it.
package daemon
