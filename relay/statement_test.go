package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/pgq"
)

func shown(values []any) (all []string) {
	for _, v := range values {
		s := v.(*string)
		if s == nil {
			all = append(all, "NULL")
			continue
		}
		all = append(all, *s)
	}
	return all
}

func TestStatement(t *testing.T) {
	urlencoded := pgq.Event{ID: 7, Type: "I:id", Data: []byte("id=1&txt=it%27s+a+%25&nul&empty=&%c3%a4=%C3%B6"), Extra1: []byte("public.t")}
	json := pgq.Event{ID: 8, Retry: 2, Type: "t", Data: []byte(` {"id": 12345678901234567890, "txt": "it's \u00e4", "nul": null, "ok": true, "deep": {"a": [1]}}`)}
	for _, c := range []struct {
		text, sql string
		ev        pgq.Event
		want      string // values, or part of an error
	}{
		{`insert into t values (%(id)s, %(txt)s, %(id)s)`, `insert into t values ($1, $2, $3)`, urlencoded, `1|it's a %|1`},
		{`select %(nul)s, %(empty)s, %(ä)s`, `select $1, $2, $3`, urlencoded, `NULL||ö`},
		{`select %(pgq.ev_id)s, %(pgq.ev_type)s, %(pgq.ev_extra1)s, %(pgq.ev_extra2)s, %(pgq.tick_id)s`, `select $1, $2, $3, $4, $5`, urlencoded, `7|I:id|public.t|NULL|3`},
		{`select %(id)s, %(txt)s, %(nul)s, %(ok)s, %(deep)s, %(pgq.ev_retry)s`, `select $1, $2, $3, $4, $5, $6`, json, `12345678901234567890|it's ä|NULL|true|{"a": [1]}|2`},
		{`select 5 %% 2, 'a''b%%', %(id)s`, `select 5 % 2, 'a''b%', $1`, urlencoded, `1`},
		{`select %(other)s`, `select $1`, urlencoded, `its row has no column other`},
		{`select %(id)s`, `select $1`, pgq.Event{Data: []byte("id=%zz")}, `its data is not urlencoded`},
		{`select %(id)s`, `select $1`, pgq.Event{Data: []byte("{")}, `its data is no JSON object`},
		{`select %(id)s`, `select $1`, pgq.Event{}, `its row has no column id`},
		{`select %(pgq.ev_data)s`, `select $1`, pgq.Event{}, `NULL`}, // no row is looked for
	} {
		s, err := NewStatement(c.text)
		if err != nil || s.sql != c.sql {
			t.Errorf("%s: %v, %v", c.text, s, err)
			continue
		}
		values, err := s.values(c.ev, 3)
		got := strings.Join(shown(values), "|")
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
	}
	for text, want := range map[string]string{
		``:                              "empty",
		`select %s`:                     "neither",
		`select %(id)d`:                 "neither",
		`select 100%`:                   "neither",
		`select '%(id)s'`:               "stands in quotes",
		`select %(pgq.ev_dta)s`:         "there is no",
		`select %(pgq.)s`:               "there is no",
		`select 'it''s %(pgq.ev_id)s.'`: "stands in quotes",
	} {
		if _, err := NewStatement(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestKeys: no two events share one, the same event has the same.
func TestKeys(t *testing.T) {
	var all []string
	for _, k := range []Keys{{"a", 1}, {"a", 2}, {"a/1", 2}, {"a", 12}} {
		for _, id := range []pgq.EventID{1, 2, 12} {
			all = append(all, k.Of(id))
		}
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 12 {
		t.Errorf("%d keys for 12 events: %q", n, all)
	}
	line, err := AppendJSON([]byte("> "), Keys{"q", 3}, pgq.Event{ID: 9, Type: "t", Data: []byte("<&>\n"), Extra1: []byte{}})
	if want := `> {"key":"q/3/9","queue_name":"q","ev_id":9,`; err != nil || !strings.HasPrefix(string(line), want) ||
		!strings.Contains(string(line), `"ev_data":"<&>\n","ev_extra1":"","ev_extra2":null`) {
		t.Errorf("%s, %v", line, fmt.Sprint(err))
	}
}
