package londiste_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// Workers and commands wait for every goroutine that they start. Which of the
// tests left one, parallel as they are, its stack tells.
func TestMain(m *testing.M) {
	pgtest.Main(m, func() error {
		return goleak.Find(
			goleak.IgnoreTopFunction("github.com/skytools-go/skytools/internal/pgtest.Main.func1"),
			goleak.IgnoreAnyFunction("github.com/skytools-go/skytools/internal/pgserver.startTied.func1.1"), // stays by design
		)
	})
}
