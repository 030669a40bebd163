package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/skytools-go/skytools/internal/hint"
)

// EnvBin is the environment variable that names the folder of initdb and
// postgres to use.
const EnvBin = "SKYTOOLS_PGBIN"

// EnvUnpack is the environment variable that names a cache folder to unpack
// packages into where no server is installed. The Makefile sets it for tests.
const EnvUnpack = "SKYTOOLS_PGUNPACK"

// EnvMajor is the environment variable that names the one version to take where
// the caller names none.
const EnvMajor = "SKYTOOLS_PGMAJOR"

// Binaries are the programs of one PostgreSQL version.
type Binaries struct {
	Dir    string // folder of initdb and postgres
	Major  int    // 13, 14, …
	Source string // where they were found, for a log: "SKYTOOLS_PGBIN", "Debian's packages", …
	LibDir string // folders for LD_LIBRARY_PATH, joined by ":"; "" when installed
}

// Env returns what the programs need in their environment.
func (b Binaries) Env() []string {
	if b.LibDir == "" {
		return nil
	}
	return []string{"LD_LIBRARY_PATH=" + b.LibDir}
}

// Program returns the path of one of the version's programs, such as psql, or
// an error that names it: npm's packages have neither psql nor pg_dump.
func (b Binaries) Program(name string) (string, error) {
	path := filepath.Join(b.Dir, name)
	if err := executable(path); err != nil {
		return "", fmt.Errorf("%s (PostgreSQL %d from %s) is not there: %w", name, b.Major, b.Source, err)
	}
	return path, nil
}

// FindOptions narrow a search. The zero value finds what is installed.
type FindOptions struct {
	Dir           string                        // this folder and no other
	Major         int                           // this version only; 0 = EnvMajor's, else the newest of the first place that has one
	SkipInstalled bool                          // take nothing that is installed: unpack
	Unpack        string                        // cache folder to unpack packages into; "" = EnvUnpack's, if it is set
	Log           func(format string, a ...any) // told what is being downloaded; may be nil
}

// Find returns the programs of a PostgreSQL server.
func Find(ctx context.Context, opt FindOptions) (Binaries, error) {
	if opt.Log == nil {
		opt.Log = func(string, ...any) {}
	}
	if text := os.Getenv(EnvMajor); opt.Major == 0 && text != "" {
		major, err := strconv.Atoi(text)
		if err != nil {
			return Binaries{}, fmt.Errorf("%s: %w", EnvMajor, err)
		}
		opt.Major = major
	}
	if opt.Dir != "" {
		return inspect(ctx, opt.Dir, "the given folder", "")
	}
	if !opt.SkipInstalled {
		if dir := os.Getenv(EnvBin); dir != "" {
			return fromEnv(ctx, dir, opt.Major)
		}
		if b, ok := findInstalled(ctx, opt.Major); ok {
			return b, nil
		}
	}
	if opt.Unpack == "" {
		opt.Unpack = os.Getenv(EnvUnpack)
	}
	if opt.Unpack == "" {
		return Binaries{}, missing(opt.Major, nil)
	}
	b, err := unpack(ctx, opt)
	if err != nil {
		return Binaries{}, missing(opt.Major, err)
	}
	return b, nil
}

// fromEnv takes the folder that the environment names, and no other: whoever
// sets the variable wants to know when it is wrong. It may be a list, one
// folder a version.
func fromEnv(ctx context.Context, list string, major int) (Binaries, error) {
	var errs []error
	for _, dir := range filepath.SplitList(list) {
		b, err := inspect(ctx, dir, EnvBin, "")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if major == 0 || b.Major == major {
			return b, nil
		}
		errs = append(errs, fmt.Errorf("%s has version %d, not %d", dir, b.Major, major))
	}
	return Binaries{}, errors.Join(errs...)
}

func missing(major int, cause error) error {
	what := "no PostgreSQL server found"
	if major != 0 {
		what = fmt.Sprintf("no PostgreSQL %d server found", major)
	}
	err := errors.New(what)
	if cause != nil {
		err = fmt.Errorf("%s: %w", what, cause)
	}
	return hint.With(err, "install one (Debian: apt-get install postgresql) or set %s to the folder of initdb and postgres", EnvBin)
}

// findInstalled goes through the places of an installed server in order.
func findInstalled(ctx context.Context, major int) (Binaries, bool) {
	for _, place := range []struct {
		name string
		dirs func(context.Context) []string
	}{
		{"pg_config", pgConfigDir},
		{"Debian", debianDirs},
		{"Homebrew or a local build", localDirs},
		{"PATH", pathDir},
	} {
		for _, dir := range place.dirs(ctx) {
			b, err := inspect(ctx, dir, place.name, "")
			if err == nil && (major == 0 || b.Major == major) {
				return b, true
			}
		}
	}
	return Binaries{}, false
}

func pgConfigDir(ctx context.Context) []string {
	out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output()
	if err != nil {
		return nil
	}
	return []string{strings.TrimSpace(string(out))}
}

func debianDirs(context.Context) []string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	return newestFirst(dirs, "")
}

func localDirs(context.Context) []string {
	var dirs []string
	for _, pattern := range []string{
		"/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin", "/usr/local/pgsql/bin",
	} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, newestFirst(found, "")...)
	}
	return dirs
}

func pathDir(context.Context) []string {
	path, err := exec.LookPath("postgres")
	if err != nil {
		return nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return []string{filepath.Dir(path)}
}

var digits = regexp.MustCompile(`\d+`)

// newestFirst sorts folders by the first number in their names behind prefix,
// downwards.
func newestFirst(dirs []string, prefix string) []string {
	number := func(dir string) int {
		n, _ := strconv.Atoi(digits.FindString(strings.TrimPrefix(dir, prefix)))
		return n
	}
	sort.SliceStable(dirs, func(i, j int) bool { return number(dirs[i]) > number(dirs[j]) })
	return dirs
}

var versionOf = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect asks the programs in dir for their version: that they run here at
// all is part of the answer.
func inspect(ctx context.Context, dir, source, libDir string) (Binaries, error) {
	b := Binaries{Dir: dir, Source: source, LibDir: libDir}
	if err := executable(filepath.Join(dir, "initdb")); err != nil {
		return Binaries{}, fmt.Errorf("%s: no initdb there: %w", dir, err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	cmd.Env = append(os.Environ(), b.Env()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return Binaries{}, fmt.Errorf("%s/postgres --version: %w: %s", dir, err, strings.TrimSpace(string(out)))
	}
	m := versionOf.FindStringSubmatch(string(out))
	if m == nil {
		return Binaries{}, fmt.Errorf("%s/postgres --version says %q", dir, strings.TrimSpace(string(out)))
	}
	b.Major, _ = strconv.Atoi(m[1])
	return b, nil
}

func executable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st.IsDir() || st.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is no program", path)
	}
	return nil
}
