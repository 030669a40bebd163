package apply

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/skytools-go/skytools/internal/ident"
)

// TestByCopy repeats what new rows can meet with every one of them sent by
// COPY.
func TestByCopy(t *testing.T) {
	always = true
	defer func() { always = false }()
	for name, test := range map[string]func(*testing.T){
		"types": TestTypes, "keys": TestKeys, "names": TestNames, "columns": TestColumns, "refused": TestRefusedRows,
		"foreign keys": TestForeignKeys, "cascades": TestCascadesKeepRows, "grace": TestGrace,
		"deferred": TestDeferredAcrossFlushes, "unique swaps": TestUniqueSwaps, "partitions": TestDeferrableKeyAndPartitions,
		"divergence": TestDivergence, "moved": TestMovedRows, "key named": TestErrorsNameTheKey,
	} {
		t.Run(name, test)
	}
}

// TestCopyRefused has tables that COPY cannot write or would write otherwise
// than INSERT.
func TestCopyRefused(t *testing.T) {
	always = true
	defer func() { always = false }()
	r := newRig(t, `
create table secured (id int primary key, v text);
alter table secured enable row level security;
alter table secured force row level security;
create policy all_rows on secured using (true) with check (v <> 'bad');
create table ruled (id int primary key, v text);
create table other (id int primary key, v text);
create rule elsewhere as on insert to ruled do instead insert into other values (new.id, new.v);`,
		"secured", "ruled")
	for i := range 3 {
		row := `{"id":` + itoa(i) + `,"v":"x"}`
		res := r.must(r.ev("INSERT secured id", row), r.ev("INSERT ruled id", row))
		if res.Total.BySets != 2 || res.Total.Fallbacks != 0 {
			t.Errorf("counts %+v", res.Total)
		}
	}
	r.want("select count(*) from secured", "(3)")
	r.want("select count(*) from ruled", "(0)")
	r.want("select count(*) from other", "(3)")
	secured := r.a.byName[ident.Name{Schema: "public", Name: "secured"}]
	if secured.noCopy != bySafeWay-3 {
		t.Errorf("after the first refusal COPY is tried again in %d flushes", secured.noCopy)
	}
	r.fails([]string{"row-level security"}, r.ev("INSERT secured id", `{"id":9,"v":"bad"}`))
}

// TestCopyReader reads rows through buffers of every size.
func TestCopyReader(t *testing.T) {
	s := newSet(4, 0)
	var want strings.Builder
	add := func(id, v, escaped string) {
		first := len(s.spans)
		for _, text := range []string{id, v} {
			s.spans = append(s.spans, span{uint32(len(s.buf)), int32(len(text))})
			s.buf = append(s.buf, text...)
		}
		if v == "null" {
			s.spans[first+1].n = isNull
		}
		s.rows = append(s.rows, row{first: uint32(first)})
		want.WriteString(id + "\t" + escaped + "\n")
	}
	add("1", "plain", "plain")
	add("2", "", "")
	add("3", "null", `\N`)
	add("4", `\N`, `\\N`)
	add("5", "\\.\n\ta\r", `\\.\n\ta\r`)
	add("6", strings.Repeat("\\", 1000), strings.Repeat(`\\`, 1000))
	if err := iotest.TestReader(&copyReader{set: s, rows: []int32{0, 1, 2, 3, 4, 5}, slots: []int{0, 1}}, []byte(want.String())); err != nil {
		t.Error(err)
	}
}
