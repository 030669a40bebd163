//go:build long

package pgserver

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestUnpack fetches packages as on a machine without PostgreSQL, and runs
// what it gets. It needs the network, apt and npm.
func TestUnpack(t *testing.T) {
	for _, u := range unpackers {
		t.Run(u.name, func(t *testing.T) {
			ctx := t.Context()
			if u.name == "debian" {
				empty := t.TempDir()
				if err := os.WriteFile(filepath.Join(empty, "status"), nil, 0o644); err != nil {
					t.Fatal(err)
				}
				dpkgAdmin = empty
				t.Cleanup(func() { dpkgAdmin = "/var/lib/dpkg" })
			}
			cache := t.TempDir()
			opt := FindOptions{SkipInstalled: true, Unpack: cache, Log: t.Logf}
			begin := time.Now()
			b, err := fetch(ctx, opt, cache, u)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("PostgreSQL %d from %s in %s, %v", b.Major, b.Source, b.Dir, time.Since(begin))
			if !strings.HasPrefix(b.Dir, cache) {
				t.Errorf("programs are in %s, not below %s", b.Dir, cache)
			}
			again, err := Find(ctx, opt)
			if err != nil || again != b {
				t.Errorf("found %+v (%v) the second time, want %+v", again, err, b)
			}
			if left, _ := filepath.Glob(filepath.Join(cache, "unpacking-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			s := newTestServer(t, Options{Programs: b})
			if got := ask(t, s.DSN("postgres", Superuser), "select version()"); !strings.Contains(got, "PostgreSQL") {
				t.Error(got)
			}
			useServer(t, s)
		})
	}
}

// useServer does what loads libraries late: collations, xml, plpgsql, a query
// that is worth compiling.
func useServer(t *testing.T, s *Server) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.DSN("postgres", Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		"do $$ begin perform 1; end $$",
		"select 'a' < 'b' collate \"und-x-icu\"",
		"select '<a/>'::xml",
		"set jit_above_cost = 0",
		"select sum(i) from generate_series(1, 1000) i where i % 3 = 0",
		"set TimeZone = 'UTC'",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
