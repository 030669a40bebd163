package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/hint"
)

// sample is a program with every kind of command.
func sample() *App {
	a := New("londiste", "Replicate tables", "3.9", slices.Concat(CommonKeys, []conf.Key{
		{Name: "provider_db", Doc: "Connection string of the provider.", Sample: "dbname=foo"},
	}))
	group := &cobra.Command{Use: "provider", Short: "Provider side"}
	add := &cobra.Command{
		Use: "add TABLE...", Short: "Add tables", Args: cobra.MinimumNArgs(1), ValidArgs: []string{"entry", "log"},
		RunE: func(cmd *cobra.Command, args []string) error {
			all, _ := cmd.Flags().GetBool("all")
			key, _ := cmd.Flags().GetString("key")
			_, err := cmd.OutOrStdout().Write([]byte(strings.Join(append([]string{a.ConfigFile(), key}, args...), "|") + map[bool]string{true: "|all"}[all] + "\n"))
			return err
		},
	}
	add.Flags().Bool("all", false, "all tables")
	add.Flags().StringP("key", "n", "", "index")
	tables := a.WithJSON(&cobra.Command{
		Use: "tables", Short: "List tables", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := &Table{Columns: []Column{{Title: "Table", Key: "table"}, {Title: "Lag", Key: "lag", Right: true}}}
			t.Add("public.a", 12)
			t.Add("public.longer", nil)
			return a.Print(cmd.OutOrStdout(), t)
		},
	})
	group.AddCommand(add, tables)
	fail := &cobra.Command{
		Use: "fail KIND", Short: "Fail", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch args[0] {
			case "hint":
				return hint.With(errors.New("table public.log has no primary key"), "add one")
			case "lines":
				return errors.Join(errors.New("one"), errors.New("two"))
			case "hints":
				return errors.Join(hint.With(errors.New("one"), "mend one"), errors.New("two"), hint.With(errors.New("three"), "mend three"))
			case "password":
				return errors.New("cannot use host=h password=s3cret")
			case "differ":
				return Status(1, nil)
			case "unknown":
				return Status(2, errors.New("could not tell"))
			}
			return nil
		},
	}
	read := &cobra.Command{
		Use: "read", Short: "Read the ini file", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.Section()
			if err != nil {
				return err
			}
			log, err := a.OpenLog(s, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer log.Close()
			log.Debug("debug")
			log.Info("info")
			log.Warn("warning")
			return nil
		},
	}
	replay := &cobra.Command{
		Use: "replay", Short: "Apply changes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.Section()
			if err != nil {
				return err
			}
			return a.Daemon(cmd.Context(), s, cmd.ErrOrStderr(), func(ctx context.Context, job Job) error {
				if os.Getenv("FAIL") != "" {
					return hint.With(errors.New("no such database"), "create it")
				}
				job.Ready()
				job.Log.Info("up")
				for {
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-job.Stop:
						job.Log.Info("stopped")
						return nil
					case <-job.Reload:
						job.Log.Info("reloaded")
					}
				}
			})
		},
	}
	printSQL := NoConfig(&cobra.Command{Use: "sql", Short: "Print SQL", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "select 1;")
		return err
	}})
	a.Root.AddCommand(group, fail, read, replay, printSQL)
	return a
}

type result struct {
	status         int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("status %d, stdout %q, stderr %q", r.status, r.stdout, r.stderr)
}

func run(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := sample().Run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

func TestArguments(t *testing.T) {
	const groupHint = "hint: one of: add, tables\n"
	const rootHint = "hint: one of: completion, fail, help, provider, read, replay, sql\n"
	needFile := result{2, "", "londiste: error: need config file\nhint: londiste FILE.ini COMMAND; londiste --ini prints a sample file\n"}
	for _, c := range []struct {
		args string
		want result
	}{
		{"x.ini provider add entry", result{0, "x.ini||entry\n", ""}},
		{"-v x.ini provider add entry log --all", result{0, "x.ini||entry|log|all\n", ""}},
		{"x.ini provider add -v --all entry -d", result{0, "x.ini||entry|all\n", ""}},
		{"-n idx x.ini provider add entry", result{0, "x.ini|idx|entry\n", ""}},
		{"--key idx x.ini provider add entry", result{0, "x.ini|idx|entry\n", ""}},
		{"--key=idx x.ini provider add entry", result{0, "x.ini|idx|entry\n", ""}},
		{"-nidx x.ini provider add entry", result{0, "x.ini|idx|entry\n", ""}},
		{"-qn idx x.ini provider add entry", result{0, "x.ini|idx|entry\n", ""}},
		{"--all x.ini provider add entry", result{0, "x.ini||entry|all\n", ""}},
		{"x.ini provider --all add entry", result{0, "x.ini||entry|all\n", ""}},
		{"x.ini provider add entry -n", result{2, "", "londiste: error: flag needs an argument: 'n' in -n\nhint: usage is londiste FILE.ini provider add TABLE... [flags]\n"}},
		{"--config x.ini provider add entry", result{0, "x.ini||entry\n", ""}},
		{"--config=x.ini provider add entry", result{0, "x.ini||entry\n", ""}},
		{"provider add entry --config x.ini", result{0, "x.ini||entry\n", ""}},
		{"./provider provider add provider", result{0, "./provider||provider\n", ""}},
		{"x.ini provider add -- --all", result{0, "x.ini||--all\n", ""}},
		{"", needFile},
		{"provider add entry", needFile},
		{"-s", needFile},
		{"x.ini", result{2, "", "londiste: error: need command\n" + rootHint}},
		{"x.ini provider", result{2, "", "londiste: error: need command after provider\n" + groupHint}},
		{"x.ini provider ad", result{2, "", "londiste: error: unknown command \"ad\" after provider\nhint: did you mean \"add\"?\n"}},
		{"x.ini provider zebra", result{2, "", "londiste: error: unknown command \"zebra\" after provider\n" + groupHint}},
		{"x.ini provider ad --help", result{2, "", "londiste: error: unknown command \"ad\" after provider\nhint: did you mean \"add\"?\n"}},
		{"x.ini provder add entry", result{2, "", "londiste: error: unknown command \"provder\"\nhint: did you mean \"provider\"?\n"}},
		{"x.ini help provder", result{2, "", "londiste: error: unknown command \"provder\"\nhint: did you mean \"provider\"?\n"}},
		{"help provider ad", result{2, "", "londiste: error: unknown command \"ad\" after provider\nhint: did you mean \"add\"?\n"}},
		{"x.ini completion", result{2, "", "londiste: error: need command after completion\nhint: one of: bash, fish, powershell, zsh\n"}},
		{"x.ini provider add", result{2, "", "londiste: error: requires at least 1 arg(s), only received 0\nhint: usage is londiste FILE.ini provider add TABLE... [flags]\n"}},
		{"x.ini provider add entry --al", result{2, "", "londiste: error: unknown flag: --al\nhint: did you mean --all?\n"}},
		{"x.ini provider add entry --zebra", result{2, "", "londiste: error: unknown flag: --zebra\nhint: londiste provider add --help lists the flags\n"}},
		{"x.ini provider add entry --key", result{2, "", "londiste: error: flag needs an argument: --key\nhint: usage is londiste FILE.ini provider add TABLE... [flags]\n"}},
		{"x.ini replay superfluous", result{2, "", "londiste: error: unknown command \"superfluous\" for \"londiste FILE.ini replay\"\nhint: usage is londiste FILE.ini replay [flags]\n"}},
		{"x.ini fail hint", result{1, "", "londiste: error: table public.log has no primary key\nhint: add one\n"}},
		{"x.ini fail lines", result{1, "", "londiste: error: one\nlondiste: error: two\n"}},
		{"x.ini fail hints", result{1, "", "londiste: error: one\nhint: mend one\nlondiste: error: two\nlondiste: error: three\nhint: mend three\n"}},
		{"x.ini fail password", result{1, "", "londiste: error: cannot use host=h password=xxxxx\n"}},
		{"x.ini fail differ", result{1, "", ""}},
		{"x.ini fail unknown", result{2, "", "londiste: error: could not tell\n"}},
		{"x.ini fail not", result{0, "", ""}},
		{"-V", result{0, "Skytools version 3.9\n", ""}},
		{"x.ini replay --version", result{0, "Skytools version 3.9\n", ""}},
		{"x.ini -s -k", result{2, "", "londiste: error: -s, -k and -r exclude each other\n"}},
		{"x.ini provider tables", result{0, "Table          Lag\npublic.a        12\npublic.longer    -\n", ""}},
		{"x.ini provider tables --json", result{0, "[\n  {\"table\": \"public.a\", \"lag\": 12},\n  {\"table\": \"public.longer\", \"lag\": null}\n]\n", ""}},
		{"sql", result{0, "select 1;\n", ""}},
	} {
		if got := run(t, strings.Fields(c.args)...); got != c.want {
			t.Errorf("londiste %s\n got %s\nwant %s", c.args, got, c.want)
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A command whose results are lost has failed, and says so once.
func TestLostResults(t *testing.T) {
	for _, args := range []string{"--ini", "-V", "--help", "sql", "x.ini provider tables", "x.ini provider add entry"} {
		var stderr bytes.Buffer
		status := sample().Run(t.Context(), strings.Fields(args), strings.NewReader(""), full{}, &stderr)
		if got := stderr.String(); status != 1 || !strings.HasSuffix(got, "no space left on device\n") || strings.Count(got, "\n") != 1 {
			t.Errorf("londiste %s: status %d, stderr %q", args, status, got)
		}
	}
}

func TestHelp(t *testing.T) {
	for args, want := range map[string]string{
		"--help":                    "londiste FILE.ini [command]",
		"help provider add":         "londiste FILE.ini provider add TABLE... [flags]",
		"x.ini provider add --help": "londiste FILE.ini provider add TABLE... [flags]",
		"x.ini provider -h":         "londiste FILE.ini provider [command]",
	} {
		got := run(t, strings.Fields(args)...)
		if got.status != 0 || !strings.Contains(got.stdout, want) || got.stderr != "" {
			t.Errorf("londiste %s: status %d, stderr %q, stdout lacks %q:\n%s", args, got.status, got.stderr, want, got.stdout)
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, c := range []struct {
		args       []string
		has, lacks string
	}{
		{[]string{"__complete", ""}, "provider", "entry"},
		{[]string{"__complete", "x.ini", "prov"}, "provider", "replay"},
		{[]string{"__complete", "x.ini", "provider", ""}, "tables", "replay"},
		{[]string{"__complete", "x.ini", "provider", "add", "-v", ""}, "entry", "tables"},
		{[]string{"__complete", "-v", "x.ini", "provider", "add", "--a"}, "--all", "entry"},
	} {
		got := run(t, c.args...)
		if got.status != 0 || !strings.Contains(got.stdout, c.has) || strings.Contains(got.stdout, c.lacks) {
			t.Errorf("%q: status %d\n%s", c.args, got.status, got.stdout)
		}
	}
	// A first word that may be a file is completed as one.
	if got := run(t, "__complete", "rep.i"); !strings.Contains(got.stdout, ":0\n") {
		t.Errorf("file name: %q", got.stdout)
	}
	if got := run(t, "completion", "bash"); got.status != 0 || !strings.Contains(got.stdout, "__start_londiste") {
		t.Errorf("completion script: status %d, %.200s %s", got.status, got.stdout, got.stderr)
	}
}

func TestTree(t *testing.T) {
	if err := sample().Check(); err != nil {
		t.Error(err)
	}
	bad := New("x", "X", "1", nil)
	inner := &cobra.Command{
		Use: "inner", PersistentPreRun: func(*cobra.Command, []string) {}, Run: func(*cobra.Command, []string) {},
	}
	inner.Flags().String("quiet", "", "a value here, none elsewhere")
	group := &cobra.Command{Use: "group", Short: "G", Args: cobra.ArbitraryArgs, Run: func(*cobra.Command, []string) {}}
	group.AddCommand(inner)
	bad.Root.AddCommand(group)
	err := bad.Check()
	for _, want := range []string{
		"group inner: no Short description", "group inner: its PersistentPreRun hides the program's",
		"group inner: Args is not set", "group inner: --quiet takes a value in some commands only", "x.ini group mistyped mistyped: status 0",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check does not find %q in:\n%v", want, err)
		}
	}
}

func TestProgramName(t *testing.T) {
	for argv0, want := range map[string]string{
		"/usr/bin/pgqd": "pgqd", "./pgqadm.py": "pgqadm", "pgqadm": "pgqadm", "/tmp/other": "pgqadm",
	} {
		if got := ProgramName(argv0, "pgqadm", "pgqd"); got != want {
			t.Errorf("%s is %s, want %s", argv0, got, want)
		}
	}
}

func TestINI(t *testing.T) {
	got := run(t, "--ini")
	if got.status != 0 {
		t.Fatal(got.stderr)
	}
	f, err := conf.Parse("sample", got.stdout)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Section("londiste", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Unknown(sample().Keys); err != nil {
		t.Error(err)
	}
	if got := s.File("pidfile", ""); got != "my_job.pid" {
		t.Errorf("pidfile %q", got)
	}
}

// ini writes an ini file and returns its name and its directory.
func ini(t *testing.T, text string) (path, dir string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "x.ini")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, dir
}

func TestSectionAndLog(t *testing.T) {
	path, dir := ini(t, "[londiste]\njob_name = j\nlogfile = DIR/%(job_name)s.log\nmirror_queue = m\n")
	ignored := "WARNING " + path + ":4: key mirror_queue has no effect: a mirror is a subscriber of its own\n"
	for flag, want := range map[string]string{
		"--verbose=0": ignored + "INFO info\nWARNING warning\n",
		"-q":          ignored + "WARNING warning\n",
		"-v":          ignored + "DEBUG debug\nINFO info\nWARNING warning\n",
	} {
		got := run(t, path, "read", flag)
		if got.status != 0 || got.stderr != want {
			t.Errorf("%s: status %d, stderr %q", flag, got.status, got.stderr)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "j.log"))
	if err != nil || strings.Count(string(data), "WARNING warning\n") != 3 {
		t.Errorf("log file %q, %v", data, err)
	}
	path, _ = ini(t, "[londiste]\nprovider_bd = x\nlogfil = y\n")
	got := run(t, path, "read")
	want := "londiste: error: " + path + ":2: unknown key provider_bd in section [londiste] (did you mean provider_db?)\n" +
		"londiste: error: " + path + ":3: unknown key logfil in section [londiste] (did you mean logfile?)\n" +
		"hint: --ini prints all keys\n"
	if got.status != ExitUsage || got.stderr != want {
		t.Errorf("status %d\n%s", got.status, got.stderr)
	}
	got = run(t, "/no/such.ini", "read")
	if got.status != ExitUsage || got.stderr != "londiste: error: config file: open /no/such.ini: no such file or directory\nhint: the first argument is the ini file; --ini prints a sample\n" {
		t.Errorf("status %d\n%s", got.status, got.stderr)
	}
}
