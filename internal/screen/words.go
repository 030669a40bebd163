package screen

import (
	"time"

	"github.com/skytools-go/skytools/internal/cli"
)

// Lag is how far somebody is behind.
func Lag(d time.Duration) string {
	tone := Good
	switch {
	case d > 5*time.Minute:
		tone = Bad
	case d > 30*time.Second:
		tone = Warn
	}
	return Say(tone, "lag %s", cli.Age(d).Text)
}

// Size is a queue's number of bytes beside its budget, 0 for none.
func Size(bytes, budget int64) string {
	text := cli.Size(bytes).Text
	switch {
	case budget <= 0:
		return Say(Plain, "%s", text)
	case bytes > budget:
		return Say(Bad, "%s, over the budget of %s", text, cli.Size(budget).Text)
	}
	return Say(Plain, "%s of a budget of %s", text, cli.Size(budget).Text)
}

// Oldest is the server's oldest transaction that has changed something; who is
// empty where the role may not see it.
func Oldest(age time.Duration, who string) string {
	tone := Plain
	if age >= 5*time.Minute {
		tone = Bad
	}
	if who == "" {
		who = "whose it is this role may not see"
	}
	return Say(tone, "oldest transaction %s", cli.Age(age).Text) + Say(Faint, ", %s", who)
}
