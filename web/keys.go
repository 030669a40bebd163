package web

import (
	"fmt"
	"time"

	"github.com/skytools-go/skytools/internal/conf"
)

// Keys are the keys of an ini file that [TakeKeys] reads.
var Keys = []conf.Key{
	{Name: "http_listen", Doc: "Where metrics, health and pages are served, to read only: HOST:PORT, a port alone (of localhost), or the path of a Unix socket. Nowhere if not set. -r does not change it."},
	{Name: "http_refresh", Default: "5", Unit: "seconds", Doc: "Pause between the looks at the databases that http_listen shows."},
}

// TakeKeys reads where to listen and how often to look; what is wrong is told by
// the section's Err too.
func TakeKeys(s *conf.Section) (Address, time.Duration, error) {
	every := s.Duration("http_refresh", 5*time.Second)
	a, err := ParseAddress(s.String("http_listen", ""))
	if err != nil {
		err = fmt.Errorf("%s: http_listen: %w", s.Where("http_listen"), err)
	}
	return a, every, err
}
