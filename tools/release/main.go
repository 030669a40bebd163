// Command release makes what a release publishes, in one folder:
//
//	skytools-go_V_OS_ARCH.tar.gz     programs, man pages, completions, sample inis
//	skytools-go_V_ARCH.deb, .rpm     the same as packages, with systemd's units
//	skytools-go-compat_V_….deb, .rpm Skytools' names as links
//	skytools-go_V_oci.tar            image of both programs, two platforms, OCI layout
//	skytools-go_V.cdx.json           the modules in the programs (CycloneDX)
//	SHA256SUMS                       of all these
//
// Nothing of the machine gets into a byte of them: the source, the version of
// Go, the number and the date (of the commit, or SOURCE_DATE_EPOCH) decide
// all. So whoever builds the same commit can compare.
//
// Man pages are the references of docs, which tests keep; completions come
// from the programs. What the packages hold stands in etc/package.
//
// It is a module of its own, so that what makes packages enters neither the
// project's modules nor those of its linters.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", "../..", "the project's `FOLDER`")
	out := flag.String("out", "", "`FOLDER` for the result; dist below the project's")
	number := flag.String("version", "", "`NUMBER` instead of the one of the tag")
	flag.Parse()
	if err := run(context.Background(), *root, *out, *number); err != nil {
		fmt.Fprintln(os.Stderr, "release: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, out, number string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if out == "" {
		out = filepath.Join(root, "dist")
	}
	src, err := describe(ctx, root, number)
	if err != nil {
		return err
	}
	if err := freshFolder(out); err != nil {
		return err
	}
	stage, err := os.MkdirTemp("", "skytools-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	r := &release{source: src, out: out, stage: stage}
	for _, step := range []func(context.Context) error{
		r.buildPrograms, r.writePages, r.writeCompletions, r.writeArchives, r.writePackages, r.writeImage, r.writeBOM, r.writeSums,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("version %s in %s\n", src.version, out)
	return nil
}

// release is one being made. Its stage holds what several results share:
// OS_ARCH/PROGRAM, man/, completions/.
type release struct {
	source
	out, stage string
}

// name is the path of a result.
func (r *release) name(format string, args ...any) string {
	return filepath.Join(r.out, fmt.Sprintf(format, args...))
}

// mark is a file by which freshFolder knows a folder of an earlier release.
const mark = "SHA256SUMS"

// freshFolder empties a folder of an earlier release, and no other.
func freshFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, mark)); err != nil {
			return fmt.Errorf("folder %s holds something else than a release: remove it, or name another", dir)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return os.MkdirAll(dir, 0o755)
}
