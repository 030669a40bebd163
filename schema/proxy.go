package schema

import (
	"embed"
	"strings"
)

// proxyTree is no component of an install: a database of PL/Proxy has neither
// queues nor nodes.
//
//go:embed all:plproxy
var proxyTree embed.FS

// Proxy is the SQL that makes a PL/Proxy database's tables and functions of
// clusters, whose contents package plproxy keeps. It may be run again, within
// a transaction.
func Proxy() (string, error) {
	var b strings.Builder
	for _, dir := range []string{"plproxy/tables", "plproxy/functions", "plproxy"} {
		files, err := readDir(proxyTree, dir)
		if err != nil {
			return "", err
		}
		for _, f := range files {
			b.WriteString(f.Text)
		}
	}
	return b.String(), nil
}
