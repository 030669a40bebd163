package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// writeBOM lists the modules that are in the programs, as the programs
// themselves say, of all platforms together.
func (r *release) writeBOM(context.Context) error {
	seen := map[string]bool{}
	var modules []cyclonedx.Component
	add := func(path, version string) {
		purl := "pkg:golang/" + path + "@" + version
		if !seen[purl] {
			seen[purl] = true
			modules = append(modules, cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: purl})
		}
	}
	for _, p := range platforms {
		for _, name := range programs {
			info, err := buildinfo.ReadFile(filepath.Join(r.stage, p.String(), name))
			if err != nil {
				return err
			}
			add("std", strings.TrimPrefix(info.GoVersion, "go"))
			for _, d := range info.Deps {
				if d.Replace != nil {
					d = d.Replace
				}
				add(d.Path, d.Version)
			}
		}
	}
	slices.SortFunc(modules, func(a, b cyclonedx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	self := "pkg:golang/github.com/skytools-go/skytools@" + r.version
	refs := make([]string, len(modules))
	for i, m := range modules {
		refs[i] = m.BOMRef
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{
		Timestamp: r.date.Format(time.RFC3339),
		Component: &cyclonedx.Component{
			BOMRef: self, Type: cyclonedx.ComponentTypeApplication, Name: "skytools-go", Version: r.version, PackageURL: self,
			Licenses: &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "MIT"}}},
		},
	}
	bom.Components = &modules
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: self, Dependencies: &refs}}
	var b bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return os.WriteFile(r.name("skytools-go_%s.cdx.json", r.version), b.Bytes(), 0o644)
}

// writeSums comes last: the sums of all that is there, for sha256sum --check.
func (r *release) writeSums(context.Context) error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(r.name(mark), b.Bytes(), 0o644)
}
