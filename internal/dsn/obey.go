package dsn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// obey takes the keywords that are no session settings out of RuntimeParams
// and does what they say. Keywords of a service file are checked here.
func obey(cfg *pgx.ConnConfig) error {
	taken := map[string]string{}
	for key, value := range cfg.RuntimeParams {
		if err := check(key, false); err != nil {
			return err
		}
		if words[key] != pass {
			taken[key] = value
			delete(cfg.RuntimeParams, key)
		}
	}
	if addr := os.Getenv("PGHOSTADDR"); addr != "" && taken["hostaddr"] == "" {
		taken["hostaddr"] = addr
	}
	if name := taken["fallback_application_name"]; name != "" && cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = name
	}
	switch enc := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(taken["client_encoding"])); enc {
	case "", "auto", "utf8", "unicode":
	default:
		return fmt.Errorf("client_encoding is always UTF8, not %q", taken["client_encoding"])
	}
	cfg.RuntimeParams["client_encoding"] = "UTF8"
	if mode := taken["gssencmode"]; mode == "require" {
		return errors.New("gssencmode=require is not supported: there is no GSSAPI encryption")
	}
	for _, step := range []func(*pgx.ConnConfig, map[string]string) error{addresses, balance, sockets, versions, revoked} {
		if err := step(cfg, taken); err != nil {
			return err
		}
	}
	return nil
}

// addresses makes host names resolve to hostaddr's entries.
func addresses(cfg *pgx.ConnConfig, taken map[string]string) error {
	if taken["hostaddr"] == "" {
		return nil
	}
	addrs := strings.Split(taken["hostaddr"], ",")
	hosts := places(cfg)
	if len(addrs) != len(hosts) {
		return fmt.Errorf("%d addresses in hostaddr for %d hosts", len(addrs), len(hosts))
	}
	resolve := map[string][]string{}
	for i, a := range addrs {
		a = strings.TrimSpace(a)
		if a == "" {
			continue // this host is looked up
		}
		if net.ParseIP(strings.SplitN(a, "%", 2)[0]) == nil {
			return fmt.Errorf("hostaddr %q is not an IP address", a)
		}
		resolve[hosts[i].Host] = append(resolve[hosts[i].Host], a)
	}
	lookup := cfg.LookupFunc
	cfg.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		if a, ok := resolve[host]; ok {
			return a, nil
		}
		return lookup(ctx, host)
	}
	return nil
}

// places are the servers of cfg. pgx lists a server twice in a row where
// sslmode lets it fall back from TLS to plain or back.
func places(cfg *pgx.ConnConfig) []*pgconn.FallbackConfig {
	all := append([]*pgconn.FallbackConfig{{Host: cfg.Host, Port: cfg.Port, TLSConfig: cfg.TLSConfig}}, cfg.Fallbacks...)
	var once []*pgconn.FallbackConfig
	for i := 0; i < len(all); {
		n := tries(all[i:])
		once = append(once, all[i])
		i += n
	}
	return once
}

// tries counts how many entries at the start of list belong to one server:
// two when TLS and plain alternate.
func tries(list []*pgconn.FallbackConfig) int {
	if len(list) > 1 && list[0].Host == list[1].Host && list[0].Port == list[1].Port &&
		(list[0].TLSConfig == nil) != (list[1].TLSConfig == nil) {
		return 2
	}
	return 1
}

// balance shuffles the servers for load_balance_hosts=random.
func balance(cfg *pgx.ConnConfig, taken map[string]string) error {
	switch v := taken["load_balance_hosts"]; v {
	case "", "disable":
		return nil
	case "random":
	default:
		return fmt.Errorf("load_balance_hosts is disable or random, not %q", v)
	}
	all := append([]*pgconn.FallbackConfig{{Host: cfg.Host, Port: cfg.Port, TLSConfig: cfg.TLSConfig}}, cfg.Fallbacks...)
	var groups [][]*pgconn.FallbackConfig
	for len(all) > 0 {
		n := tries(all)
		groups, all = append(groups, all[:n:n]), all[n:]
	}
	rand.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	for _, g := range groups {
		all = append(all, g...)
	}
	cfg.Host, cfg.Port, cfg.TLSConfig, cfg.Fallbacks = all[0].Host, all[0].Port, all[0].TLSConfig, all[1:]
	return nil
}

// sockets sets TCP keepalives and tcp_user_timeout. Without any of the
// keywords Go's own keepalive (15 s) stays.
func sockets(cfg *pgx.ConnConfig, taken map[string]string) error {
	num := func(key string) (int, error) {
		if taken[key] == "" {
			return 0, nil
		}
		n, err := strconv.Atoi(strings.TrimSpace(taken[key]))
		if err != nil {
			return 0, fmt.Errorf("%s = %q is not a number", key, taken[key])
		}
		return n, nil
	}
	var n [4]int
	var touched bool
	for i, key := range []string{"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"} {
		v, err := num(key)
		if err != nil {
			return err
		}
		n[i], touched = v, touched || v != 0
	}
	off := taken["keepalives"] == "0"
	if !touched && !off {
		return nil
	}
	d := &net.Dialer{Timeout: cfg.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: !off, Count: n[2],
		Idle: time.Duration(n[0]) * time.Second, Interval: time.Duration(n[1]) * time.Second,
	}}
	if off {
		d.KeepAlive = -1
	}
	if ms := n[3]; ms > 0 {
		d.Control = func(network, _ string, c syscall.RawConn) error {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			var err error
			if e := c.Control(func(fd uintptr) { err = setUserTimeout(int(fd), ms) }); e != nil {
				return e
			}
			return err
		}
	}
	cfg.DialFunc = d.DialContext
	return nil
}

// versions obeys ssl_min_protocol_version and ssl_max_protocol_version.
func versions(cfg *pgx.ConnConfig, taken map[string]string) error {
	numbers := map[string]uint16{
		"": 0, "tlsv1": tls.VersionTLS10, "tlsv1.1": tls.VersionTLS11, "tlsv1.2": tls.VersionTLS12, "tlsv1.3": tls.VersionTLS13,
	}
	lo, okLo := numbers[strings.ToLower(taken["ssl_min_protocol_version"])]
	hi, okHi := numbers[strings.ToLower(taken["ssl_max_protocol_version"])]
	if !okLo || !okHi {
		return errors.New("ssl_min_protocol_version and ssl_max_protocol_version are TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3")
	}
	eachTLS(cfg, func(c *tls.Config) {
		if lo != 0 {
			c.MinVersion = lo
		}
		if hi != 0 {
			c.MaxVersion = hi
		}
	})
	return nil
}

// revoked makes TLS refuse certificates listed in sslcrl's file.
func revoked(cfg *pgx.ConnConfig, taken map[string]string) error {
	path := taken["sslcrl"]
	if path == "" {
		return nil
	}
	rest, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("sslcrl: %w", err)
	}
	serials := map[string]bool{}
	for block, more := pem.Decode(rest); block != nil; block, more = pem.Decode(more) {
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return fmt.Errorf("sslcrl %s: %w", path, err)
		}
		serials[string(list.RawIssuer)] = false
		for _, e := range list.RevokedCertificateEntries {
			serials[string(list.RawIssuer)+e.SerialNumber.String()] = true
		}
	}
	if len(serials) == 0 {
		return fmt.Errorf("sslcrl %s: no certificate revocation list in it", path)
	}
	eachTLS(cfg, func(c *tls.Config) {
		before := c.VerifyConnection
		c.VerifyConnection = func(s tls.ConnectionState) error {
			for _, cert := range s.PeerCertificates {
				if serials[string(cert.RawIssuer)+cert.SerialNumber.String()] {
					return fmt.Errorf("certificate of %s is revoked", cert.Subject)
				}
			}
			if before != nil {
				return before(s)
			}
			return nil
		}
	})
	return nil
}

func eachTLS(cfg *pgx.ConnConfig, do func(*tls.Config)) {
	if cfg.TLSConfig != nil {
		do(cfg.TLSConfig)
	}
	for _, f := range cfg.Fallbacks {
		if f.TLSConfig != nil && f.TLSConfig != cfg.TLSConfig {
			do(f.TLSConfig)
		}
	}
}
