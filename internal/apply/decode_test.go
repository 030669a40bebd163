package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/skytools-go/skytools/internal/ident"
)

// fakeTarget is a table t with these columns, none of them a key column.
func fakeTarget(cols ...string) *Target {
	t := &Target{Name: ident.Name{Schema: "public", Name: "t"}, byName: map[string]int{}}
	for i, c := range cols {
		t.byName[c] = i
		t.Columns = append(t.Columns, Column{Name: c})
	}
	t.Keys = []Key{{}}
	return t
}

// decodeRow decodes data by a plan learnt from like, into texts by column;
// a missing text is NULL.
func decodeRow(f format, like, data []byte, target *Target) (map[string]*string, error) {
	a := New(nil, Options{MaxRows: 1})
	tab := &table{target: target, in: [2]inSet{{index: -1}, {index: -1}}}
	st := &stream{kind: kind{op: opInsert, format: f}, table: tab, target: target, key: &target.Keys[0]}
	var err error
	if st.plan, err = a.replan(st, like); err != nil {
		return nil, err
	}
	if err := a.decode(st, data); err != nil {
		return nil, err
	}
	got := map[string]*string{}
	for slot, c := range st.plan.shape.cols {
		got[target.Columns[c].Name] = nil
		if v := a.set.spans[slot]; v.n >= 0 {
			s := string(a.set.text(v))
			got[target.Columns[c].Name] = &s
		}
	}
	return got, nil
}

func show(row map[string]*string) string {
	b, err := json.Marshal(row)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// oracle decodes by encoding/json; ok is false where that library would
// change the text (invalid UTF-8, lone surrogates) or the server cannot hold it.
func oracle(data []byte) (row map[string]*string, cols []string, ok bool) {
	if !utf8.Valid(data) || bytes.ContainsRune(data, utf8.RuneError) {
		return nil, nil, false
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal(data, &raw) != nil || raw == nil {
		return nil, nil, false
	}
	row = map[string]*string{}
	for name, v := range raw {
		text := string(v)
		switch {
		case text == "null":
			row[name] = nil
		case v[0] == '"':
			var s string
			if json.Unmarshal(v, &s) != nil {
				return nil, nil, false
			}
			row[name] = &s
		default:
			row[name] = &text
		}
		for _, s := range []*string{&name, row[name]} {
			if s != nil && (strings.ContainsRune(*s, 0) || strings.ContainsRune(*s, utf8.RuneError)) {
				return nil, nil, false
			}
		}
		cols = append(cols, name)
	}
	return row, cols, true
}

func FuzzJSON(f *testing.F) {
	for _, pair := range [][2]string{
		{`{"id":1,"v":"x"}`, `{"id":22,"v":null}`},
		{`{"id":1,"v":"a\"b\\c\u00fc\ud83d\ude00\n"}`, ` { "id" : 1 , "v" : "" } `},
		{`{"a":{"b":["}","\"]"]},"a":[1,2],"c":true}`, `{"a":"1","a":[],"c":false}`},
		{`{}`, `{"a":-1.5e+10}`},
		{`{"a":"\u0000"}`, `{"a":"\ud800"}`},
		{`{"a\u0062":1}`, `{"ab":1}`},
		{`{"a":1}x`, `{"a":1,}`},
	} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	f.Fuzz(func(t *testing.T, like, data []byte) {
		want, cols, ok := oracle(data)
		other, moreCols, _ := oracle(like)
		_ = other
		target := fakeTarget(append(cols, moreCols...)...)
		before := bytes.Clone(data)
		own, err := decodeRow(formatJSON, data, data, target)
		if !bytes.Equal(before, data) {
			t.Fatal("the event itself was changed")
		}
		if ok && err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if ok && show(own) != show(want) {
			t.Fatalf("%q: got %s want %s", data, show(own), show(want))
		}
		// A plan from another row decodes the same or asks for a new plan.
		if by, err := decodeRow(formatJSON, like, data, target); err == nil && ok && show(by) != show(want) {
			t.Fatalf("%q by %q: got %s want %s", data, like, show(by), show(want))
		}
	})
}

func FuzzURL(f *testing.F) {
	for _, pair := range [][2]string{
		{"id=1&txt=a+b%2fc&nul&empty=", "id=2&txt=&nul=x&empty"},
		{"", "a"},
		{"a=%", "a=%zz"},
		{"a=1&a=2", "a%20b=1&a+b=%00"},
	} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	f.Fuzz(func(t *testing.T, like, data []byte) {
		want := map[string]*string{}
		var cols []string
		good := len(data) > 0 && !bytes.Contains(data, []byte("%00"))
		for member := range strings.SplitSeq(string(data), "&") {
			name, value, set := strings.Cut(member, "=")
			n, err1 := url.QueryUnescape(name)
			v, err2 := url.QueryUnescape(value)
			good = good && err1 == nil && err2 == nil
			want[n] = nil
			if set {
				want[n] = &v
			}
			cols = append(cols, n)
		}
		if !good {
			want = map[string]*string{}
		}
		target := fakeTarget(cols...)
		own, err := decodeRow(formatURL, data, data, target)
		if good != (err == nil) && len(data) > 0 {
			t.Fatalf("%q: good %v, error %v", data, good, err)
		}
		if good && fmt.Sprint(show(own)) != show(want) {
			t.Fatalf("%q: got %s want %s", data, show(own), show(want))
		}
		if by, err := decodeRow(formatURL, like, data, target); err == nil && good && show(by) != show(want) {
			t.Fatalf("%q by %q: got %s want %s", data, like, show(by), show(want))
		}
	})
}

func FuzzKind(f *testing.F) {
	for _, s := range []string{
		`{"op":"INSERT","table":["public","entry"],"pkey":["id"]}`, `{"op":"TRUNCATE","table":["p\"q","e.f"],"pkey":null}`,
		`{"x":{"y":[1]},"op":"DELETE","table":["a","b"],"pkey":[]}`, "I:id,k", "U:", "R", "D", "EXECUTE", `{"op":1}`,
		`{"op":"INSERT","table":["a"`, `{"op":"INSERT","table":["a","b"],"pkey":["x",]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		k, err := parseKind(data)
		if !bytes.Equal(before, data) {
			t.Fatal("the event itself was changed")
		}
		var want struct {
			Op    string   `json:"op"`
			Table []string `json:"table"`
			Pkey  []string `json:"pkey"`
		}
		_, _, clear := oracle(data)
		if !clear || len(data) == 0 || data[0] != '{' || json.Unmarshal(data, &want) != nil || err != nil {
			return
		}
		// The library matches names without regard to case; such types differ.
		if strings.Count(strings.ToLower(string(data)), `op"`) > 1 || strings.Contains(string(data), `\`) {
			return
		}
		if k.op.String() != want.Op || len(want.Table) != 2 || k.table != (ident.Name{Schema: want.Table[0], Name: want.Table[1]}) {
			t.Fatalf("%q: %+v", data, k)
		}
		if strings.Join(k.key, "\x01") != strings.Join(want.Pkey, "\x01") {
			t.Fatalf("%q: %+v", data, k)
		}
	})
}

// FuzzCanonical: a canonical form is found without panic, and one of a form
// made of it is the same again.
func FuzzCanonical(f *testing.F) {
	for class := range keyBit + 1 {
		for _, v := range []string{"1", "-1", "t", "2020-01-01 00:00:00+00", "infinity", "1.50", "NaN", `\x00`, "10.0.0.1/8", "00112233-4455-6677-8899-aabbccddeeff", "0001-01-01 BC", "101"} {
			f.Add(byte(class), []byte(v))
		}
	}
	f.Fuzz(func(t *testing.T, class byte, v []byte) {
		one, ok := appendCanonical(nil, keyClass(class), v)
		two, again := appendCanonical(nil, keyClass(class), v)
		if ok != again || !bytes.Equal(one, two) {
			t.Fatalf("%q: %q %q", v, one, two)
		}
		if ok && keyClass(class) == keyNumeric {
			if three, ok := appendCanonical(nil, keyNumeric, one[4:]); !ok || !bytes.Equal(one, three) {
				t.Fatalf("%q: %q then %q", v, one[4:], three[4:])
			}
		}
	})
}

func TestSplits(t *testing.T) {
	for text, want := range map[string]string{
		"public.entry":  "[public.entry]",
		"a.b.c":         `[a."b.c" "a.b".c]`,
		`"a.b".c`:       `["""a"."b"".c" """a.b""".c "a.b".c]`,
		"entry":         "[public.entry]",
		".":             "[]",
		"public.Entry ": `[public."Entry "]`,
	} {
		if got := fmt.Sprint(splits(text)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestTimestamps(t *testing.T) {
	const epoch = 946684800_000000 // from 1970 to 2000
	for text, want := range map[string]int64{
		"1970-01-01 00:00:00+00":              0,
		"1970-01-01T00:00:00.000001+00:00":    1,
		"1969-12-31 23:59:59.9-00":            -100000,
		"2000-03-01 00:00:00+00":              951868800_000000,
		"2000-02-29 23:30:00-00:30":           951868800_000000,
		"0001-01-01 00:00:00+00 BC":           -62167219200_000000,
		"1883-11-18 12:03:58-00:00:02":        -2717668560_000000,
		"4714-11-24 00:00:00+00 BC":           -210866803200_000000,
		"2020-01-01 00:00:00":                 -1,
		"2020-01-01 00:00:00+5":               -1,
		"2020-01-01 00:00:00.1234567+00":      -1,
		"Wed Jan 01 00:00:00 2020 UTC":        -1,
		"2020-01-01 00:00:00+00:00:00:00":     -1,
		"01/01/2020 00:00:00+00":              -1,
		"2020-01-01":                          -1,
		"2020-01-01 00:00:00+00 BC trailing ": -1,
	} {
		got, ok := parseTimestamp([]byte(text), true)
		if ok != (want != -1) || ok && got+epoch != want {
			t.Errorf("%s: %d %v, want %d", text, got, ok, want)
		}
	}
	if got, ok := parseTimestamp([]byte("294276-12-31 23:59:59.999999+00"), true); !ok || got != 9223371331199_999999 {
		t.Errorf("last timestamp: %d %v", got, ok)
	}
}
