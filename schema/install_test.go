package schema

import (
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

func TestInstallTwice(t *testing.T) {
	ctx := t.Context()
	dsn := pgtest.Database(t, pgtest.Server(t), nil)
	conn := pgtest.Connect(t, dsn)
	first, err := Install(ctx, conn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(strings.Join(first.Lines(), "\n"))
	second, err := Install(ctx, conn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if second.Changed() {
		t.Fatalf("second install changed something: %+v", second)
	}
	t.Log(strings.Join(second.Lines(), "\n"))
}
