package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// Backup takes a base backup of the running server and starts a server of it,
// which is the same in all that pg_basebackup copies, its system identifier too.
func (s *Server) Backup(ctx context.Context, opt Options) (*Server, error) {
	return s.startOf(ctx, opt, func(c *Server) error { return c.backup(ctx, s) })
}

// Copy starts a server of the files of one that is stopped.
func (s *Server) Copy(ctx context.Context, opt Options) (*Server, error) {
	return s.startOf(ctx, opt, func(c *Server) error {
		out, err := exec.CommandContext(ctx, "cp", "-a", s.DataDir()+"/.", c.DataDir()).CombinedOutput()
		if err != nil {
			return fmt.Errorf("cp: %w\n%s", err, out)
		}
		return nil
	})
}

// startOf starts a server whose data folder fill has made of that of s.
func (s *Server) startOf(ctx context.Context, opt Options, fill func(*Server) error) (*Server, error) {
	opt.Programs = s.bin
	c, err := newServer(ctx, opt)
	if err != nil {
		return nil, err
	}
	if err = c.makeFolders(); err == nil {
		err = fill(c)
	}
	if err == nil {
		err = c.configure(opt)
	}
	if err == nil {
		err = c.startOnFreePort(ctx, opt.Port)
	}
	if err != nil {
		if !opt.Keep {
			err = errors.Join(err, c.Remove())
		}
		return nil, fmt.Errorf("copy the server in %s to %s: %w", s.dir, c.dir, err)
	}
	return c, nil
}

// backup fills the data folder, as the account that will own it.
func (s *Server) backup(ctx context.Context, from *Server) error {
	cmd, err := s.command(ctx, "pg_basebackup", "-D", s.DataDir(), "-d", from.DSN("", Superuser), "-c", "fast", "--no-sync")
	if err != nil {
		return err
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := startTied(cmd, syscall.SIGKILL); err != nil {
		return fmt.Errorf("pg_basebackup: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("pg_basebackup: %w\n%s", err, out.String())
	}
	return nil
}
