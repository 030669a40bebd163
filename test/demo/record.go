package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"os"
	"strings"
	"time"
)

// recorder passes on what the demo prints and remembers when each line came.
type recorder struct {
	io.Writer
	last  time.Time
	part  []byte // of a line that has not ended
	lines []said
}

type said struct {
	after time.Duration // since the line before
	text  string
}

func (r *recorder) Write(p []byte) (int, error) {
	r.part = append(r.part, p...)
	for {
		line, rest, ended := bytes.Cut(r.part, []byte("\n"))
		if !ended {
			return r.Writer.Write(p)
		}
		now := time.Now()
		if r.last.IsZero() {
			r.last = now
		}
		r.lines = append(r.lines, said{now.Sub(r.last), string(line)})
		r.last, r.part = now, rest
	}
}

const (
	recordRows = 26  // of the window
	recordCols = 118 // a longer line is cut
	rowHeight  = 18
	colWidth10 = 78 // ten characters of a monospace font of 13 pixels
	margin     = 16
	// longest is how long the recording waits for a line, however long the run did:
	// each line tells its own time.
	longest = 1200 * time.Millisecond
	lastly  = 6 * time.Second // before it begins again
)

// svg is the recording as a picture that moves by itself, without a script: each
// line appears at its time, and the window rolls with them. Who wants no motion
// sees the end.
func (r *recorder) svg() string {
	at := make([]float64, len(r.lines))
	var now time.Duration
	for i, l := range r.lines {
		now += min(max(l.after, 60*time.Millisecond), longest)
		at[i] = now.Seconds()
	}
	whole := (now + lastly).Seconds()
	percent := func(s float64) string { return fmt.Sprintf("%.2f%%", 100*s/whole) }
	roll := func(i int) int { return -max(i+1-recordRows, 0) * rowHeight }
	var style, text strings.Builder
	fmt.Fprintf(&style, "@keyframes roll{0%%{transform:translateY(0)}")
	for i, l := range r.lines {
		if y := roll(i); y < 0 {
			fmt.Fprintf(&style, "%s{transform:translateY(%dpx)}", percent(at[i]), y)
		}
		line := []rune(l.text)
		if len(line) > recordCols {
			line = append(line[:recordCols-1], '…')
		}
		class := "o"
		if strings.Contains(l.text, " s  $ ") {
			class = "c"
		}
		fmt.Fprintf(&text, "<text class=\"%s\" y=\"%d\" style=\"animation-name:l%d\">%s</text>\n",
			class, margin+(i+1)*rowHeight-5, i, html.EscapeString(string(line)))
	}
	fmt.Fprintf(&style, "100%%{transform:translateY(%dpx)}}\n", roll(len(r.lines)-1))
	for i := range r.lines {
		fmt.Fprintf(&style, "@keyframes l%d{0%%,%s{opacity:0}%s,100%%{opacity:1}}\n", i, percent(at[i]-0.02), percent(at[i]))
	}
	const width, height = recordCols*colWidth10/10 + 2*margin, recordRows*rowHeight + 2*margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="make demo in a terminal">
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;animation:%.2[3]fs step-end infinite;fill:#c9d1d9}
.c{fill:#7ee787;font-weight:600}
g{animation:roll %.2[3]fs step-end infinite;transform:translateY(%[4]dpx)}
@media (prefers-reduced-motion:reduce){text,g{animation:none}}
%[5]s</style>
<rect width="%[1]d" height="%[2]d" rx="8" fill="#0d1117"/>
<svg x="%[6]d" width="%[7]d" height="%[8]d"><g>
%[9]s</g></svg>
</svg>
`, width, height, whole, roll(len(r.lines)-1), style.String(), margin, width-2*margin, height-margin/2, text.String())
}

// save writes the recording of a demo that went well.
func (r *recorder) save(file string) error {
	return os.WriteFile(file, []byte(r.svg()), 0o644)
}
