package dsn

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/hint"
)

// What becomes of a keyword.
type fate int

const (
	pass   fate = iota // pgx's business, or a setting of the session
	shim               // obeyed by this package
	drop               // changes nothing here
	refuse             // obeying it is not possible, ignoring it not safe
)

// words are libpq's keywords up to PostgreSQL 18, and pgx's own.
var words = map[string]fate{
	"host": pass, "port": pass, "dbname": pass, "database": pass, "user": pass, "password": pass, "passfile": pass,
	"connect_timeout": pass, "sslmode": pass, "sslkey": pass, "sslcert": pass, "sslcertmode": pass, "sslrootcert": pass,
	"sslnegotiation": pass, "sslpassword": pass, "sslsni": pass, "krbspn": pass, "krbsrvname": pass,
	"target_session_attrs": pass, "service": pass, "servicefile": pass, "min_protocol_version": pass,
	"max_protocol_version": pass, "channel_binding": pass, "require_auth": pass,
	"application_name": pass, "options": pass, "replication": pass, "timezone": pass,
	"statement_cache_capacity": pass, "description_cache_capacity": pass, "default_query_exec_mode": pass,

	"hostaddr": shim, "load_balance_hosts": shim, "fallback_application_name": shim, "client_encoding": shim,
	"keepalives": shim, "keepalives_idle": shim, "keepalives_interval": shim, "keepalives_count": shim, "tcp_user_timeout": shim,
	"gssencmode": shim, "sslcrl": shim, "ssl_min_protocol_version": shim, "ssl_max_protocol_version": shim,

	"gsslib": drop, "gssdelegation": drop, "sslcompression": drop, "authtype": drop, "tty": drop,

	"sslcrldir": refuse, "requirepeer": refuse, "requiressl": refuse, "sslkeylogfile": refuse,
	"scram_client_key": refuse, "scram_server_key": refuse,
	"oauth_issuer": refuse, "oauth_client_id": refuse, "oauth_client_secret": refuse, "oauth_scope": refuse,
}

// known are the words to suggest: those of libpq.
var known = slices.DeleteFunc(slices.Sorted(maps.Keys(words)), func(w string) bool {
	return w == "database" || words[w] == refuse
})

const (
	blanks  = " \t\n\r\v\f"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."
)

func isURI(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

func isSecret(keyword string) bool {
	switch strings.ToLower(keyword) {
	case "password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key":
		return true
	}
	return false
}

// keywords lists the keywords that a string sets and refuses unknown ones.
func keywords(s string) ([]string, error) {
	if isURI(s) {
		return uriKeywords(s)
	}
	return pairKeywords(s)
}

// pairKeywords walks over `key = value` pairs by libpq's rules.
func pairKeywords(s string) ([]string, error) {
	var keys []string
	for s = strings.TrimLeft(s, blanks); s != ""; s = strings.TrimLeft(s, blanks) {
		// What follows a password may be the rest of it: never print that.
		private := len(keys) > 0 && isSecret(keys[len(keys)-1])
		key, rest := s, ""
		if i := strings.IndexAny(s, "="+blanks); i >= 0 {
			key, rest = s[:i], strings.TrimLeft(s[i:], blanks)
		}
		rest, ok := strings.CutPrefix(rest, "=")
		if !ok || key == "" {
			if private {
				return nil, unquoted()
			}
			return nil, fmt.Errorf(`missing "=" after %q`, key)
		}
		if err := check(key, private); err != nil {
			return nil, err
		}
		rest, ok = skipValue(strings.TrimLeft(rest, blanks))
		if !ok {
			return nil, fmt.Errorf("the quoted value of %q has no closing quote", key)
		}
		keys, s = append(keys, key), rest
	}
	return keys, nil
}

// skipValue returns what follows the value at the start of s; false when its
// quote is never closed.
func skipValue(s string) (string, bool) {
	quoted := strings.HasPrefix(s, "'")
	if quoted {
		s = s[1:]
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case quoted && s[i] == '\'':
			return s[i+1:], true
		case !quoted && strings.IndexByte(blanks, s[i]) >= 0:
			return s[i:], true
		}
	}
	return "", !quoted
}

func uriKeywords(s string) ([]string, error) {
	_, rest, _ := strings.Cut(s, "://")
	// As in libpq, only a / ends the search for the @ after the password.
	hasUser := false
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		hasUser, rest = true, rest[i+1:]
	}
	if base, _, _ := strings.Cut(rest, "?"); strings.Contains(base, "@") {
		return nil, hint.With(errors.New("the URI has an @ or / too many before its host"),
			"in a user name or password write / as %%2F, ? as %%3F, @ as %%40")
	}
	// An @ still to come may end a password: its pieces are not to be printed.
	private := !hasUser && strings.Contains(rest, "@")
	var keys []string
	if authority, _, _ := cutAny(rest, "/?"); authority != "" {
		keys = append(keys, "host")
	}
	_, query, _ := strings.Cut(rest, "?")
	for pair := range strings.SplitSeq(query, "&") {
		raw, _, _ := strings.Cut(pair, "=")
		key, err := url.PathUnescape(raw)
		if err != nil {
			return nil, errors.New("a keyword of the URI is not percent-encoded properly")
		}
		if key == "" {
			continue
		}
		if key != "ssl" { // JDBC's ssl=true, which libpq takes in URIs only
			if err := check(key, private); err != nil {
				return nil, err
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", false
}

// check refuses a keyword that is unknown or cannot be obeyed. A private one
// may be a piece of a password and is named only if it is nearly a keyword.
func check(key string, private bool) error {
	f, ok := words[key]
	if ok && f == refuse {
		return fmt.Errorf("keyword %q is not supported", key)
	}
	if ok {
		return nil
	}
	near := hint.Nearest(strings.ToLower(key), known)
	if _, same := words[strings.ToLower(key)]; same {
		near = strings.ToLower(key)
	}
	switch {
	case near != "":
		return hint.With(fmt.Errorf("unknown keyword %q", key), "did you mean %q?", near)
	case private || strings.Trim(key, letters) != "":
		return unquoted()
	}
	return hint.With(fmt.Errorf("unknown keyword %q", key), "a server setting goes into options='-c %s=…'", key)
}

func unquoted() error {
	return hint.With(errors.New("what follows the password is no keyword"),
		"a password with odd characters is written password='…', in a URI percent-encoded")
}
