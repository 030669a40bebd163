// Package dsn reads connection strings as libpq does.
//
// A string is `key=value …` or a URI; what it leaves out comes from a service
// file, the PG* environment and the password file. pgx reads all of that. Two
// things it does otherwise are mended here:
//
//   - a keyword that pgx does not know goes to the server as a setting, which
//     then refuses the connection. Keywords that libpq knows are obeyed
//     (keepalives, hostaddr, load_balance_hosts, sslcrl …), dropped where they
//     change nothing here (gssencmode=prefer), or refused with a reason; any
//     other word is a misspelling and is named before anything is dialled.
//   - its errors quote the string with the password blanked by best effort.
//     Errors of this package never quote the string.
//
// [Redact] blanks passwords in any text on its way to people.
package dsn

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
)

// Parse turns a connection string into pgx's configuration. client_encoding
// is always UTF8; application_name is left as given, the caller may set one.
// No error contains a password.
func Parse(connString string) (*pgx.ConnConfig, error) {
	given, err := keywords(connString)
	if err != nil {
		return nil, fmt.Errorf("connection string: %w", err)
	}
	cfg, err := parse(connString)
	if err != nil {
		return nil, err
	}
	if addr := hostaddr(cfg); addr != "" && !hostGiven(cfg, given) {
		if cfg, err = parse(withHost(connString, addr)); err != nil {
			return nil, err
		}
	}
	if err := obey(cfg); err != nil {
		return nil, fmt.Errorf("connection string: %w", err)
	}
	cfg.Database = cmp.Or(cfg.Database, cfg.User) // as the server would take it, so that messages have its name
	return cfg, nil
}

// parse is pgx's reading, its errors without the string they quote.
func parse(connString string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(connString)
	if err == nil {
		return cfg, nil
	}
	quoted := pgconn.NewParseConfigError(connString, "", nil).Error()
	reason, ok := strings.CutPrefix(err.Error(), quoted)
	if !ok || strings.HasPrefix(reason, "failed to parse as") {
		// pgx's reason may quote a piece of a password with odd characters.
		return nil, hint.With(errors.New("connection string: not a valid connection URI"),
			"characters like @ : / ? # %% and spaces in a user name or password must be percent-encoded (@ is %%40)")
	}
	return nil, fmt.Errorf("connection string: %s", reason)
}

// hostaddr is the address list that replaces the look-up of host names.
func hostaddr(cfg *pgx.ConnConfig) string {
	if addr, ok := cfg.RuntimeParams["hostaddr"]; ok {
		return addr
	}
	return os.Getenv("PGHOSTADDR")
}

// hostGiven tells whether a host name stands beside hostaddr (it then names
// the server to TLS and to the password file). A socket directory is none.
func hostGiven(cfg *pgx.ConnConfig, given []string) bool {
	if strings.HasPrefix(cfg.Host, "/") {
		return false
	}
	return cfg.Host != "localhost" || os.Getenv("PGHOST") != "" || slices.Contains(given, "host")
}

func withHost(connString, addr string) string {
	if !isURI(connString) {
		return connString + " host='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(addr) + "'"
	}
	sep := "?"
	if strings.Contains(connString, "?") {
		sep = "&"
	}
	return connString + sep + "host=" + strings.NewReplacer("%", "%25", "&", "%26", ":", "%3A").Replace(addr)
}

// Describe says where a configuration leads, for messages:
// `database foo on 127.0.0.1:5555 as chry`.
func Describe(cfg *pgx.ConnConfig) string {
	var places []string
	add := func(host string, port uint16) {
		place := fmt.Sprintf("%s:%d", host, port)
		if strings.Contains(host, ":") {
			place = fmt.Sprintf("[%s]:%d", host, port)
		}
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	add(cfg.Host, cfg.Port)
	for _, f := range cfg.Fallbacks {
		add(f.Host, f.Port)
	}
	return fmt.Sprintf("database %s on %s as %s", cfg.Database, strings.Join(places, ","), cfg.User)
}
