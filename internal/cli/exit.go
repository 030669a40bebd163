package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/dsn"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Exit statuses. For check, compare and missing 1 means differences and 2
// that it could not be told; see [Status].
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitInterrupted = 130 // what a shell makes of SIGINT, so that 1 and 2 keep their meaning
)

// exit is an error with a status of its own.
type exit struct {
	status int
	err    error // nil: nothing to print
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// Status makes the program end with status. err is printed; nil prints
// nothing, for when the output has said it all. Status 0 without an error is
// no error.
func Status(status int, err error) error {
	if status == ExitDone && err == nil {
		return nil
	}
	return &exit{status, err}
}

// Usage marks an error as one of usage: status 2. A mistake in the ini file is
// one; nil is none. Nothing but a hand mends it: systemd's units do not try again.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return Status(ExitUsage, err)
}

// report prints what cmd ended with and returns the exit status it means.
func (a *App) report(stderr io.Writer, cmd *cobra.Command, err error) int {
	if err == nil {
		return ExitDone
	}
	status := ExitFailed
	e, told := errors.AsType[*exit](err)
	switch {
	case told:
		status = e.status
	case !a.running: // cobra did not come as far as running a command
		status = ExitUsage
	}
	if told && e.err == nil {
		return status
	}
	advised := false
	for _, one := range parts(err) {
		for line := range strings.SplitSeq(strings.TrimRight(plain(one), "\n"), "\n") {
			fmt.Fprintf(stderr, "%s: error: %s\n", a.Name, ident.Visible(dsn.Redact(line)))
		}
		if h := hint.Of(one); h != "" {
			fmt.Fprintf(stderr, "hint: %s\n", ident.Visible(dsn.Redact(h)))
			advised = true
		}
	}
	if !advised && status == ExitUsage && !a.running {
		fmt.Fprintf(stderr, "hint: usage is %s\n", cmd.UseLine())
	}
	return status
}

// plain is the text of err. That it is an error stands before it already.
func plain(err error) string {
	text := err.Error()
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Severity == "ERROR" {
		text = strings.Replace(text, pg.Error(), strings.TrimPrefix(pg.Error(), "ERROR: "), 1)
	}
	return text
}

// Interruptible runs the work of a command that is no daemon: SIGINT and
// SIGTERM end its context, so that the server drops what is not committed, and
// a second one ends the program.
func Interruptible(ctx context.Context, work func(ctx context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	err := work(ctx)
	if err != nil && ctx.Err() != nil {
		return Status(ExitInterrupted, errors.New("interrupted"))
	}
	return err
}

// parts takes joined errors apart, so that each is told with its own hint.
func parts(err error) []error {
	if e, ok := err.(*exit); ok && e.err != nil {
		err = e.err
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, parts(one)...)
	}
	if text := errors.Join(all...).Error(); text != err.Error() {
		return []error{err} // words of its own stand around them
	}
	return all
}
