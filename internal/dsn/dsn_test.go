package dsn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/skytools-go/skytools/internal/hint"
)

// bare takes the PG* environment and the home directory's files away.
func bare(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "PG") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("PGPASSFILE", filepath.Join(t.TempDir(), "none"))
}

func mustParse(t *testing.T, s string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return cfg
}

func TestParseForms(t *testing.T) {
	bare(t)
	for s, want := range map[string]string{
		"dbname=foo host=127.0.0.1 port=5555 user=chry":                           "database foo on 127.0.0.1:5555 as chry",
		"dbname = 'my db' host=h user = 'a\\'b' port=1":                           "database my db on h:1 as a'b",
		"dbname=foo\nhost=h\n\tuser=u":                                            "database foo on h:5432 as u",
		"postgresql://u:p%40ss@h1:1,h2:2/foo?connect_timeout=3":                   "database foo on h1:1,h2:2 as u",
		"postgres://u@[::1]:6000/foo":                                             "database foo on [::1]:6000 as u",
		"host=/tmp user=u":                                                        "database u on /tmp:5432 as u",
		"host=a,b port=1,2 dbname=d user=u sslmode=prefer":                        "database d on a:1,b:2 as u",
		"host=h user=u dbname=d keepalives=1 gssencmode=disable sslcompression=0": "database d on h:5432 as u",
	} {
		if got := Describe(mustParse(t, s)); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

func TestEnvironmentServiceAndPassfile(t *testing.T) {
	bare(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("PGPASSFILE", write("pass", "db.example:6432:foo:chry:from-file\n10.0.0.9:*:*:*:by-address\n"))
	t.Setenv("PGSERVICEFILE", write("service", "[prod]\nhost=db.example\nport=6432\nkeepalives_idle=7\n\n[bad]\nhots=x\n"))
	t.Setenv("PGUSER", "chry")
	cfg := mustParse(t, "service=prod dbname=foo")
	if got := Describe(cfg); got != "database foo on db.example:6432 as chry" {
		t.Error(got)
	}
	if cfg.Password != "from-file" {
		t.Errorf("password %q", cfg.Password)
	}
	if _, sent := cfg.RuntimeParams["keepalives_idle"]; sent {
		t.Error("keepalives_idle of the service file would go to the server")
	}
	if _, err := Parse("service=bad dbname=foo"); err == nil || hint.Of(err) != `did you mean "host"?` {
		t.Errorf("misspelt keyword in a service file: %v, hint %q", err, hint.Of(err))
	}
	cfg = mustParse(t, "hostaddr=10.0.0.9 dbname=foo")
	if cfg.Host != "10.0.0.9" || cfg.Password != "by-address" {
		t.Errorf("hostaddr alone: host %q, password %q", cfg.Host, cfg.Password)
	}
}

func TestOnlySettingsReachTheServer(t *testing.T) {
	bare(t)
	cfg := mustParse(t, "host=h user=u keepalives=1 keepalives_idle=10 keepalives_interval=5 keepalives_count=3 tcp_user_timeout=9000 "+
		"hostaddr=127.0.0.1 load_balance_hosts=random gssencmode=prefer fallback_application_name=londiste client_encoding=auto "+
		"gsslib=x options='-c work_mem=8MB' ssl_min_protocol_version=TLSv1.3 sslmode=require")
	want := map[string]string{"application_name": "londiste", "client_encoding": "UTF8", "options": "-c work_mem=8MB"}
	for k, v := range cfg.RuntimeParams {
		if want[k] != v {
			t.Errorf("sends %s=%q", k, v)
		}
		delete(want, k)
	}
	if len(want) > 0 {
		t.Errorf("does not send %v", want)
	}
	if cfg.TLSConfig.MinVersion != 0x0304 {
		t.Errorf("TLS from %x", cfg.TLSConfig.MinVersion)
	}
	named := mustParse(t, "host=h user=u application_name=me fallback_application_name=londiste")
	if got := named.RuntimeParams["application_name"]; got != "me" {
		t.Errorf("application_name %q", got)
	}
}

func TestHostaddr(t *testing.T) {
	bare(t)
	for s, want := range map[string][2]string{
		"host=db.example hostaddr=10.1.1.1 user=u":                   {"db.example", "10.1.1.1"},
		"hostaddr=10.1.1.1 user=u":                                   {"10.1.1.1", "10.1.1.1"},
		"hostaddr=::1 user=u":                                        {"::1", "::1"},
		"host=/tmp hostaddr=10.1.1.1 user=u":                         {"10.1.1.1", "10.1.1.1"},
		"host=localhost hostaddr=10.1.1.1 user=u":                    {"localhost", "10.1.1.1"},
		"postgres://u@db.example/foo?hostaddr=10.1.1.1":              {"db.example", "10.1.1.1"},
		"postgres://u@/foo?hostaddr=10.1.1.1":                        {"10.1.1.1", "10.1.1.1"},
		"host=a,b hostaddr=10.1.1.1,10.1.1.2 user=u sslmode=prefer":  {"a", "10.1.1.1"},
		"host=db.example hostaddr='10.1.1.1' user=u sslmode=disable": {"db.example", "10.1.1.1"},
	} {
		cfg := mustParse(t, s)
		addrs, err := cfg.LookupFunc(t.Context(), cfg.Host)
		if err != nil || cfg.Host != want[0] || len(addrs) != 1 || addrs[0] != want[1] {
			t.Errorf("%q: host %q resolves to %v (%v), want %v", s, cfg.Host, addrs, err, want)
		}
	}
	t.Setenv("PGHOSTADDR", "10.2.2.2")
	cfg := mustParse(t, "host=db.example user=u")
	if addrs, _ := cfg.LookupFunc(t.Context(), cfg.Host); len(addrs) != 1 || addrs[0] != "10.2.2.2" {
		t.Errorf("PGHOSTADDR: %v", addrs)
	}
}

func TestLoadBalanceKeepsEveryTry(t *testing.T) {
	bare(t)
	first := map[string]bool{}
	for range 200 {
		cfg := mustParse(t, "host=a,b,c port=1,2,3 user=u load_balance_hosts=random sslmode=prefer")
		first[cfg.Host] = true
		seen := map[string]int{}
		prev := cfg.Host
		seen[cfg.Host]++
		for i, f := range cfg.Fallbacks {
			seen[f.Host]++
			if i%2 == 0 && f.Host != prev {
				t.Fatalf("TLS and plain try of %s are apart", prev)
			}
			prev = f.Host
		}
		if len(seen) != 3 || seen["a"] != 2 || seen["b"] != 2 || seen["c"] != 2 {
			t.Fatalf("tries %v", seen)
		}
	}
	if len(first) != 3 {
		t.Errorf("only %v came first", first)
	}
}

func TestErrors(t *testing.T) {
	bare(t)
	for _, c := range []struct{ in, err, hint string }{
		{"hots=h", `connection string: unknown keyword "hots"`, `did you mean "host"?`},
		{"host=h pasword=s3cret", `connection string: unknown keyword "pasword"`, `did you mean "password"?`},
		{"host=h PORT=1", `connection string: unknown keyword "PORT"`, `did you mean "port"?`},
		{"postgres://h/d?sslmod=require", `connection string: unknown keyword "sslmod"`, `did you mean "sslmode"?`},
		{"host=h search_path=x", `connection string: unknown keyword "search_path"`, "a server setting goes into options='-c search_path=…'"},
		{"host", `connection string: missing "=" after "host"`, ""},
		{"host=h dbname = 'x", `connection string: the quoted value of "dbname" has no closing quote`, ""},
		{"password=s3cret s3cret user=x", "connection string: what follows the password is no keyword", "a password with odd characters is written password='…', in a URI percent-encoded"},
		{"password=s3cret zs3cret=x", "connection string: what follows the password is no keyword", "a password with odd characters is written password='…', in a URI percent-encoded"},
		{"password=s3cret hots=x", `connection string: unknown keyword "hots"`, `did you mean "host"?`},
		{"host=h port=s3cret", "connection string: invalid port", ""},
		{"postgres://u:s3cret:x@h:99999/d", "connection string: invalid port", ""},
		{"postgres://u:s3/cret@h/d", "connection string: the URI has an @ or / too many before its host", "in a user name or password write / as %2F, ? as %3F, @ as %40"},
		{"postgres://u:s3cret%zz@h/d", "connection string: not a valid connection URI", "characters like @ : / ? # % and spaces in a user name or password must be percent-encoded (@ is %40)"},
		{"host=h sslmode=maybe password=s3cret", "connection string: failed to configure TLS (sslmode is invalid)", ""},
		{"host=h gssencmode=require", "connection string: gssencmode=require is not supported: there is no GSSAPI encryption", ""},
		{"host=h requirepeer=postgres", `connection string: keyword "requirepeer" is not supported`, ""},
		{"host=h keepalives_idle=soon", `connection string: keepalives_idle = "soon" is not a number`, ""},
		{"host=a,b hostaddr=10.0.0.1", "connection string: 1 addresses in hostaddr for 2 hosts", ""},
		{"host=a hostaddr=db.example", `connection string: hostaddr "db.example" is not an IP address`, ""},
		{"host=h client_encoding=latin1", `connection string: client_encoding is always UTF8, not "latin1"`, ""},
		{"host=h load_balance_hosts=yes", `connection string: load_balance_hosts is disable or random, not "yes"`, ""},
	} {
		_, err := Parse(c.in)
		if err == nil {
			t.Errorf("%q: no error", c.in)
			continue
		}
		if err.Error() != c.err || hint.Of(err) != c.hint {
			t.Errorf("%q:\n got %s\nhint %s\nwant %s\nhint %s", c.in, err, hint.Of(err), c.err, c.hint)
		}
		if strings.Contains(err.Error()+hint.Of(err), "s3") {
			t.Errorf("%q: the password is in %q", c.in, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"host=h password=s3cret user=u":                   "host=h password=xxxxx user=u",
		"password = s3cret user=u":                        "password = xxxxx user=u",
		`password='s3 \' cret' user=u`:                    "password=xxxxx user=u",
		`password=s3\ cret user=u`:                        "password=xxxxx user=u",
		`password='s3cret never closed user=u`:            "password=xxxxx",
		"PASSWORD=s3cret sslpassword='s3 cret' x":         "PASSWORD=xxxxx sslpassword=xxxxx x",
		"postgres://u:s3cret@h/d":                         "postgres://u:xxxxx@h/d",
		"postgresql://u:s3@cret@h/d":                      "postgresql://u:xxxxx@h/d",
		"postgres://u:s3/cret@h/d":                        "postgres://u:xxxxx@h/d",
		"postgres://u:s3?cret#@h/d":                       "postgres://u:xxxxx@h/d",
		"postgres://u@h/d?application_name=a@b":           "postgres://u@h/d?application_name=a@b",
		"postgres://h/d?user=u&pass%77ord=s3cret&port=1":  "postgres://h/d?user=u&pass%77ord=xxxxx&port=1",
		"postgres://h/d?password=s3cret&sslpassword=s3":   "postgres://h/d?password=xxxxx&sslpassword=xxxxx",
		"cannot reach `postgres://u:s3cret@h/d`: refused": "cannot reach `postgres://u:xxxxx@h/d`: refused",
		"no password here":                                "no password here",
		"":                                                "",
	} {
		if got := Redact(in); got != want {
			t.Errorf("Redact(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

// Whatever the password, neither Redact nor an error shows it.
func TestNoPasswordGetsOut(t *testing.T) {
	bare(t)
	rapid.Check(t, func(t *rapid.T) {
		secret := "Zq" + rapid.StringMatching(`[a-z0-9 @:/?#%&='\\,\[\]]{0,12}`).Draw(t, "secret") + "qZ"
		quoted := "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(secret) + "'"
		breakIt := rapid.SampledFrom([]string{"", " hots=1", " port=x", " sslmode=odd", " user"}).Draw(t, "break")
		forms := []string{
			"host=h password=" + quoted + breakIt,
			"host=h password=" + secret + breakIt,
			"host=h sslpassword = " + quoted + breakIt,
			"postgres://u:" + secret + "@h:" + "1/d?hots=" + breakIt,
		}
		for _, s := range forms {
			if _, err := Parse(s); err != nil {
				if text := err.Error() + hint.Of(err); strings.Contains(text, "Zq") || strings.Contains(text, "qZ") {
					t.Fatalf("Parse(%q): %s", s, text)
				}
			}
		}
		if got := Redact(forms[0]); strings.Contains(got, "qZ") || strings.Contains(got, "Zq") {
			t.Fatalf("Redact(%q) = %q", forms[0], got)
		}
		if !strings.ContainsAny(secret, " '") {
			if got := Redact(forms[3]); strings.Contains(got, "qZ") {
				t.Fatalf("Redact(%q) = %q", forms[3], got)
			}
		}
	})
}
