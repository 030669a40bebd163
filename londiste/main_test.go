package londiste_test

import (
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
