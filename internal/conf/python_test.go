package conf

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skytools-go/skytools/internal/pgtest"
)

var update = flag.Bool("update", false, "write testdata/python.json anew from python3")

const golden = "testdata/python.json"

// texts are the cases in which ini readers differ.
var texts = map[string]string{
	"plain":                      "[a]\nk = v\n",
	"colon":                      "[a]\nk: v\nl:v\nm : v\n",
	"first delimiter wins":       "[a]\nk = a:b=c\nl: x=y\n",
	"no blanks":                  "[a]\nk=v\n",
	"hash in value":              "[a]\ndb = password=a#b\n",
	"hash after blank":           "[a]\nk = v # no comment\n",
	"semicolon after blank":      "[a]\nk = v ; no comment\n",
	"comments":                   "# one\n; two\n[a]\n  # three\nk = v\n;x = y\n",
	"quotes stay":                "[a]\nk = 'v'\nl = \"w x\"\n",
	"tutorial":                   "[londiste]\njob_name = lmaster\nprovider_db = dbname=foo host=127.0.0.1 port=5555 user=chry\npidfile = %(job_name)s.pid\n",
	"key case":                   "[a]\nKey = V\nKEY2=%(kEy)s\n",
	"section case":               "[A]\nk=1\n[a]\nk=2\n",
	"empty value":                "[a]\nk =\nl =   \nm = x\n",
	"continuation":               "[a]\nk = one\n  two\n\tthree\nl = x\n",
	"continuation after empty":   "[a]\nk =\n  one\n  two\n",
	"continuation with =":        "[a]\ndb = dbname=foo\n  host=h\n  port=1\n",
	"empty line in value":        "[a]\nk = one\n\n  two\nl = x\n",
	"empty lines at end":         "[a]\nk = one\n\n\n\nl = x\n",
	"blank line of blanks":       "[a]\nk = one\n   \n  two\n",
	"comment in value":           "[a]\nk = one\n# c\n  two\n  ; d\n  three\n",
	"comment then empty":         "[a]\nk = one\n# c\n\n",
	"indented keys":              "[a]\n  k = one\n  l = two\n",
	"indented deeper is value":   "[a]\n  k = one\n    l = two\n  m = x\n",
	"indented after dedent":      "[a]\n    k = one\n  l = two\n    m = three\n",
	"indented header":            "[a]\nk = v\n  [b]\nl = w\n",
	"header after section":       "[a]\n  [b]\nk = v\n",
	"text after header":          "[a] rest\nk = v\n",
	"bracket in header":          "[a]b]\nk = v\n",
	"blank in header":            "[ a b ]\nk = v\n",
	"empty header":               "[a]\nk = v\n[]\n",
	"empty header with =":        "[a]\n[] = v\n",
	"header unclosed":            "[a]\n[b\n",
	"header unclosed with =":     "[a]\n[b=c\n",
	"percent":                    "[a]\nk = 100%%\nl = %%(job_name)s\n",
	"interpolation":              "[a]\nx = 1\nk = <%(x)s|%(x)s>\n",
	"interpolation nested":       "[a]\na = 1\nb = %(a)s2\nc = %(b)s3\n",
	"interpolation of defaults":  "[a]\nk = %(job_name)s.%(service_name)s.%(host_name)s\n",
	"interpolation of an empty":  "[a]\nx =\nk = <%(x)s>\n",
	"interpolation of percent":   "[a]\nx = 50%%\nk = %(x)s off\n",
	"interpolation over lines":   "[a]\nx = one\n two\nk = %(x)s\n",
	"job_name overridden":        "[a]\njob_name = mine\nk = %(job_name)s\n",
	"missing name":               "[a]\nk = %(nope)s\nl = fine\n",
	"lone percent":               "[a]\nk = 50% off\nl = x\n",
	"percent at end":             "[a]\nk = 50%\n",
	"unclosed name":              "[a]\nk = %(x\n",
	"name without s":             "[a]\nx = 1\nk = %(x)d\n",
	"name is empty":              "[a]\nk = %()s\n",
	"self reference":             "[a]\nk = %(k)s\n",
	"loop":                       "[a]\nk = %(l)s\nl = %(k)s\n",
	"ten deep":                   "[a]\na=x\nb=%(a)s\nc=%(b)s\nd=%(c)s\ne=%(d)s\nf=%(e)s\ng=%(f)s\nh=%(g)s\ni=%(h)s\nj=%(i)s\nk=%(j)s\nl=%(k)s\nm=%(l)s\n",
	"DEFAULT":                    "[DEFAULT]\nx = 1\ny = 2\n[a]\ny = 3\nk = %(x)s%(y)s\n[b]\nk = %(x)s%(y)s\n",
	"DEFAULT after":              "[a]\nk = %(x)s\n[DEFAULT]\nx = 1\n",
	"DEFAULT twice":              "[DEFAULT]\nx = 1\n[a]\n[DEFAULT]\ny = 2\n",
	"DEFAULT over the program's": "[DEFAULT]\njob_name = d\n[a]\nk = %(job_name)s\n",
	"default in lower case":      "[default]\nx = 1\n[a]\nk = v\n",
	"duplicate key":              "[a]\nk = 1\nk = 2\n",
	"duplicate key in case":      "[a]\nk = 1\nK = 2\n",
	"duplicate key in DEFAULT":   "[DEFAULT]\nk = 1\nk = 2\n",
	"duplicate section":          "[a]\nk = 1\n[a]\nl = 2\n",
	"same key, other section":    "[a]\nk = 1\n[b]\nk = 2\n",
	"no header":                  "k = v\n",
	"no delimiter":               "[a]\nk = v\njust words\n",
	"no key":                     "[a]\n = v\n",
	"CRLF":                       "[a]\r\nk = v\r\nl = one\r\n two\r\n",
	"CR":                         "[a]\rk = v\rl = w\r",
	"BOM":                        "\ufeff[a]\nk = v\n",
	"BOM and CRLF":               "\ufeff# c\r\n[a]\r\nk = v\r\n",
	"no newline at end":          "[a]\nk = v",
	"trailing blanks":            "[a]  \nk = v  \t \n",
	"blanks in key":              "[a]\nmy key = v\n",
	"UTF-8":                      "[a]\nk = žluťoučký 日本\nklíč = v\n",
	"odd blanks":                 "[a]\nk\u00a0=\u00a0v\u00a0\nl\x0b=\x0cw\x1c\n",
	"form feed line":             "[a]\nk = v\n\x0c\nl = w\n",
	"empty file":                 "",
	"only comments":              "# nothing\n",
	"empty section":              "[a]\n",
	"brackets in value":          "[a]\nk = [x]\n[b]\nl = ]\n",
}

// classes maps our messages to the names of Python's exceptions.
var classes = []struct{ text, class string }{
	{"must come first", "MissingSectionHeaderError"},
	{"is here twice", "DuplicateSectionError"},
	{"is given twice", "DuplicateOptionError"},
	{"no = or :", "ParsingError"},
	{"no key before", "ParsingError"},
	{"there is no key", "InterpolationMissingOptionError"},
	{"nested deeper", "InterpolationDepthError"},
	{"must be followed", "InterpolationSyntaxError"},
	{"is not closed", "InterpolationSyntaxError"},
}

func class(t *testing.T, err error) string {
	for _, c := range classes {
		if strings.Contains(err.Error(), c.text) {
			return "!" + c.class
		}
	}
	t.Fatalf("an error without a counterpart: %v", err)
	return ""
}

// ours is what this package makes of a text, in the form of dump.py.
func ours(t *testing.T, text string) any {
	f, err := Parse("x.ini", text)
	if err != nil {
		return class(t, err)
	}
	out := map[string]any{}
	for _, name := range f.Sections() {
		s, err := f.Section(name, map[string]string{"job_name": "job", "service_name": "svc", "host_name": "box"})
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]any{}
		for key := range s.all {
			if v, ok := s.Get(key); ok {
				values[key] = v
			} else {
				values[key] = class(t, s.errs[len(s.errs)-1])
			}
		}
		out[name] = values
	}
	return out
}

func expected(t *testing.T) map[string]any {
	t.Helper()
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	return want
}

func TestSameAsPython(t *testing.T) {
	want := expected(t)
	if len(want) != len(texts) || len(texts) < 36 {
		t.Errorf("%d goldens for %d cases", len(want), len(texts))
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want[name], ours(t, text)); diff != "" {
				t.Errorf("%q (-python +ours)\n%s", text, diff)
			}
		})
	}
}

func TestGoldensArePythons(t *testing.T) {
	pgtest.RequireTool(t, "python3", "apt-get install python3")
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "testdata/dump.py")
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, append(out, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(expected(t), got); diff != "" {
		t.Errorf("python3 answers otherwise than %s (-golden +python3)\n%s", golden, diff)
	}
}
