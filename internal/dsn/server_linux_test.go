package dsn_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/skytools-go/skytools/internal/dsn"
	"github.com/skytools-go/skytools/internal/pgtest"
)

func TestMain(m *testing.M) {
	pgtest.Main(m)
}

// A server takes a connection made from every keyword that is no setting.
func TestServerAcceptsWhatIsLeft(t *testing.T) {
	cfg, err := dsn.Parse(pgtest.Database(t, pgtest.Server(t), nil) +
		" keepalives=1 keepalives_idle=10 keepalives_interval=5 keepalives_count=3 tcp_user_timeout=9000 hostaddr=127.0.0.1" +
		" host=no-such-host.invalid load_balance_hosts=random gssencmode=prefer gsslib=x sslcompression=0 client_encoding=auto" +
		" fallback_application_name='the shim' options='-c work_mem=7MB' connect_timeout=10 sslmode=prefer")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var name, mem, encoding string
	err = conn.QueryRow(t.Context(), `select current_setting('application_name'), current_setting('work_mem'), current_setting('client_encoding')`).
		Scan(&name, &mem, &encoding)
	if err != nil || name != "the shim" || mem != "7MB" || encoding != "UTF8" {
		t.Errorf("application_name %q, work_mem %q, client_encoding %q, %v", name, mem, encoding, err)
	}
}

func TestKeepalivesReachTheSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for in, want := range map[string]map[string]int{
		"keepalives_idle=77 keepalives_interval=11 keepalives_count=4 tcp_user_timeout=9000": {"on": 1, "idle": 77, "interval": 11, "count": 4, "user": 9000},
		"keepalives=0": {"on": 0},
		"":             {"on": 1, "idle": 15},
	} {
		cfg, err := dsn.Parse("user=u host=127.0.0.1 port=" + port + " " + in)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := cfg.DialFunc(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			if got := option(t, conn, name); got != value {
				t.Errorf("%q: %s is %d, want %d", in, name, got, value)
			}
		}
		_ = conn.Close()
	}
}

func option(t *testing.T, conn net.Conn, name string) (value int) {
	t.Helper()
	options := map[string][2]int{
		"on": {unix.SOL_SOCKET, unix.SO_KEEPALIVE}, "idle": {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, "interval": {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
		"count": {unix.IPPROTO_TCP, unix.TCP_KEEPCNT}, "user": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), options[name][0], options[name][1]) })
	if err != nil {
		t.Fatal(err)
	}
	return value
}
