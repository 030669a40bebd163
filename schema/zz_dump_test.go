package schema

import (
	"os"
	"testing"
)

func TestDump(t *testing.T) {
	f, _ := os.Create("/tmp/schemapg/print.sql")
	if err := Print(f); err != nil {
		t.Fatal(err)
	}
}
