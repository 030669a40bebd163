package plproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// statements make the proxy database have the clusters; none where it has them.
func (k *Keeper) statements(ctx context.Context, conn *pgx.Conn, want []Cluster) ([]string, error) {
	if k.Form == Functions {
		return k.functions(ctx, conn, want)
	}
	var list []string
	for _, c := range want {
		old, there, err := serverOptions(ctx, conn, c.Name)
		if err != nil {
			return nil, err
		}
		name := ident.Quote(c.Name)
		if !there {
			list = append(list, "create server "+name+" foreign data wrapper plproxy options ("+options(nil, c)+")",
				// PL/Proxy wants one for each caller; it calls as that user then.
				"create user mapping for public server "+name)
		} else if change := options(old, c); change != "" {
			list = append(list, "alter server "+name+" options ("+change+")")
		}
		if !there || !k.ready {
			for _, who := range k.Callers {
				list = append(list, "grant usage on foreign server "+name+" to "+ident.Quote(who))
			}
		}
	}
	return list, nil
}

// serverOptions are a server's options, in their order.
func serverOptions(ctx context.Context, conn *pgx.Conn, name string) (list [][2]string, there bool, err error) {
	var raw []string
	err = conn.QueryRow(ctx, `select coalesce(s.srvoptions, '{}') from pg_foreign_server s
		join pg_foreign_data_wrapper w on w.oid = s.srvfdw
		where s.srvname = $1::text::name and w.fdwname = 'plproxy'`, name).Scan(&raw)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	for _, o := range raw {
		key, value, _ := strings.Cut(o, "=")
		list = append(list, [2]string{key, value})
	}
	return list, err == nil, err
}

// options are what stands in the parentheses to come from the old options to the
// cluster's; old is nil for a new server. Options that are not ours stay.
func options(old [][2]string, c Cluster) string {
	want := [][2]string{}
	for i, slot := range c.Slots {
		want = append(want, [2]string{fmt.Sprintf("p%d", i), slot})
	}
	if c.Modular {
		want = append(want, [2]string{"modular_mapping", "1"})
	}
	var list []string
	for _, w := range want {
		verb := "add "
		at := slices.IndexFunc(old, func(o [2]string) bool { return o[0] == w[0] })
		switch {
		case old == nil:
			verb = ""
		case at >= 0 && old[at][1] == w[1]:
			continue
		case at >= 0:
			verb = "set "
		}
		list = append(list, verb+w[0]+" "+ident.Literal(w[1]))
	}
	for i := len(old) - 1; i >= 0; i-- {
		var n int
		if _, err := fmt.Sscanf(old[i][0], "p%d", &n); err == nil && n >= len(c.Slots) {
			list = append(list, "drop "+old[i][0])
		}
	}
	return strings.Join(list, ", ")
}

// functions install what is asked by PL/Proxy, over each session once, and set
// the clusters that are not what they should be.
func (k *Keeper) functions(ctx context.Context, conn *pgx.Conn, want []Cluster) ([]string, error) {
	if err := hidden(ctx, conn, want); err != nil {
		return nil, err
	}
	var list []string
	var old []Cluster
	if k.ready {
		var err error
		if old, err = kept(ctx, conn, k.Job); err != nil {
			return nil, err
		}
	} else {
		list = append(list, k.Install)
		for _, who := range k.Callers {
			who = ident.Quote(who)
			list = append(list, "grant usage on schema plproxy to "+who,
				"grant execute on function plproxy.get_cluster_version(text), plproxy.get_cluster_partitions(text), plproxy.get_cluster_config(text) to "+who)
		}
	}
	for _, c := range want {
		if slices.ContainsFunc(old, c.equal) {
			continue
		}
		slots := make([]string, len(c.Slots))
		for i, s := range c.Slots {
			slots[i] = ident.Literal(s)
		}
		list = append(list, fmt.Sprintf("select plproxy.set_cluster(%s, %s, array[%s]::text[], %t)",
			ident.Literal(k.Job), ident.Literal(c.Name), strings.Join(slots, ", "), c.Modular))
	}
	return list, nil
}

// kept are the clusters of a job in the tables.
func kept(ctx context.Context, conn *pgx.Conn, job string) ([]Cluster, error) {
	rows, err := conn.Query(ctx, `
		select c.cluster_name, array(
		    select s.connection from plproxy.cluster_slot s where s.cluster_name = c.cluster_name order by s.slot), c.modular
		from plproxy.cluster c where c.job_name = $1`, job)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Cluster])
}

// hidden is an error where PL/Proxy would never come to ask the functions.
func hidden(ctx context.Context, conn *pgx.Conn, want []Cluster) error {
	for _, c := range want {
		_, there, err := serverOptions(ctx, conn, c.Name)
		if err != nil {
			return err
		}
		if there {
			return hint.With(fmt.Errorf("cluster %s: a foreign server has this name, and PL/Proxy takes that and not the functions", c.Name),
				"form = sqlmed keeps that server; or drop it: drop server %s cascade", ident.Quote(c.Name))
		}
	}
	return nil
}

func script(statements []string) string {
	var b strings.Builder
	b.WriteString("begin;\n")
	for _, s := range statements {
		b.WriteString(strings.TrimSuffix(strings.TrimSpace(s), ";") + ";\n")
	}
	b.WriteString("commit;\n")
	return b.String()
}

// shown are slots for the log, each once, with how often it stands there.
func shown(slots []string) string {
	var list []string
	for i := 0; i < len(slots); {
		n := 1
		for i+n < len(slots) && slots[i+n] == slots[i] {
			n++
		}
		one := "(" + slots[i] + ")"
		if n > 1 {
			one += fmt.Sprintf(" %d times", n)
		}
		list = append(list, one)
		i += n
	}
	return strings.Join(list, ", ")
}

func stateOf(err error) *pgconn.PgError {
	pg, _ := errors.AsType[*pgconn.PgError](err)
	return pg
}
