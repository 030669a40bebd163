package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

var (
	programs  = []string{"londiste", "pgqadm"}
	platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}
)

// links are the names of Skytools that the programs answer to.
var links = map[string]string{"londiste.py": "londiste", "pgqadm.py": "pgqadm", "pgqd": "pgqadm"}

type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "_" + p.arch }

const stamp = "github.com/skytools-go/skytools/internal/cli.Version"

// buildPrograms builds for each platform. No path, and nothing of the clone's
// state but the version, gets into the programs.
func (r *release) buildPrograms(ctx context.Context) error {
	for _, p := range platforms {
		if err := r.build(ctx, p, filepath.Join(r.stage, p.String())); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) build(ctx context.Context, p platform, dir string) error {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -X " + stamp + "=" + r.version, "-o", dir + "/"}
	for _, name := range programs {
		args = append(args, "./cmd/"+name)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch,
		"GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for %s: %w\n%s", p, err, out)
	}
	return nil
}

var shells = map[string]string{"bash": "%s", "zsh": "_%s", "fish": "%s.fish"}

// writeCompletions has the programs of this machine's platform write their
// scripts.
func (r *release) writeCompletions(ctx context.Context) error {
	here := platform{runtime.GOOS, runtime.GOARCH}
	dir := filepath.Join(r.stage, here.String())
	if _, err := os.Stat(dir); err != nil {
		if err := r.build(ctx, here, dir); err != nil {
			return err
		}
	}
	for _, name := range programs {
		for shell, file := range shells {
			script, err := exec.CommandContext(ctx, filepath.Join(dir, name), "completion", shell).Output()
			if err != nil {
				return fmt.Errorf("%s completion %s: %w", name, shell, err)
			}
			path := filepath.Join(r.stage, "completions", shell, fmt.Sprintf(file, name))
			if err := writeFile(path, script); err != nil {
				return err
			}
			if !strings.Contains(string(script), name) {
				return fmt.Errorf("%s completion %s wrote a script that does not name it", name, shell)
			}
		}
	}
	return nil
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
