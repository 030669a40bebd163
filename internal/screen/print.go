package screen

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
)

// Width is how wide the terminal is that a command's output goes to; 0 where
// it goes elsewhere, or the terminal cannot draw.
func Width(out io.Writer) int {
	if !cli.IsStdout(out) || os.Getenv("TERM") == "dumb" {
		return 0
	}
	ws, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return max(40, int(ws.Col))
}

// Print draws a tree once, with the colours that the terminal has.
func Print(out io.Writer, n *Node, width int) error {
	w := &colorprofile.Writer{Forward: out, Profile: colorprofile.Detect(os.Stdout, os.Environ())}
	_, err := io.WriteString(w, strings.Join(n.Lines(width), "\n")+"\n")
	return err
}

// Watching is the flags of a command that can go on.
type Watching struct {
	on    bool
	every float64
}

// Flags gives cmd --watch and --every.
func (w *Watching) Flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.on, "watch", false, "go on and show it again and again")
	cmd.Flags().Float64Var(&w.every, "every", 2, "with --watch: seconds from one look to the next")
}

// Interval is the pause between two looks; 0 without --watch.
func (w *Watching) Interval() (time.Duration, error) {
	switch {
	case !w.on:
		return 0, nil
	case w.every < 0.1 || w.every > 86400:
		return 0, hint.With(cli.Usage(fmt.Errorf("--every %g is out of range", w.every)), "give seconds, 0.1 to 86400")
	}
	return time.Duration(w.every * float64(time.Second)), nil
}

// Repeat writes a state again and again until ctx ends: in text each under its
// time, in JSON each by itself. What write finds out it writes: an error is
// that of the output.
func Repeat(ctx context.Context, out io.Writer, every time.Duration, json bool, write func(ctx context.Context) error) error {
	for n := 0; ; n++ {
		if !json {
			gap := ""
			if n > 0 {
				gap = "\n"
			}
			if _, err := fmt.Fprintln(out, gap+time.Now().Format(time.DateTime)); err != nil {
				return err
			}
		}
		if err := write(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}
