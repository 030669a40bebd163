package pgserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// xidsPerSegment is how many transactions a file of pg_xact holds.
const xidsPerSegment = 32 * 8192 * 4

// ResetTransactionID makes next the next transaction id of a server that was
// made a moment ago, and starts it. The rows that it holds are frozen first: by
// the new count they would lie in the future.
func (s *Server) ResetTransactionID(ctx context.Context, next uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, db := range []string{"postgres", "template1"} {
		cmd, err := s.command(ctx, "vacuumdb", "--freeze", "--quiet", "--no-password", "--dbname", s.DSN(db, Superuser))
		if err != nil {
			return err
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("freeze %s: %w: %s", db, err, out)
		}
	}
	if err := s.stop(ctx, "fast"); err != nil {
		return err
	}
	// The server wants the file where the state of that transaction stands.
	segment := filepath.Join(s.DataDir(), "pg_xact", fmt.Sprintf("%04X", uint32(next)/xidsPerSegment))
	if err := os.WriteFile(segment, make([]byte, xidsPerSegment/4), 0o600); err != nil {
		return err
	}
	if err := s.acc.own(segment); err != nil {
		return err
	}
	cmd, err := s.command(ctx, "pg_resetwal", "-x", fmt.Sprint(uint32(next)), "-e", fmt.Sprint(next>>32), s.DataDir())
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("reset the transaction id: %w: %s", err, out)
	}
	return s.launch(ctx)
}
