package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/internal/screen"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
)

func (p *program) waitSyncCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "wait-sync [TABLE…]", Short: "Wait until tables are copied and in sync, and show how far they are", Args: cobra.ArbitraryArgs,
		Long: `Without a table it waits for all. On a terminal it draws bars, elsewhere it writes
a line when a table's state changes and every ten seconds while rows are copied;
--json writes the last state when it ends. It only looks: replay does the work.
Exit status: 0 in sync, 1 failed or not in sync within the timeout, 3 all but
parked tables are in sync.`,
	}
	cli.TimeVar(cmd.Flags(), &timeout, "timeout", 0, "how long to wait at most, 0 as long as it takes")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		if timeout < 0 {
			return cli.Usage(errors.New("--timeout is less than nothing"))
		}
		var v syncView = &plainSync{out: c.out}
		switch width := screen.Width(c.out); {
		case p.JSON():
			v = silentSync{}
		case width > 0:
			v = &bars{out: os.Stdout, width: width}
		}
		waiting := ctx
		if timeout > 0 {
			var cancel context.CancelFunc
			waiting, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		last, err := c.subscriber().WaitSync(waiting, londiste.Selection{Names: c.args}, v.pause(), v.show)
		if last != nil && p.JSON() {
			err = errors.Join(printJSON(c.out, last), err)
		}
		switch {
		case err != nil && ctx.Err() == nil && waiting.Err() != nil:
			return hint.With(fmt.Errorf("not in sync within %s", timeout), "status tells more; the copies go on")
		case err != nil:
			return err
		case last.Aside > 0:
			return cli.Status(3, nil)
		}
		return nil
	})
	return p.WithJSON(cmd)
}

// syncView shows progress.
type syncView interface {
	pause() time.Duration
	show(*londiste.Sync)
}

type silentSync struct{}

func (silentSync) pause() time.Duration { return 500 * time.Millisecond }
func (silentSync) show(*londiste.Sync)  {}

// plainSync writes lines.
type plainSync struct {
	out    io.Writer
	states map[string]string
	said   map[string]bool
	at     time.Time // when figures were written
}

func (v *plainSync) pause() time.Duration { return 500 * time.Millisecond }

func (v *plainSync) show(y *londiste.Sync) {
	if v.states == nil {
		v.states, v.said, v.at = map[string]string{}, map[string]bool{}, time.Now()
	}
	for _, n := range notes(y) {
		if !v.said[n] {
			v.said[n] = true
			fmt.Fprintln(v.out, n)
		}
	}
	due := time.Since(v.at) >= 10*time.Second
	if due {
		v.at = time.Now()
	}
	for _, t := range y.Tables {
		phase, _, _ := strings.Cut(t.State, ":")
		if v.states[t.Name] == phase && (!due || t.OK || t.Copy == nil) {
			continue
		}
		v.states[t.Name] = phase
		fmt.Fprintln(v.out, strings.TrimRight(t.Name+"  "+t.State+"  "+figures(t.Copy), " "))
	}
	if due && y.Total != nil {
		fmt.Fprintln(v.out, "all copies  "+figures(y.Total))
	}
}

// notes are what the reader should know beside the figures.
func notes(y *londiste.Sync) []string {
	var list []string
	if !y.Running && !y.Done {
		list = append(list, "! replay is not running: nothing goes on before it is started")
	}
	for _, p := range y.Problems {
		first, _, _ := strings.Cut(p.Text, "\n")
		list = append(list, "! "+ident.Visible(first))
	}
	return list
}

// figures are a copy's in words.
func figures(p *set.CopyProgress) string {
	if p == nil {
		return ""
	}
	text := noun.Count(p.Rows, "row") + ", " + size(p.Bytes)
	if p.ChunksRedone > 0 {
		text += ", " + noun.Count(p.ChunksRedone, "chunk") + " redone"
	}
	if p.Finished != nil {
		return text
	}
	if p.Done != nil {
		text = fmt.Sprintf("%d%%, %s", int(100**p.Done), text)
	}
	if p.Rate >= 1 {
		text += fmt.Sprintf(", %s/s", size(int64(p.Rate)))
	}
	if p.Left != nil {
		text += ", " + seconds(float64(int64(*p.Left+0.5))) + " left"
	}
	return text
}

// bars redraws a picture on a terminal.
type bars struct {
	out   io.Writer
	width int
	drawn int // lines
}

func (v *bars) pause() time.Duration { return 250 * time.Millisecond }

// most is how many tables have a line: a picture taller than the terminal
// cannot be drawn again.
const most = 16

func (v *bars) show(y *londiste.Sync) {
	lines := notes(y)
	inSync, left := 0, 0
	for _, t := range y.Tables {
		switch {
		case t.OK:
			inSync++
		case left < most:
			left++
			lines = append(lines, bar(t.Name, t.State, t.Copy, v.width))
		default:
			left++
		}
	}
	if left > most {
		lines = append(lines, fmt.Sprintf("and %d more", left-most))
	}
	if y.Total != nil && left > 1 {
		lines = append(lines, bar("all copies", "", y.Total, v.width))
	}
	lines = append(lines, fmt.Sprintf("%d of %s in sync", inSync, noun.Count(len(y.Tables), "table")))
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", v.drawn)
	}
	for _, l := range lines {
		b.WriteString(cut(l, v.width-1) + "\n")
	}
	v.drawn = len(lines)
	_, _ = io.WriteString(v.out, b.String()) // a terminal that is gone is told by the end
}

// bar is one line of the picture.
func bar(name, state string, p *set.CopyProgress, width int) string {
	const cells = 20
	drawn := strings.Repeat(".", cells)
	if p != nil && p.Done != nil {
		full := int(*p.Done * cells)
		drawn = strings.Repeat("#", full) + strings.Repeat(".", cells-full)
	}
	names := max(10, min(30, width-80))
	return fmt.Sprintf("%-*s [%s] %-12s %s", names, cut(name, names), drawn, state, figures(p))
}

func cut(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:max(0, width)])
	}
	return s
}
