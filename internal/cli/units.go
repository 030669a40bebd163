package cli

import (
	"fmt"
	"strings"
	"time"
)

// Age is a cell with a duration in the unit that fits; in JSON it is a number
// of seconds.
func Age(d time.Duration) Cell {
	text := ""
	switch s := d.Seconds(); {
	case s < 9.95:
		text = fmt.Sprintf("%.1fs", max(0, s))
	case s < 120:
		text = fmt.Sprintf("%.0fs", s)
	case s < 2*3600:
		text = fmt.Sprintf("%.0fm", d.Minutes())
	case s < 48*3600:
		text = fmt.Sprintf("%.0fh", d.Hours())
	default:
		text = fmt.Sprintf("%.0fd", d.Hours()/24)
	}
	return Cell{Text: text, Value: d.Round(time.Millisecond).Seconds()}
}

// Size is a cell with a number of bytes, in text as pg_size_pretty writes it.
func Size(n int64) Cell {
	bytes, units := n, []string{"bytes", "kB", "MB", "GB", "TB"}
	for len(units) > 1 && n >= 10*1024 {
		n, units = (n+512)/1024, units[1:]
	}
	return Cell{Text: fmt.Sprintf("%d %s", n, units[0]), Value: bytes}
}

// Words is a cell with some words, "-" for none; in JSON it is an array.
func Words(words []string) Cell {
	if len(words) == 0 {
		return Cell{Text: "-", Value: []string{}}
	}
	return Cell{Text: strings.Join(words, ", "), Value: words}
}

// Brief is a cell with the begin of a text, all of it in JSON.
func Brief(text string, width int) Cell {
	short := []rune(text)
	if len(short) > width {
		short = append(short[:width-1], '…')
	}
	return Cell{Text: string(short), Value: text}
}
