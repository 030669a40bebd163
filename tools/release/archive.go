package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is a file, a folder (the name ends in a slash) or a link in an archive.
type entry struct {
	name   string
	mode   int64
	owner  int // user and group id
	data   []byte
	target string // of a link
}

// writeTar writes entries in the order of their names, all of one date and
// without anything of the machine's.
func writeTar(w io.Writer, entries []entry, date time.Time) error {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	t := tar.NewWriter(w)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.data)), ModTime: date, Uid: e.owner, Gid: e.owner, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		switch {
		case e.target != "":
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.target, 0o777
		case strings.HasSuffix(e.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("archive %s: %w", e.name, err)
		}
		if _, err := t.Write(e.data); err != nil {
			return fmt.Errorf("archive %s: %w", e.name, err)
		}
	}
	return t.Close()
}

// writeArchives writes a .tar.gz for each platform.
func (r *release) writeArchives(context.Context) error {
	for _, p := range platforms {
		entries, err := r.archive(p)
		if err != nil {
			return err
		}
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return err
		}
		if err := errors.Join(writeTar(z, entries, r.date), z.Close()); err != nil {
			return err
		}
		if err := os.WriteFile(r.name("skytools-go_%s_%s.tar.gz", r.version, p), packed.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// samples are the project's files that go into archives beside the programs.
var samples = []string{"LICENSE", "README.md", "CHANGELOG.md", "etc/ticker.ini", "etc/replica.ini", "etc/alerts.yml", "etc/grafana.json"}

// units are for machines that run systemd.
var units = []string{"etc/systemd/londiste@.service", "etc/systemd/pgq-ticker@.service"}

func (r *release) archive(p platform) ([]entry, error) {
	top := fmt.Sprintf("skytools-go_%s_%s/", r.version, p)
	entries := []entry{{name: top, mode: 0o755}}
	add := func(name, from string, mode int64) error {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		entries = append(entries, entry{name: top + name, mode: mode, data: data})
		return nil
	}
	for _, name := range programs {
		if err := add("bin/"+name, filepath.Join(r.stage, p.String(), name), 0o755); err != nil {
			return nil, err
		}
	}
	for link, target := range links {
		entries = append(entries, entry{name: top + "bin/" + link, target: target})
	}
	files := slices.Clone(samples)
	if p.os == "linux" {
		files = append(files, units...)
	}
	for _, name := range files {
		if err := add(name, filepath.Join(r.root, name), 0o644); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{"man", "completions"} {
		err := filepath.WalkDir(filepath.Join(r.stage, dir), func(from string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(from, ".gz") {
				return err
			}
			rel, err := filepath.Rel(r.stage, from)
			if err != nil {
				return err
			}
			return add(path.Clean(filepath.ToSlash(rel)), from, 0o644)
		})
		if err != nil {
			return nil, err
		}
	}
	return entries, nil
}
