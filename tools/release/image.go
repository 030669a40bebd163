package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// nobody is the user in the image: no name of the host's.
const nobody = 65532

const project = "https://github.com/skytools-go/skytools"

// writeImage writes the image of all Linux platforms as an archive of the OCI
// layout, without a daemon and from nothing: programs, root certificates, a
// user, /tmp.
func (r *release) writeImage(context.Context) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		if p.os != "linux" {
			continue
		}
		img, err := r.image(p)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}}})
	}
	dir := filepath.Join(r.stage, "oci")
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tagOf(r.version)})
	if err := l.AppendIndex(index, named); err != nil {
		return err
	}
	entries, err := folderEntries(dir)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := writeTar(&b, entries, r.date); err != nil {
		return err
	}
	return os.WriteFile(r.name("skytools-go_%s_oci.tar", r.version), b.Bytes(), 0o644)
}

// tagOf is the version as a tag may have it: without a plus.
func tagOf(version string) string {
	return string(bytes.ReplaceAll([]byte(version), []byte("+"), []byte("-")))
}

func folderEntries(dir string) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			entries = append(entries, entry{name: filepath.ToSlash(rel) + "/", mode: 0o755})
			return nil
		}
		data, err := os.ReadFile(path)
		entries = append(entries, entry{name: filepath.ToSlash(rel), mode: 0o644, data: data})
		return err
	})
	return entries, err
}

func (r *release) image(p platform) (v1.Image, error) {
	base, err := r.layer(r.baseEntries())
	if err != nil {
		return nil, err
	}
	own, err := r.programEntries(p)
	if err != nil {
		return nil, err
	}
	top, err := r.layer(own)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img,
		mutate.Addendum{Layer: base, History: v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "root certificates, user, folders"}},
		mutate.Addendum{Layer: top, History: v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "programs"}})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = p.os, p.arch, v1.Time{Time: r.date}
	file.Config = v1.Config{
		User: "65532:65532", WorkingDir: "/var/lib/skytools",
		Env:        []string{"PATH=/usr/bin", "HOME=/var/lib/skytools"},
		Cmd:        []string{"londiste", "--help"},
		StopSignal: "SIGINT", // finish the batch under way
		Labels: map[string]string{
			"org.opencontainers.image.title":    "Skytools for Go",
			"org.opencontainers.image.source":   project,
			"org.opencontainers.image.licenses": "MIT",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.revision": r.revision,
		},
	}
	return mutate.ConfigFile(img, file)
}

func (r *release) layer(entries []entry) (v1.Layer, error) {
	var b bytes.Buffer
	if err := writeTar(&b, entries, r.date); err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(opener, tarball.WithMediaType(types.OCILayer))
}

// baseEntries are the same on every platform. The certificates are those that
// golang.org/x/crypto keeps from Mozilla's: of a version, not of a machine.
func (r *release) baseEntries() []entry {
	var certificates bytes.Buffer
	for root := range bundle.Roots() {
		_ = pem.Encode(&certificates, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // into memory: cannot fail
	}
	return []entry{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, data: []byte("root:x:0:\nskytools:x:65532:\n")},
		{name: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/:/sbin/nologin\nskytools:x:65532:65532:Skytools:/var/lib/skytools:/sbin/nologin\n")},
		{name: "etc/skytools/", mode: 0o755},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: certificates.Bytes()},
		{name: "tmp/", mode: 0o1777},
		{name: "usr/", mode: 0o755},
		{name: "usr/bin/", mode: 0o755},
		{name: "var/", mode: 0o755},
		{name: "var/lib/", mode: 0o755},
		{name: "var/lib/skytools/", mode: 0o750, owner: nobody},
	}
}

func (r *release) programEntries(p platform) ([]entry, error) {
	license, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	entries := []entry{{name: "LICENSE", mode: 0o644, data: license}}
	for _, name := range programs {
		data, err := os.ReadFile(filepath.Join(r.stage, p.String(), name))
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{name: "usr/bin/" + name, mode: 0o755, data: data})
	}
	for link, target := range links {
		entries = append(entries, entry{name: "usr/bin/" + link, target: target})
	}
	return entries, nil
}
