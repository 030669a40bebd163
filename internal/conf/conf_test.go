package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skytools-go/skytools/internal/hint"
)

func section(t *testing.T, name, text string) *Section {
	t.Helper()
	f, err := Parse("x.ini", text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Section(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "65536": 65536, "64kB": 65536, "64 MB": 64 << 20, "1.5GB": 3 << 29, "2TB": 2 << 40, "10B": 10,
	} {
		if got, ok := ParseSize(text); !ok || got != want {
			t.Errorf("%s: %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "MB", "-1", "10 mb", "10MBB", "1e99TB", "ten"} {
		if got, ok := ParseSize(text); ok {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func TestGetters(t *testing.T) {
	t.Setenv("HOME", "/home/chry")
	s := section(t, "londiste", `[londiste]
loop_delay = 0.1
log_size = 10485760
use_skylog = Off
fake = 1
logfile = ~/log/%(job_name)s.log
pidfile = ~root/x.pid
plain = a~b
empty =
`)
	check := func(got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	check(s.Duration("loop_delay", time.Second), 100*time.Millisecond)
	check(s.Duration("absent", time.Second), time.Second)
	check(s.Float("loop_delay", 1), 0.1)
	check(s.Int("log_size", 1), 10485760)
	check(s.Int("absent", 3), 3)
	check(s.Bool("use_skylog", true), false)
	check(s.Bool("fake", false), true)
	check(s.Bool("absent", true), true)
	check(s.File("logfile", ""), "/home/chry/log/londiste.log")
	check(s.File("pidfile", ""), "/root/x.pid")
	check(s.File("plain", ""), "a~b")
	check(s.File("absent", "d"), "d")
	check(s.String("empty", "d"), "")
	check(s.String("absent", "d"), "d")
	check(s.Need("logfile"), "~/log/londiste.log")
	check(s.Where("fake"), "x.ini:5")
	check(s.Where("absent"), "x.ini")
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	host, _ := os.Hostname()
	check(s.String("host_name", ""), host)
	check(s.String("service_name", ""), "londiste")
}

func TestErrorsNameFileAndLineAllAtOnce(t *testing.T) {
	s := section(t, "a", `[a]
n = ten
x = 1,5
b = maybe
d = -1
inf = inf
home = ~no_such_user_here/x
p = 50% off
c = maybe
empty =
`)
	s.Int("n", 0)
	s.Int("n", 0) // told once
	s.Float("x", 0)
	s.Bool("b", false)
	s.Duration("d", 0)
	s.Float("inf", 0)
	s.File("home", "")
	s.String("p", "")
	s.Choice("c", "no", "no", "yes")
	s.Need("p")
	s.Need("empty")
	s.Need("absent")
	want := `x.ini:2: n = "ten" is not a whole number
x.ini:3: x = "1,5" is not a number
x.ini:4: b = "maybe" is not 1/0, yes/no, true/false or on/off
x.ini:5: d = "-1" is not a number of seconds
x.ini:6: inf = "inf" is not a number
x.ini:7: home: user: unknown user no_such_user_here
x.ini:8: p: a % must be followed by another % or by (name)s
x.ini:9: c = "maybe" is not one of no, yes
x.ini: key empty is missing in section [a]
x.ini: key absent is missing in section [a]`
	if diff := cmp.Diff(want, s.Err().Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseReportsEveryBadLineAndNoValue(t *testing.T) {
	_, err := Parse("x.ini", "top = s3cret\n[a]\nk = 1\npassword s3cret\nK = 2\n= s3cret\n[a]\nk = 1\nuser s3cret\n")
	want := `x.ini:1: a section header like [londiste] must come first
x.ini:4: no = or : in this line
x.ini:5: key k of section [a] is given twice, first in line 3
x.ini:6: no key before "="
x.ini:7: section [a] is here twice
x.ini:9: no = or : in this line`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replica.ini")
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "replica.ini: no such file") {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("[londiste3]\nk = v\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Section("londiste", nil)
	if err == nil || err.Error() != path+": no section [londiste]" || hint.Of(err) != "rename section [londiste3] to [londiste]" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	_, err = f.Section("pgqadm", nil)
	if hint.Of(err) != "it has [londiste3]: is it another program's file?" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

var table = []Key{
	{Name: "provider_db", Doc: "Connection string of the provider.", Sample: "dbname=foo host=10.0.0.1"},
	{Name: "pgq_queue_name", Doc: "Queue that carries the changes.", Sample: "londiste.write"},
	{Name: "loop_delay", Default: "1.0", Unit: "seconds", Doc: "Pause when there is nothing to do."},
	{Name: "logfile", Doc: "Where to log."},
	{Name: "old_key", ReplacedBy: "nothing needs it"},
}

func TestUnknown(t *testing.T) {
	s := section(t, "londiste", `[DEFAULT]
dir = /var
dri = /tmp
[londiste]
pgq_queu_name = q
base = %(dir)s/log
logfile = %(base)s/x.log
mirror_queue = m
exception_sleep = 20
old_key = 1
zebra = 1
escaped = %%(zebra)s
[pgqadm]
stripes = 1
`)
	err := s.Unknown(table)
	want := `x.ini:3: unknown key dri in section [DEFAULT]
x.ini:5: unknown key pgq_queu_name in section [londiste] (did you mean pgq_queue_name?)
x.ini:11: unknown key zebra in section [londiste]
x.ini:12: unknown key escaped in section [londiste]`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if hint.Of(err) != "--ini prints all keys" {
		t.Errorf("hint %q", hint.Of(err))
	}
	wantIgnored := []string{
		"x.ini:8: key mirror_queue has no effect: a mirror is a subscriber of its own",
		"x.ini:9: key exception_sleep has no effect: errors are retried with a growing delay of at most 20 s",
		"x.ini:10: key old_key has no effect: nothing needs it",
	}
	if diff := cmp.Diff(wantIgnored, s.Ignored(table)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := section(t, "a", "[a]\nlogfile = x\n").Unknown(table); err != nil {
		t.Error(err)
	}
}

func TestSampleIsReadable(t *testing.T) {
	text := Sample("londiste", table)
	want := `[londiste]

# Connection string of the provider.
provider_db = dbname=foo host=10.0.0.1

# Queue that carries the changes.
pgq_queue_name = londiste.write

# Pause when there is nothing to do. [seconds]
#loop_delay = 1.0

# Where to log.
#logfile =
`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s := section(t, "londiste", text)
	if err := s.Unknown(table); err != nil {
		t.Error(err)
	}
	if got := s.Need("provider_db"); got != "dbname=foo host=10.0.0.1" {
		t.Error(got)
	}
}

func TestForeignKeysSayWhatReplacesThem(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Skytools {
		if k.ReplacedBy == "" || seen[k.Name] {
			t.Errorf("key %s: replaced by %q, listed before: %v", k.Name, k.ReplacedBy, seen[k.Name])
		}
		seen[k.Name] = true
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("x.ini", text)
		if err != nil {
			return
		}
		for _, name := range file.Sections() {
			s, err := file.Section(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			for key := range s.own {
				if v, ok := s.Get(key); !ok && s.Err() == nil {
					t.Fatalf("key %q: no value %q and no error", key, v)
				}
			}
		}
	})
}
