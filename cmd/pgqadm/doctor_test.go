package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// refusing is a server that answers every client with one error; it returns its
// port.
func refusing(t *testing.T, refusal *pgproto3.ErrorResponse) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed at the test's end
			}
			server := pgproto3.NewBackend(conn, conn)
			if _, err := server.ReceiveStartupMessage(); err == nil {
				server.Send(refusal)
				_ = server.Flush() // a client that has gone needs no answer
			}
			conn.Close()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// TestDoctorOfRefusingServer: one that has no room or starts up tells nothing of
// its queues, by either kind of ini file.
func TestDoctorOfRefusingServer(t *testing.T) {
	for _, refusal := range []*pgproto3.ErrorResponse{
		{Severity: "FATAL", Code: "57P03", Message: "the database system is starting up"},
		{Severity: "FATAL", Code: "53300", Message: "sorry, too many clients already"},
	} {
		port := refusing(t, refusal)
		one := fmt.Sprintf("[pgqadm]\njob_name = j\ndb = host=127.0.0.1 port=%d user=u sslmode=disable dbname=x\n", port)
		whole := fmt.Sprintf("[pgqd]\nbase_connstr = host=127.0.0.1 port=%d user=u sslmode=disable\n", port)
		for _, c := range []struct {
			ini  string
			args []string
		}{
			{one, []string{"doctor"}},
			{one, []string{"doctor", "--managed"}},
			{whole, []string{"doctor"}},
			{whole, []string{"doctor", "--managed", "--database", "x"}},
		} {
			ini := filepath.Join(t.TempDir(), "j.ini")
			if err := os.WriteFile(ini, []byte(c.ini), 0o644); err != nil {
				t.Fatal(err)
			}
			var out, errs strings.Builder
			status := run(t.Context(), append([]string{"pgqadm", ini}, c.args...), nil, &out, &errs)
			if status != 2 || !strings.Contains(errs.String(), refusal.Message) {
				t.Errorf("%v: exit status %d, said %q", c.args, status, errs.String())
			}
		}
	}
}
