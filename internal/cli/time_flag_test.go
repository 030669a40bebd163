package cli

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestTimeVar(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "0": 0, "-1": -time.Second, "1.5": 1500 * time.Millisecond, "0.1": 100 * time.Millisecond,
		"20s": 20 * time.Second, "2h30m": 150 * time.Minute,
		"": -999, "x": -999, "5 parsecs": -999, "1d": -999, "NaN": -999, "inf": -999, "1e300": -999,
	} {
		var got time.Duration
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		TimeVar(flags, &got, "timeout", time.Minute, "how long")
		if got != time.Minute {
			t.Fatalf("preset %s", got)
		}
		if err := flags.Parse([]string{"--timeout=" + text}); (err != nil) != (want == -999) || err == nil && got != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
}
