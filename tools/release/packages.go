package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // the two formats that Get knows
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// descriptions tell what the packages hold, below the project's folder.
var descriptions = []string{"etc/package/skytools-go.yaml", "etc/package/skytools-go-compat.yaml"}

var formats = []string{"deb", "rpm"}

func (r *release) writePackages(context.Context) error {
	for _, description := range descriptions {
		for _, p := range platforms {
			for _, format := range formats {
				if p.os != "linux" {
					continue
				}
				if err := r.writePackage(description, format, p); err != nil {
					return fmt.Errorf("%s for %s: %w", description, p, err)
				}
			}
		}
	}
	return nil
}

func (r *release) writePackage(description, format string, p platform) error {
	info, err := r.describePackage(description, format, p)
	if err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := packager.Package(info, &b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, packager.ConventionalFileName(info)), b.Bytes(), 0o644)
}

// describePackage reads a package's description, with the date and the modes
// that the description leaves open: those of the machine's files are chance.
func (r *release) describePackage(description, format string, p platform) (*nfpm.Info, error) {
	conf, err := nfpm.ParseFileWithEnvMapping(filepath.Join(r.root, description), func(name string) string {
		return map[string]string{
			"VERSION": r.version, "ARCH": p.arch, "ROOT": r.root, "STAGE": r.stage,
			"PROGRAMS": filepath.Join(r.stage, p.String()),
		}[name]
	})
	if err != nil {
		return nil, err
	}
	conf.MTime = r.date
	info, err := conf.Get(format)
	if err != nil {
		return nil, err
	}
	for _, script := range []*string{&info.Scripts.PostInstall, &info.Scripts.PreRemove, &info.Scripts.PostRemove} {
		if *script != "" {
			*script = filepath.Join(r.root, *script)
		}
	}
	for _, c := range info.Contents {
		if c.FileInfo == nil {
			c.FileInfo = &files.ContentFileInfo{}
		}
		c.FileInfo.MTime = r.date
		if c.FileInfo.Mode == 0 && slices.Contains([]string{"", files.TypeFile, files.TypeConfig}, c.Type) {
			c.FileInfo.Mode = 0o644
		}
	}
	return info, nil
}
