package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Superuser is the name of the cluster's superuser. Everybody on this machine
// may connect as it: these servers hold nothing of value.
const Superuser = "postgres"

// Options says what server to start. The zero value is a server of the newest
// version found, in a temporary folder, on a free port, which forgets its data
// when the machine crashes.
type Options struct {
	Dir    string            // the server's folder, made if missing; "" = a temporary one. A cluster already in it is started as it is
	BinDir string            // folder of initdb and postgres; "" = Programs
	Port   int               // 0 = a free one
	Fsync  bool              // commits survive a crash of the machine; stop "immediate" is survived either way
	Conf   map[string]string // further settings, name to value, written as given but quoted
	HBA    []string          // lines of pg_hba.conf that come before "trust everybody of this machine"
	Keep   bool              // the server outlives this process; the caller names Dir

	Programs Binaries // what Find found; zero = whatever Find finds installed
}

// Server is one cluster and, while it runs, its server process. Its methods
// may be called from several goroutines; stops and starts take turns.
type Server struct {
	dir  string
	bin  Binaries
	acc  account
	port int
	keep bool

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
	claim  *portClaim
	gone   bool
}

// all holds the servers of this process that RemoveAll has to remove.
var all struct {
	sync.Mutex
	servers map[*Server]bool
}

// Start makes a cluster and starts its server. When it returns, the server
// accepts connections on 127.0.0.1 and on a socket.
func Start(ctx context.Context, opt Options) (*Server, error) {
	s, err := newServer(ctx, opt)
	if err != nil {
		return nil, err
	}
	err = s.create(ctx, opt)
	if err == nil {
		err = s.startOnFreePort(ctx, opt.Port)
	}
	if err != nil {
		if !opt.Keep {
			err = errors.Join(err, s.Remove())
		}
		return nil, fmt.Errorf("start a PostgreSQL server in %s: %w", s.dir, err)
	}
	return s, nil
}

func newServer(ctx context.Context, opt Options) (*Server, error) {
	bin := opt.Programs
	if bin.Dir == "" {
		var err error
		if bin, err = Find(ctx, FindOptions{Dir: opt.BinDir}); err != nil {
			return nil, err
		}
	}
	acc, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir := opt.Dir
	if dir == "" {
		if opt.Keep {
			return nil, errors.New("a server that is kept needs a folder of the caller's")
		}
		if dir, err = runFolder(acc); err != nil {
			return nil, err
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, acc: acc, keep: opt.Keep}
	if !opt.Keep {
		all.Lock()
		if all.servers == nil {
			all.servers = map[*Server]bool{}
		}
		all.servers[s] = true
		all.Unlock()
	}
	return s, nil
}

// DataDir is the cluster's folder, LogFile what its server has said.
func (s *Server) DataDir() string { return filepath.Join(s.dir, "data") }

// LogFile is the path of the server's log.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "log") }

// Host is the address of the server: 127.0.0.1.
func (s *Server) Host() string { return "127.0.0.1" }

// Port is the server's port; it stays the same over stops and starts.
func (s *Server) Port() int { return s.port }

// Programs are the programs that the server runs from.
func (s *Server) Programs() Binaries { return s.bin }

// SocketDir is the folder of the server's socket, for a DSN's host; "" when
// the server's folder has too long a name for one.
func (s *Server) SocketDir() string {
	dir := filepath.Join(s.dir, "s")
	if len(dir)+len("/.s.PGSQL.65535") > maxSocketPath {
		return ""
	}
	return dir
}

// DSN returns a libpq connection string for a database and a user.
func (s *Server) DSN(dbname, user string) string {
	return fmt.Sprintf("host=%s port=%d dbname=%s user=%s sslmode=disable", s.Host(), s.port, quoteDSN(dbname), quoteDSN(user))
}

// quoteDSN quotes a value of a connection string where it needs it.
func quoteDSN(v string) string {
	if v != "" && !strings.ContainsAny(v, ` '\`) {
		return v
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
}

// PID is the server's process; 0 when it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running() {
		return 0
	}
	return s.cmd.Process.Pid
}

func (s *Server) running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// stopSignals are the server's own ways to stop, and the rude one.
var stopSignals = map[string]syscall.Signal{
	"smart":     syscall.SIGTERM, // waits for the clients
	"fast":      syscall.SIGINT,  // ends the clients
	"immediate": syscall.SIGQUIT, // as after a crash: the next start recovers
	"kill":      syscall.SIGKILL, // the postmaster only; its children notice
}

// Stop stops the server: "smart", "fast", "immediate" or "kill". It is no
// error that it does not run. When ctx ends first, the server is killed.
func (s *Server) Stop(ctx context.Context, mode string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop(ctx, mode)
}

func (s *Server) stop(ctx context.Context, mode string) error {
	sig, ok := stopSignals[mode]
	if !ok {
		return fmt.Errorf("no such way to stop a server: %q", mode)
	}
	if !s.running() {
		return nil
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case <-s.exited:
	case <-ctx.Done():
		_ = s.cmd.Process.Kill()
		<-s.exited
		return fmt.Errorf("server did not stop (%s) in time and was killed: %w", mode, ctx.Err())
	}
	if mode == "kill" {
		return s.awaitOrphans(ctx)
	}
	return nil
}

// awaitOrphans waits until the children of a killed postmaster are gone: the
// next one refuses to start beside them. They alone keep the log open.
func (s *Server) awaitOrphans(ctx context.Context) error {
	for processesIn(s.DataDir()) > 0 {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("children of the killed server stay: %w", err)
		}
	}
	return nil
}

// processesIn counts the processes whose working folder is dir, which is how
// each process of a server is known.
func processesIn(dir string) int {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	n := 0
	for _, l := range links {
		if cwd, err := os.Readlink(l); err == nil && cwd == dir {
			n++
		}
	}
	return n
}

// Restart stops the server ("fast") if it runs and starts it on the same port.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return errors.New("the server has been removed")
	}
	if err := s.stop(ctx, "fast"); err != nil {
		return err
	}
	return s.launch(ctx)
}

// Remove stops the server and deletes its folder. Calling it again is no error.
func (s *Server) Remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.stop(ctx, "immediate")
	// Backends of a server that was killed may still be writing files.
	_ = s.awaitOrphans(ctx)
	err = errors.Join(err, os.RemoveAll(s.dir))
	s.gone = true
	s.claim.release()
	all.Lock()
	delete(all.servers, s)
	all.Unlock()
	return err
}

// RemoveAll removes every server that this process started without Keep, and
// the folders around them.
func RemoveAll() error {
	all.Lock()
	var servers []*Server
	for s := range all.servers {
		servers = append(servers, s)
	}
	all.Unlock()
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Remove())
	}
	errs = append(errs, removeRunFolder())
	return errors.Join(errs...)
}

// create makes the cluster unless there is one, and writes its settings.
func (s *Server) create(ctx context.Context, opt Options) error {
	if err := s.makeFolders(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(s.DataDir(), "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		if err := s.initdb(ctx); err != nil {
			return err
		}
	}
	return s.configure(opt)
}

func (s *Server) makeFolders() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{s.DataDir(), filepath.Join(s.dir, "s")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := s.acc.own(dir); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) initdb(ctx context.Context) error {
	cmd, err := s.command(ctx, "initdb", "--pgdata", s.DataDir(), "--username", Superuser, "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	if err != nil {
		return err
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := startTied(cmd, syscall.SIGKILL); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out.String())
	}
	return nil
}

// configure writes our settings into a file of their own, which the server
// reads last, so that a second start with other options replaces them.
func (s *Server) configure(opt Options) error {
	conf := map[string]string{
		"listen_addresses":           s.Host(),
		"unix_socket_directories":    s.SocketDir(),
		"max_connections":            "200", // eight tests at once, each with two daemons
		"shared_buffers":             "64MB",
		"log_line_prefix":            "%m [%p] %q%a %u@%d ",
		"log_timezone":               "GMT", // the one zone that needs no time zone files
		"timezone":                   "GMT",
		"fsync":                      onOff(opt.Fsync),
		"full_page_writes":           onOff(opt.Fsync),
		"log_checkpoints":            "off",
		"restart_after_crash":        "on",
		"max_prepared_transactions":  "10",
		"unix_socket_permissions":    "0777", // the folder above has 0700; root passes
		"log_min_duration_statement": "-1",
	}
	for name, value := range opt.Conf {
		conf[name] = value
	}
	var names []string
	for name := range conf {
		names = append(names, name)
	}
	sort.Strings(names)
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "%s = '%s'\n", name, strings.ReplaceAll(conf[name], "'", "''"))
	}
	if err := s.write("throwaway.conf", text.String()); err != nil {
		return err
	}
	if err := s.includeConf(); err != nil {
		return err
	}
	hba := append([]string(nil), opt.HBA...)
	hba = append(hba, "local all all trust", "host all all 127.0.0.1/32 trust",
		"local replication all trust", "host replication all 127.0.0.1/32 trust")
	return s.write("pg_hba.conf", strings.Join(hba, "\n")+"\n")
}

func (s *Server) includeConf() error {
	const include = "include = 'throwaway.conf'\n"
	text, err := os.ReadFile(filepath.Join(s.DataDir(), "postgresql.conf"))
	if err != nil {
		return err
	}
	if strings.HasSuffix(string(text), include) {
		return nil
	}
	return s.write("postgresql.conf", string(text)+include)
}

func (s *Server) write(name, text string) error {
	path := filepath.Join(s.DataDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return s.acc.own(path)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// startOnFreePort starts the server on port, or on ports of its own choice
// until one is really free.
func (s *Server) startOnFreePort(ctx context.Context, port int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if port != 0 {
		s.port = port
		return s.launch(ctx)
	}
	var err error
	for range 5 {
		if s.claim, err = claimPort(); err != nil {
			return err
		}
		s.port = s.claim.port
		err = s.launch(ctx)
		if err == nil || !s.portTaken() {
			return err
		}
		s.claim.release()
	}
	return err
}

// portTaken tells whether the last start failed for somebody else's listener.
func (s *Server) portTaken() bool {
	return strings.Contains(s.LogTail(20), "could not create any TCP/IP sockets")
}

// launch starts the server process and waits until it is ready.
func (s *Server) launch(ctx context.Context) error {
	cmd, err := s.command(context.Background(), "postgres", "-D", s.DataDir(), "-p", strconv.Itoa(s.port))
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	tie := syscall.SIGQUIT // an immediate stop
	if s.keep {
		tie = 0
	}
	if err := startTied(cmd, tie); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	s.cmd, s.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		_ = cmd.Wait() // how it ended stands in its log
		close(exited)
	}(s.exited)
	return s.awaitReady(ctx)
}

func (s *Server) awaitReady(ctx context.Context) error {
	file := filepath.Join(s.DataDir(), "postmaster.pid")
	for {
		pid, state, err := readPostmasterPid(file)
		if err == nil && pid == s.cmd.Process.Pid && state == "ready" {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the server ended at once; the end of its log:\n%s", s.LogTail(10))
		case <-ctx.Done():
			_ = s.cmd.Process.Kill()
			<-s.exited
			return fmt.Errorf("the server was not ready in time: %w; the end of its log:\n%s", ctx.Err(), s.LogTail(10))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// LogTail returns the last n lines of the server's log.
func (s *Server) LogTail(n int) string {
	text, err := os.ReadFile(s.LogFile())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// command prepares one of the server's programs: as the server's user, in a
// session of its own (a Ctrl-C at the terminal is for us, not for it), with an
// environment that holds no PG* variable.
func (s *Server) command(ctx context.Context, program string, args ...string) (*exec.Cmd, error) {
	attr, err := s.acc.attributes(s.dir, s.bin.Dir)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin.Dir, program), args...)
	attr.Setsid = true
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	cmd.Env = append(s.bin.Env(), "PATH="+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=GMT")
	return cmd, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
