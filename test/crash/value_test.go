package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestLargeValue: a long value is copied, changed and told by an event, and the
// daemon's memory stays within some times the event's length; docs/tables.md has
// the figures.
func TestLargeValue(t *testing.T) {
	size, columns := 8<<20, []string{"b"}
	if pgtest.Long() {
		size, columns = 256<<20, []string{"b", "v"}
	}
	const large = `create table large (id int primary key, b bytea, v text, n int);
		alter table large alter b set storage external, alter v set storage external`
	lines := fmt.Sprintf("repeat('0123456789abcde' || chr(10), %d)", size/16)
	values := map[string]string{"b": "convert_to(" + lines + ", 'UTF8')", "v": lines}
	event := map[string]int{"b": 2 * size, "v": size + size/16} // hexadecimal; line ends are told as \n
	for _, column := range columns {
		t.Run(column, func(t *testing.T) {
			p := newPair(t, nil, nil)
			p.exec(p.provider, large)
			p.exec(p.subscriber, large)
			p.install()
			p.command("londiste replica.ini provider add large")
			value := values[column]
			p.exec(p.provider, fmt.Sprintf("insert into large (id, %s, n) values (1, %s, 0)", column, value))
			p.command("londiste replica.ini subscriber add large")
			p.names = append(p.names, "large")
			p.start("", "pgqadm ticker.ini ticker")
			worker := p.start("", "londiste replica.ini replay")
			p.allOK()
			copied := worker.mostMemory(t)
			same := func(value string) {
				t.Helper()
				if !pgtest.One[bool](t, pgtest.Connect(t, p.subscriber), fmt.Sprintf("select %s = %s from large", column, value)) {
					t.Errorf("another value of %s", column)
				}
			}
			same(value)
			value = strings.ReplaceAll(value, "abcde", "edcba")
			p.exec(p.provider, fmt.Sprintf("update large set n = 1, %s = %s", column, value))
			pgtest.Eventually(t, 5*patience, "the changed row", func() bool { return p.value(p.subscriber, "select n::text from large") == "1" })
			same(value)
			applied := worker.mostMemory(t)
			t.Logf("%s of %d MiB: %d MiB of memory after the copy, %d after the change", column, size>>20, copied>>20, applied>>20)
			if most := 96<<20 + 2*size; copied > most {
				t.Errorf("the copy took %d MiB, more than %d", copied>>20, most>>20)
			}
			if most := 96<<20 + 8*event[column]; applied > most {
				t.Errorf("the change took %d MiB, more than %d", applied>>20, most>>20)
			}
		})
	}
}

var peak = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// mostMemory is the most that the process has had, in bytes.
func (proc *process) mostMemory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(proc.cmd.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	found := peak.FindSubmatch(text)
	if found == nil {
		t.Fatalf("no peak in %s", text)
	}
	kb, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
