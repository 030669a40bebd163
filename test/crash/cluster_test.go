package crash

import (
	"fmt"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// killCluster: the keeper of a PL/Proxy database's clusters dies at its commit.
// The clusters are there as a whole or not at all, and the next run leaves each
// with one version. No replica runs, so reads lead to the provider.
func killCluster(t *testing.T, spec string) {
	p := pairOf(t, nil, nil, nil, nil)
	const write = "host=db dbname=shop"
	p.write("proxy.ini", fmt.Sprintf(`[plproxy_config]
job_name = proxy
proxy_db = %s
form = functions
partition_0 = %s
replicas_0 = replica.ini
`, p.provider, write))
	const keep = "londiste proxy.ini plproxy-config --once"
	p.start(spec, keep).killed(t)
	own := pgtest.Connect(t, p.provider)
	if pgtest.One[bool](t, own, `select to_regclass('plproxy.cluster') is not null`) {
		if n := pgtest.One[int](t, own, `select count(*)::int from plproxy.cluster_slot`); n != 2 {
			t.Errorf("%d slots after the crash", n)
		}
	}
	for range 2 {
		p.command(keep)
		got := pgtest.One[string](t, own, `select string_agg(concat_ws(' ', c.cluster_name, c.version, s.slot), ', ' order by c.cluster_name)
			from plproxy.cluster c, plproxy.get_cluster_partitions(c.cluster_name) s (slot)`)
		if want := "read 1 " + write + ", write 1 " + write; got != want {
			t.Errorf("clusters: %s, want %s", got, want)
		}
	}
}
