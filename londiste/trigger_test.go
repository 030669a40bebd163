package londiste_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/londiste"
)

// texts are what check tells, and statements what it would run.
func (p *pair) check() (texts, statements string) {
	p.t.Helper()
	found, err := p.sub.Check(p.t.Context(), londiste.Selection{})
	p.ok(err)
	var all, sql []string
	for _, d := range found {
		all, sql = append(all, d.Text), append(sql, d.SQL...)
	}
	return strings.Join(all, "\n"), strings.Join(sql, ";\n")
}

const desk = `create table desk (id int primary key, v text, touched int default 0)`

const deskTriggers = `
	create function touch() returns trigger language plpgsql as $$begin new.touched := new.touched + 1; return new; end$$;
	create function lost() returns trigger language plpgsql as $$begin return new; end$$;
	create trigger plain before insert or update on desk for each row execute function touch();
	create trigger off before insert on desk for each row execute function touch();
	create trigger nowhere before insert on desk for each row execute function lost();
	alter table desk disable trigger off;
	create rule silent as on update to desk where new.id < 0 do instead nothing;
	comment on trigger plain on desk is 'counts'`

const deskStates = `select coalesce(string_agg(tgname || tgenabled::text, ' ' order by tgname), '') from pg_trigger where tgrelid = 'desk'::regclass and not tgisinternal`

// --create-full makes the provider's triggers, which do not fire on replicated
// rows, and no rules; one whose function is not there is left out.
func TestTriggersAreCreated(t *testing.T) {
	t.Parallel()
	for _, replica := range []bool{true, false} {
		name := map[bool]string{true: "a role that may be replica", false: "one that may not"}[replica]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t)
			if replica {
				f.sub.Subscriber = f.sub.Subscriber.Copy()
				f.sub.Subscriber.User = pgserver.Superuser
			}
			f.exec(f.provConn, desk+";"+deskTriggers)
			f.exec(f.subConn, `create function touch() returns trigger language plpgsql as $$begin new.touched := new.touched + 1; return new; end$$`)
			f.ok(f.prov.AddTables(t.Context(), named("desk"), londiste.Capture{}))
			f.ok(f.sub.AddTables(t.Context(), named("desk"), londiste.AddOptions{CreateFull: true}))
			f.logged("trigger \"nowhere\" of table public.desk cannot be made at the subscriber: function public.lost() does not exist there")
			want := map[bool]string{true: "offD plainO", false: "offD plainD"}[replica]
			f.same(value[string](f.pair, f.subConn, deskStates), want)
			f.same(value[int](f.pair, f.subConn, `select count(*)::int from pg_rewrite where ev_class = 'desk'::regclass`), 0)

			w := start(t, f.newWorker().Run)
			f.allOK()
			f.exec(f.provConn, `insert into desk values (1, 'a'); update desk set v = 'b'`)
			f.equal("public.desk")
			f.ok(w.stop())

			texts, _ := f.check()
			if replica != strings.Contains(texts, "function public.lost() does not exist there") {
				t.Errorf("check tells: %s", texts)
			}
			if strings.Contains(texts, "state of trigger") || strings.Contains(texts, "rule") {
				t.Errorf("check tells: %s", texts)
			}
			f.ok(f.sub.RemoveTables(t.Context(), named("desk")))
			f.same(value[string](f.pair, f.subConn, deskStates), "offD plainO")
		})
	}
}

// Check tells triggers and rules apart, and its statements mend them.
func TestCheckTellsTriggers(t *testing.T) {
	t.Parallel()
	f := ready(t)
	f.sub.Subscriber = f.sub.Subscriber.Copy()
	f.sub.Subscriber.User = pgserver.Superuser
	f.exec(f.provConn, desk+";"+deskTriggers+`; drop trigger nowhere on desk`)
	f.exec(f.subConn, desk+";"+deskTriggers)
	f.ok(f.prov.AddTables(t.Context(), named("desk"), londiste.Capture{}))
	f.fails(f.sub.AddTables(t.Context(), named("desk"), londiste.AddOptions{}), "rule \"silent\" of table public.desk stands at the subscriber", "drop rule")
	f.exec(f.subConn, `alter table desk enable trigger off; drop trigger plain on desk; comment on trigger off on desk is 'mine';
		create rule audit as on delete to desk do also notify gone`)
	texts, statements := f.check()
	for _, want := range []string{
		`trigger "plain" of table public.desk does not exist at the subscriber`,
		`trigger "nowhere" of table public.desk does not exist at the provider`,
		`state of trigger "off" of table public.desk is disabled at the provider, enabled at the subscriber`,
		`comment of trigger "off" of table public.desk is none at the provider, mine at the subscriber`,
		`rule "audit" of table public.desk does not exist at the provider`,
		`rule "silent" of table public.desk stands at the subscriber`,
	} {
		if !strings.Contains(texts, want) {
			t.Errorf("not told: %s", want)
		}
	}
	_, err := f.subConn.Exec(t.Context(), statements, pgx.QueryExecModeSimpleProtocol)
	f.ok(err)
	if texts, _ := f.check(); texts != "" {
		t.Errorf("left:\n%s", texts)
	}
	f.same(value[string](f, f.subConn, deskStates), "offD plainO")
}
