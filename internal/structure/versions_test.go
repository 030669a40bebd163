package structure_test

import (
	"context"
	"fmt"
	"regexp"
	"testing"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// Between versions, as many as SKYTOOLS_PGBIN lists or are installed, the
// statements work, and what is left is told as what the other has not.
func TestBetweenVersions(t *testing.T) {
	servers := map[int]*pgserver.Server{}
	var majors []int
	for major := 13; major <= 18; major++ {
		programs, err := pgserver.Find(context.Background(), pgserver.FindOptions{Major: major})
		if err == nil && programs.LibDir == "" {
			servers[major] = pgtest.Own(t, pgserver.Options{Programs: programs})
			majors = append(majors, major)
		}
	}
	if len(majors) == 0 {
		t.Fatal("no server found")
	}
	oldest, newest := majors[0], majors[len(majors)-1]
	pairs := map[[2]int]bool{{oldest, newest}: true, {newest, oldest}: true}
	for _, m := range majors {
		pairs[[2]int{m, m}] = true
	}
	for pair := range pairs {
		for seed := range seeds(1, 30) {
			t.Run(fmt.Sprintf("%d to %d, %d", pair[0], pair[1], seed), func(t *testing.T) {
				betweenVersions(t, servers[pair[0]], servers[pair[1]], uint64(seed)+2000)
			})
		}
	}
}

// lacking is what an older version has not, and where two write an expression
// differently.
var lacking = regexp.MustCompile(`PostgreSQL \d+ (has no such thing|has to store it)|does not exist (at the subscriber|there)$`)

func betweenVersions(t *testing.T, from, to *pgserver.Server, seed uint64) {
	prov, sub := database(t, from), database(t, to)
	w := newWorld(seed, from.Programs().Major)
	if failed := w.build(prov); failed > len(w.sql)/4 {
		t.Fatalf("%d of %d random statements failed", failed, len(w.sql))
	}
	found := differences(t, prov, sub, w.names())
	if err := try(sub, found); err != nil {
		t.Fatalf("%v\nof\n%s", err, texts(found))
	}
	for _, d := range differences(t, prov, sub, w.names()) {
		if len(d.SQL) > 0 || !lacking.MatchString(d.Text) || from.Programs().Major <= to.Programs().Major {
			t.Errorf("left after the statements: %s %q", d.Text, d.SQL)
		}
	}
	if to.Programs().Major != from.Programs().Major {
		return
	}
	var done []string
	for range 3 {
		done = append(done, w.change(t, prov), w.change(t, sub))
		w.mendAll(t, prov, sub, done)
	}
}
