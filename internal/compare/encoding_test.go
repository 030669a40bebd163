package compare

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestEncodings: the same characters are other bytes, and enums have another
// order, blanks of char(n) another number.
func TestEncodings(t *testing.T) {
	server := pgtest.Second(t)
	admin := pgtest.Connect(t, server.DSN("postgres", pgserver.Superuser))
	pgtest.Exec(t, admin, `drop database if exists latin with (force)`)
	pgtest.Exec(t, admin, `create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0 owner `+pgx.Identifier{pgtest.Role}.Sanitize())
	p := [2]*side{
		open(t, "provider", pgtest.Database(t, pgtest.Server(t), nil)),
		open(t, "subscriber", server.DSN("latin", pgtest.Role)),
	}
	pgtest.Exec(t, p[1].conn, `set client_encoding = 'UTF8'`)
	if p[0].encoding != "UTF8" || p[1].encoding != "LATIN1" {
		t.Fatalf("encodings %s and %s", p[0].encoding, p[1].encoding)
	}
	pgtest.Exec(t, p[0].conn, `create type mood as enum ('sad', 'déjà', 'ok');
		create table "Thing's" (id int primary key, "é" text, c char(5), m mood, long text, doc jsonb)`)
	pgtest.Exec(t, p[1].conn, `create type mood as enum ('ok', 'sad', 'déjà');
		create table other (m mood, doc jsonb, long text, c char(5), "é" text, id int primary key)`)
	for end, name := range []string{`"Thing's"`, "other"} {
		pgtest.Exec(t, p[end].conn, `insert into `+name+` (id, "é", c, m, long, doc)
			select i, 'né ' || i, 'ü' || i, (array['sad', 'déjà', 'ok'])[1 + i % 3]::mood, repeat('ä' || i, 600),
				case i % 3 when 0 then null when 1 then jsonb_build_object('n', i) else jsonb_build_object('é', i, 'zz', '{}'::jsonb, 'ß', jsonb_build_array(i, jsonb_build_object('ü', null, 'ab', 'né "' || i, 'aé', true))) end from generate_series(1, 200) i`)
	}
	for _, md5 := range []bool{false, true} {
		if res, list := found(t, p, thing, Options{md5: md5}); !res.Equal {
			t.Errorf("md5 %v: %+v\n%s", md5, res, list)
		}
	}
	pgtest.Exec(t, p[1].conn, `update other set "é" = 'ne 7' where id = 7; update other set m = 'ok' where id = 9; delete from other where id = 11;
		update other set doc = jsonb_set(doc, '{ß,1,aé}', 'false') where id = 17; update other set doc = doc - 'zz' where id = 20`)
	for _, md5 := range []bool{false, true} {
		res, list := found(t, p, thing, Options{md5: md5})
		if res.Missing != 1 || res.Extra != 0 || res.Differing != 4 || !strings.Contains(list, "id=17 doc: ") ||
			!strings.Contains(list, "differing 1 id=7 é: né 7/ne 7") || !strings.Contains(list, "differing 1 id=9 m: sad/ok") {
			t.Errorf("md5 %v: %+v\n%s", md5, res, list)
		}
	}
}
