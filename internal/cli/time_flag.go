package cli

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// TimeVar makes a switch for a length of time: a number of seconds, as the ini
// files have it, or numbers with units, 1m30s say.
func TimeVar(flags *pflag.FlagSet, p *time.Duration, name string, preset time.Duration, usage string) {
	*p = preset
	flags.Var((*timeFlag)(p), name, usage+"; seconds, or with a unit: 90, 1.5s, 2h30m")
}

type timeFlag time.Duration

func (f *timeFlag) Set(text string) error {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		if n *= float64(time.Second); math.IsNaN(n) || math.Abs(n) >= math.MaxInt64 {
			return errors.New("too long a time")
		}
		*f = timeFlag(math.Round(n))
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("neither a number of seconds nor one with a unit: 90, 1.5s, 2h30m")
	}
	*f = timeFlag(d)
	return nil
}

func (f *timeFlag) String() string {
	if *f == 0 {
		return "0" // which help and the reference leave out
	}
	return time.Duration(*f).String()
}

// Type is the word for it in help.
func (*timeFlag) Type() string { return "time" }
