package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestFlightLands: whatever ends the feeding, the flush under way ends before
// the caller has its transaction back, and what it did is the first error.
func TestFlightLands(t *testing.T) {
	r := newRig(t, entryDDL+`;
create function slow() returns trigger language plpgsql as $$ begin
	perform pg_sleep(0.3);
	if new.v = 'bad' then raise exception 'no bad values' using errcode = 'P0001'; end if;
	return new;
end $$;
create trigger slow before insert on t for each row execute function slow()`, "t")
	a := New(r.tables, Options{MaxRows: 2})
	mine := errors.New("mine")
	for _, c := range []struct {
		name, v string
		feed    error
		want    string
	}{
		{"feeding fails", "good", mine, "mine"},
		{"both fail", "bad", mine, "mine"},
		{"the flush fails", "bad", nil, "no bad values"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tx, err := r.conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.Transaction(t.Context(), tx, func() error {
				for id := range 4 {
					ev := r.ev("INSERT t id", `{"id":`+itoa(id)+`,"v":"`+c.v+`"}`)
					if err := a.Event(t.Context(), ev); err != nil {
						return err
					}
				}
				if a.flight == nil {
					t.Error("nothing is under way: the test shows nothing")
				}
				return c.feed
			})
			wantError(t, err, c.want)
			if err := tx.Rollback(t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
				t.Errorf("rollback: %v", err)
			}
			r.want("select count(*) from t", "(0)")
		})
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %s", err, text)
	}
}

// TestBeginForgets: neither set brings what a failed transaction left in it.
func TestBeginForgets(t *testing.T) {
	r := newRig(t, entryDDL, "t")
	a := New(r.tables, Options{})
	left := errors.New("left")
	run := func(feed func() error) error {
		return pgx.BeginFunc(t.Context(), r.conn, func(tx pgx.Tx) error {
			_, err := a.Transaction(t.Context(), tx, feed)
			return err
		})
	}
	for range 2 {
		err := run(func() error {
			if err := a.Event(t.Context(), r.ev("INSERT t id", `{"id":1,"v":"a"}`)); err != nil {
				return err
			}
			a.set, a.spare = a.spare, a.set
			return left
		})
		if err != left {
			t.Fatal(err)
		}
	}
	if err := run(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if !a.set.empty() || !a.spare.empty() {
		t.Error("a set keeps events")
	}
	r.want("select count(*) from t", "(0)")
}
