package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// source is what is released.
type source struct {
	root     string
	version  string    // 1.2.3, 1.2.3-rc.1, 1.2.3+14.gabcdef0 for what came after a tag
	revision string    // the commit; empty outside a clone
	date     time.Time // of everything that bears one
}

var number = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// describe asks git about the project's folder. Where there is no git, version
// and SOURCE_DATE_EPOCH must be given.
func describe(ctx context.Context, root, version string) (source, error) {
	version = strings.TrimPrefix(version, "v")
	if version != "" && !number.MatchString(version) {
		return source{}, fmt.Errorf("version %q is no number like 1.2.3 or 1.2.3-rc.1", version)
	}
	s := source{root: root, version: version}
	s.revision, _ = git(ctx, root, "rev-parse", "HEAD")
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if s.revision == "" && (version == "" || epoch == "") {
		return source{}, errors.New("not in a clone by git: give VERSION and SOURCE_DATE_EPOCH")
	}
	var err error
	if epoch == "" {
		if epoch, err = git(ctx, root, "log", "-1", "--format=%ct"); err != nil {
			return source{}, err
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return source{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	s.date = time.Unix(seconds, 0).UTC()
	if s.version == "" {
		s.version, err = versionOf(ctx, root)
	}
	return s, err
}

// versionOf is the number of the tag v1.2.3 that the commit has; after it, how
// many commits, and which, are added: a number that sorts behind the tag's.
func versionOf(ctx context.Context, root string) (string, error) {
	tag, behind := "v0.0.0", ""
	described, err := git(ctx, root, "describe", "--tags", "--long", "--abbrev=12", "--match", "v[0-9]*")
	if err == nil {
		parts := strings.Split(described, "-")
		n := len(parts) - 2
		tag, behind = strings.Join(parts[:n], "-"), parts[n]+"."+parts[n+1]
	} else {
		count, err := git(ctx, root, "rev-list", "--count", "HEAD")
		if err != nil {
			return "", err
		}
		hash, err := git(ctx, root, "rev-parse", "--short=12", "HEAD")
		if err != nil {
			return "", err
		}
		behind = count + ".g" + hash
	}
	if strings.HasPrefix(behind, "0.") {
		behind = ""
	}
	changed, err := git(ctx, root, "status", "--porcelain")
	if err != nil {
		return "", err
	}
	if changed != "" {
		behind = strings.TrimPrefix(behind+".dirty", ".")
	}
	version := strings.TrimPrefix(tag, "v")
	if !number.MatchString(version) {
		return "", fmt.Errorf("tag %s is no version like v1.2.3", tag)
	}
	if behind != "" {
		version += "+" + behind
	}
	return version, nil
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
