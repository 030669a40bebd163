package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// commands are the tutorial's, as typed; the last of its nine is resync's.
var commands = []string{
	"pgqadm.py ticker.ini ticker -d",
	"londiste.py replica.ini provider install",
	"londiste.py replica.ini subscriber install",
	"londiste.py replica.ini replay -d",
	"londiste.py replica.ini provider add entry",
	"londiste.py replica.ini provider add-seq entry_id_seq",
	"londiste.py replica.ini subscriber add entry",
	"londiste.py replica.ini subscriber add-seq entry_id_seq",
}

const resyncAll = "londiste.py replica.ini subscriber resync -v --force"

const oldRows, outageChanges = 1000, 20_000

// tutorial types the commands; the table has old rows before.
func (d *demo) tutorial(ctx context.Context) error {
	if err := d.provider.exec(ctx, fmt.Sprintf("insert into entry (item) select 'old ' || g from generate_series(1, %d) g", oldRows)); err != nil {
		return err
	}
	for _, line := range commands {
		if err := d.typed(ctx, line); err != nil {
			return err
		}
	}
	return d.step(fmt.Sprintf("%d old rows copied", oldRows), func() (string, error) { return "", d.synced(ctx) })
}

// rowsArrive makes every kind of change.
func (d *demo) rowsArrive(ctx context.Context) error {
	for _, change := range []struct{ what, sql string }{
		{"insert", "insert into entry (item) values ('new')"},
		{"update", "update entry set item = 'changed' where id <= 3"},
		{"update of a key", "update entry set id = -id where id = 4"},
		{"delete", "delete from entry where id = 5"},
		{"TRUNCATE and 100 new rows", "begin; truncate entry; insert into entry (item) select 'row ' || g from generate_series(1, 100) g; commit"},
	} {
		err := d.step(change.what+" arrived", func() (string, error) {
			if err := d.provider.exec(ctx, change.sql); err != nil {
				return "", err
			}
			return "", d.equal(ctx)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// outage stops the subscriber's server hard while changes go on.
func (d *demo) outage(ctx context.Context) error {
	err := d.step(fmt.Sprintf("subscriber's server stopped hard; %d changes meanwhile", outageChanges), func() (string, error) {
		if err := d.subscriber.server.Stop(ctx, "immediate"); err != nil {
			return "", err
		}
		statements := []string{}
		for range 10 {
			statements = append(statements,
				fmt.Sprintf("insert into entry (item) select 'meanwhile ' || g from generate_series(1, %d) g", outageChanges/20),
				fmt.Sprintf("update entry set item = item || '!' where id in (select id from entry order by id desc limit %d)", outageChanges/20))
		}
		return "", d.provider.exec(ctx, statements...)
	})
	if err != nil {
		return err
	}
	if err := d.step("subscriber's server started again", func() (string, error) { return "", d.subscriber.server.Restart(ctx) }); err != nil {
		return err
	}
	return d.step(fmt.Sprintf("caught up, %d changes", outageChanges), func() (string, error) { return "", d.equal(ctx) })
}

func (d *demo) subscriberWrites(ctx context.Context) error {
	return d.step("a row written at the subscriber stays away from the provider", func() (string, error) {
		if err := d.subscriber.exec(ctx, "insert into entry values (-1000, 'local')"); err != nil {
			return "", err
		}
		// What comes after it arrives; the local row is still on one side only.
		if err := d.provider.exec(ctx, "insert into entry (id, item) values (-1, 'after')"); err != nil {
			return "", err
		}
		err := until(ctx, "the row after it", func() (bool, error) {
			n, err := d.subscriber.text(ctx, "select count(*)::text from entry where id in (-1, -1000)")
			return n == "2", err
		})
		if err != nil {
			return "", err
		}
		n, err := d.provider.text(ctx, "select count(*)::text from entry where id = -1000")
		if err == nil && n != "0" {
			err = fmt.Errorf("the provider has the subscriber's row")
		}
		if err != nil {
			return "", err
		}
		return "", d.subscriber.exec(ctx, "delete from entry where id = -1000")
	})
}

func (d *demo) sequence(ctx context.Context) error {
	return d.step("sequence set at the subscriber is set again when the provider's moves", func() (string, error) {
		if err := d.subscriber.exec(ctx, "select setval('entry_id_seq', 1)"); err != nil {
			return "", err
		}
		if err := d.provider.exec(ctx, "insert into entry (item) values ('moves it')"); err != nil {
			return "", err
		}
		want, err := d.provider.text(ctx, "select last_value::text from entry_id_seq")
		if err != nil {
			return "", err
		}
		return want, until(ctx, "the sequence", func() (bool, error) {
			got, err := d.subscriber.text(ctx, "select last_value::text from entry_id_seq")
			return got == want, err
		})
	})
}

// resync damages the subscriber's table and has it copied again, first by
// name, then by the tutorial's last command.
func (d *demo) resync(ctx context.Context) error {
	for _, line := range []string{"londiste.py replica.ini subscriber resync entry", resyncAll} {
		if err := d.subscriber.exec(ctx, "delete from entry where id % 2 = 0", "update entry set item = 'damaged' where id % 3 = 0"); err != nil {
			return err
		}
		if err := d.typed(ctx, line); err != nil {
			return err
		}
		if err := d.step("damaged rows copied again", func() (string, error) { return "", d.synced(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// latency is the time from a commit at the provider to the first look that
// finds the row at the subscriber.
func (d *demo) latency(ctx context.Context) error {
	const rows = 100
	return d.step(fmt.Sprintf("latency of %d single rows, commit to visible", rows), func() (string, error) {
		from, err := d.provider.connect(ctx)
		if err != nil {
			return "", err
		}
		defer from.Close(ctx)
		to, err := d.subscriber.connect(ctx)
		if err != nil {
			return "", err
		}
		defer to.Close(ctx)
		var took []time.Duration
		for range rows {
			var id int
			if err := from.QueryRow(ctx, "insert into entry (item) values ('latency') returning id").Scan(&id); err != nil {
				return "", err
			}
			start := time.Now()
			for found := false; !found; {
				if err := to.QueryRow(ctx, "select exists (select from entry where id = $1)", id).Scan(&found); err != nil {
					return "", err
				}
				if time.Since(start) > time.Minute {
					return "", fmt.Errorf("row %d has not arrived", id)
				}
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		return fmt.Sprintf("median %.1f ms (this ini's loop_delay is 0.1 s; the default is 0.002 s)", took[rows/2].Seconds()*1000), nil
	})
}

// compare prints the table that proves it.
func (d *demo) compare(ctx context.Context) error {
	if err := d.equal(ctx); err != nil {
		return err
	}
	p, s, err := d.contents(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n%-13s  %7s  %-32s  %-32s  %s\n", "table", "rows", "hash at the provider", "hash at the subscriber", "equal")
	fmt.Fprintf(d.out, "%-13s  %7s  %-32s  %-32s  %s\n", "public.entry", p.rows, p.hash, s.hash, map[bool]string{true: "yes", false: "NO"}[p == s])
	if p != s {
		return fmt.Errorf("provider has %s rows, subscriber %s, or their content differs", p.rows, s.rows)
	}
	return nil
}

func (d *demo) contents(ctx context.Context) (p, s content, err error) {
	if p, err = contentOf(ctx, d.provider); err != nil {
		return p, s, err
	}
	s, err = contentOf(ctx, d.subscriber)
	return p, s, err
}

func contentOf(ctx context.Context, s *side) (content, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return content{}, err
	}
	defer conn.Close(ctx)
	return s.content(ctx, conn)
}

// equal waits until both sides have the same rows.
func (d *demo) equal(ctx context.Context) error {
	return until(ctx, "both sides to be equal", func() (bool, error) {
		p, s, err := d.contents(ctx)
		return p == s, err
	})
}

// synced waits until the table is ok again and both sides are equal.
func (d *demo) synced(ctx context.Context) error {
	err := until(ctx, "table entry to be ok", func() (bool, error) {
		state, err := d.subscriber.text(ctx, "select coalesce(max(merge_state), '') from londiste.table_info where table_name = 'public.entry'")
		return state == "ok", err
	})
	if err != nil {
		return err
	}
	return d.equal(ctx)
}
