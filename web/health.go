package web

import (
	"fmt"
	"net/http"
	"time"
)

// health says that the process lives; what its databases do does not matter.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if accepts(r, "text/plain") {
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintln(w, "alive")
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Status  string  `json:"status"`
		Program string  `json:"program"`
		Version string  `json:"version"`
		Uptime  float64 `json:"uptime_seconds"`
	}{"alive", s.Program, s.Version, time.Since(s.started).Round(time.Millisecond).Seconds()})
}
