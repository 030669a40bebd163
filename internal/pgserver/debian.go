package pgserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// apt runs Debian's package tools without touching the machine's state: lists,
// caches and downloads are in a folder of our own.
type apt struct {
	dir     string // our own state
	ownList bool   // package lists of our own instead of the machine's
}

// getDebian downloads the server's and the client's packages and the shared
// libraries that the machine lacks, and unpacks them side by side.
func getDebian(ctx context.Context, opt FindOptions, root string) (Binaries, error) {
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-query", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return Binaries{}, fmt.Errorf("no %s here: this is no Debian", tool)
		}
	}
	a := &apt{dir: filepath.Join(filepath.Dir(root), "apt")}
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "debs"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return Binaries{}, err
		}
	}
	major, err := a.offered(ctx, opt.Major)
	if err == nil {
		err = a.unpackServer(ctx, opt, major, root)
	}
	if err != nil && ctx.Err() == nil {
		// No lists, or lists older than the archive: get new ones.
		opt.Log("reading Debian's package lists")
		if err := a.update(ctx); err != nil {
			return Binaries{}, err
		}
		if major, err = a.offered(ctx, opt.Major); err != nil {
			return Binaries{}, err
		}
		err = a.unpackServer(ctx, opt, major, root)
	}
	if err != nil {
		return Binaries{}, err
	}
	return openDebian(ctx, root)
}

// openDebian finds the programs below an unpacked root. They find their own
// files relative to themselves; the libraries they find by LD_LIBRARY_PATH.
func openDebian(ctx context.Context, root string) (Binaries, error) {
	bins, _ := filepath.Glob(filepath.Join(root, "usr/lib/postgresql/*/bin"))
	if len(bins) != 1 {
		return Binaries{}, fmt.Errorf("%d servers below %s, want one", len(bins), root)
	}
	var libs []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		libs = append(libs, found...)
	}
	return inspect(ctx, bins[0], "Debian's packages", strings.Join(libs, ":"))
}

func (a *apt) args(args ...string) []string {
	options := []string{
		"-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::Retries=3",
	}
	if a.ownList {
		options = append(options, "-o", "Dir::State::Lists="+filepath.Join(a.dir, "lists"))
	}
	if os.Geteuid() == 0 {
		// apt's own user may be unable to enter our folder.
		options = append(options, "-o", "APT::Sandbox::User=root")
	}
	return append(args, options...)
}

func (a *apt) update(ctx context.Context) error {
	a.ownList = true
	_, err := output(ctx, a.dir, "apt-get", a.args("update", "-q")...)
	return err
}

// offered returns the server's version that apt can download.
func (a *apt) offered(ctx context.Context, major int) (int, error) {
	if major != 0 {
		if _, err := output(ctx, a.dir, "apt-cache", a.args("show", fmt.Sprintf("postgresql-%d", major))...); err != nil {
			return 0, fmt.Errorf("no package postgresql-%d: %w", major, err)
		}
		return major, nil
	}
	for _, dep := range a.depends(ctx, "postgresql") {
		if number, ok := strings.CutPrefix(dep, "postgresql-"); ok {
			if n, err := strconv.Atoi(number); err == nil {
				return n, nil
			}
		}
	}
	return 0, errors.New("apt knows no package postgresql")
}

var dependency = regexp.MustCompile(`^ [ |](?:Pre)?Depends: ([a-z0-9.+-]+)$`)

// depends returns the real packages that some depend on, alternatives with the
// others; nothing when apt does not know one of them.
func (a *apt) depends(ctx context.Context, names ...string) []string {
	out, err := output(ctx, a.dir, "apt-cache", a.args(append([]string{"depends", "--important"}, names...)...)...)
	if err != nil {
		return nil
	}
	var found []string
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		if m := dependency.FindStringSubmatch(lines.Text()); m != nil {
			found = append(found, m[1])
		}
	}
	return found
}

// unpackServer downloads and unpacks everything that the version needs here.
func (a *apt) unpackServer(ctx context.Context, opt FindOptions, major int, root string) error {
	wanted := []string{fmt.Sprintf("postgresql-%d", major), fmt.Sprintf("postgresql-client-%d", major), "libpq5"}
	libs := a.missingLibraries(ctx, wanted)
	wanted = append(wanted, libs...)
	opt.Log("downloading %d packages of Debian: %s", len(wanted), strings.Join(wanted, " "))
	debs := filepath.Join(a.dir, "debs")
	if _, err := output(ctx, debs, "apt-get", a.args(append([]string{"download", "-q"}, wanted...)...)...); err != nil {
		return err
	}
	files, _ := filepath.Glob(filepath.Join(debs, "*.deb"))
	for _, deb := range files {
		if _, err := output(ctx, debs, "dpkg-deb", "-x", deb, root); err != nil {
			return err
		}
		if err := os.Remove(deb); err != nil {
			return err
		}
	}
	if err := dropJIT(root); err != nil {
		return err
	}
	return a.checkLibraries(ctx, root)
}

// missingLibraries walks the dependencies as far as they are libraries and not
// installed, a generation at a time: apt needs a second to read its lists. The
// C library is the machine's: another one would need its own loader. LLVM is
// left out for its size, and the JIT with it.
func (a *apt) missingLibraries(ctx context.Context, from []string) []string {
	var missing []string
	seen := map[string]bool{}
	for generation := from; len(generation) > 0; {
		var libs []string
		for _, dep := range a.depends(ctx, generation...) {
			if seen[dep] || slices.Contains(from, dep) || !strings.HasPrefix(dep, "lib") ||
				dep == "libc6" || strings.HasPrefix(dep, "libllvm") {
				continue
			}
			seen[dep] = true
			libs = append(libs, dep)
		}
		there := installed(ctx, libs)
		generation = slices.DeleteFunc(libs, func(lib string) bool { return there[lib] })
		missing = append(missing, generation...)
	}
	slices.Sort(missing)
	return missing
}

// dpkgAdmin is dpkg's own folder; a test names an empty one, on which nothing
// is installed.
var dpkgAdmin = "/var/lib/dpkg"

// installed tells which of the packages are.
func installed(ctx context.Context, names []string) map[string]bool {
	there := map[string]bool{}
	if len(names) == 0 {
		return there
	}
	args := append([]string{"--admindir=" + dpkgAdmin, "-W", "-f", "${Package} ${db:Status-Abbrev}\n"}, names...)
	cmd := exec.CommandContext(ctx, "dpkg-query", args...)
	out, _ := cmd.Output() // its status tells that one of them is unknown
	for line := range strings.Lines(string(out)) {
		if name, status, _ := strings.Cut(line, " "); strings.HasPrefix(status, "ii") {
			there[name] = true
		}
	}
	return there
}

// dropJIT removes the JIT's module: without LLVM the server does without JIT
// when the file is missing, but fails queries when it cannot be loaded.
func dropJIT(root string) error {
	files, _ := filepath.Glob(filepath.Join(root, "usr/lib/postgresql/*/lib/llvmjit.so"))
	dirs, _ := filepath.Glob(filepath.Join(root, "usr/lib/postgresql/*/lib/bitcode"))
	for _, path := range append(files, dirs...) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// checkLibraries names the libraries that the programs do not find.
func (a *apt) checkLibraries(ctx context.Context, root string) error {
	b, err := openDebian(ctx, root)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("ldd"); err != nil {
		return nil // inspect has run the server; more cannot be known
	}
	for _, program := range []string{"postgres", "initdb", "psql", "pg_dump"} {
		cmd := exec.CommandContext(ctx, "ldd", filepath.Join(b.Dir, program))
		cmd.Env = append(os.Environ(), b.Env()...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("ldd %s: %w: %s", program, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "not found") {
				return fmt.Errorf("%s of Debian's package lacks a library: %s", program, strings.TrimSpace(line))
			}
		}
	}
	return nil
}
