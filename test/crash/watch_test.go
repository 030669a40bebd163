package crash

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestWatch: a watcher finds what a later round has, tells it once, outlives a
// crash of the subscriber's server, and ends when it is asked to. One that is
// killed leaves nothing that holds up others.
func TestWatch(t *testing.T) {
	t.Parallel()
	const line = "londiste replica.ini compare --watch --every 1s --full-speed"
	p := ownServers(t)
	_, stop := p.replicates()
	watch := p.start("", line)
	told := func(text string, n int) {
		t.Helper()
		p.until(fmt.Sprintf("%q, %d times", text, n), func() bool { return strings.Count(watch.said.String(), text) == n })
	}
	round := func() {
		t.Helper()
		since := p.value(p.provider, `select now()::text`)
		p.until("another round", func() bool {
			return p.value(p.subscriber, `select (min(compared_at) > '`+since+`')::text from skytools.compared_table`) == "true"
		})
	}
	told("public.line: equal", 1)
	p.exec(p.subscriber, `delete from line where id = 5`)
	told("public.line: DIFFERENT", 1)
	round()
	p.stopHard("subscriber")
	round()
	if n := p.value(p.subscriber, `select count(*)::text from skytools.compared_table where different_since is not null`); n != "1" {
		t.Errorf("%s tables are noted as different", n)
	}
	p.command("londiste replica.ini repair --apply --full-speed public.line")
	told("public.line: equal", 2)
	if err := watch.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	watch.ends(t, 0)
	told("public.line: DIFFERENT", 1)
	told("public.owner: equal", 1)

	killed := p.start("", line)
	p.until("a barrier", func() bool {
		return p.value(p.provider, `select count(*)::text from skytools.barrier where until > now()`) != "0"
	})
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.nothingLeft()
	stop()
	p.settled()
}
