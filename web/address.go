package web

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
)

// Address is where a server listens: a TCP address or the path of a Unix socket.
// The zero Address is nowhere.
type Address struct{ network, place string }

// ParseAddress reads HOST:PORT, a port alone, which means localhost, or an
// absolute path. "" is nowhere; all interfaces have to be named, as 0.0.0.0 or [::].
func ParseAddress(text string) (Address, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return Address{}, nil
	case strings.HasPrefix(text, "/"):
		return Address{"unix", text}, nil
	}
	place := text
	if !strings.Contains(text, ":") {
		place = ":" + text
	}
	host, port, err := net.SplitHostPort(place)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 && port != "0" {
		return Address{}, hint.With(fmt.Errorf("%q is not an address to listen on", text),
			"HOST:PORT like 127.0.0.1:8090, a port alone for localhost, or the path of a Unix socket")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return Address{"tcp", net.JoinHostPort(host, port)}, nil
}

// String is what [ParseAddress] reads.
func (a Address) String() string { return a.place }

// Given tells whether there is an address.
func (a Address) Given() bool { return a.place != "" }

// Listen opens the address; nil where it is nowhere. A socket file that a dead process left is replaced.
func (a Address) Listen() (net.Listener, error) {
	if !a.Given() {
		return nil, nil
	}
	l, err := net.Listen(a.network, a.place)
	if errors.Is(err, syscall.EADDRINUSE) && a.network == "unix" && abandoned(a.place) {
		if err = os.Remove(a.place); err == nil {
			l, err = net.Listen(a.network, a.place)
		}
	}
	if err == nil {
		return l, nil
	}
	if op, is := errors.AsType[*net.OpError](err); is {
		err = op.Err // the rest of its text is the address
	}
	err = fmt.Errorf("listen on %s: %w", a.place, err)
	for cause, mend := range map[error]string{
		syscall.EADDRINUSE:    "another program, or another job of this one, listens there: choose another port",
		syscall.EADDRNOTAVAIL: "that is no address of this machine: ip address lists them, 0.0.0.0 is all",
		fs.ErrPermission:      "ports below 1024 are root's: choose a higher one, or a folder that this user may write to",
		fs.ErrNotExist:        "make its folder first, such that this user may write to it",
		syscall.EINVAL:        a.invalid(),
	} {
		if errors.Is(err, cause) {
			return nil, hint.With(err, "%s", mend)
		}
	}
	if _, is := errors.AsType[*net.DNSError](err); is {
		return nil, hint.With(err, "name this machine by an address that it has, or 0.0.0.0 for all")
	}
	return nil, err
}

// invalid is how an address is written that the system takes for none.
func (a Address) invalid() string {
	if a.network == "unix" {
		return "the path of a socket has at most 107 bytes"
	}
	return "an address of one link needs its interface, as [fe80::1%%eth0]:8090 in the ini file"
}

// ListenFor opens where the command `serve` listens: as its --listen says, else as
// the ini file does, else on port 8090 of localhost.
func ListenFor(flag string, ini Address) (net.Listener, error) {
	a, err := ParseAddress(cmp.Or(flag, ini.String(), "8090"))
	if err != nil {
		return nil, cli.Usage(err)
	}
	return a.Listen()
}

// abandoned tells a socket file that nobody listens on.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// loopback tells whether only this machine reaches what listens on addr.
func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// localName tells whether the Host of a request names this machine by a name that
// nobody else can give it.
func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}
