package web

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

const (
	alertsFile = "../etc/alerts.yml"
	boardFile  = "../etc/grafana.json"
)

// promtool runs Prometheus' tool in etc.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	tool := pgtest.RequireTool(t, "promtool", "Debian's package prometheus")
	cmd := exec.Command(tool, args...)
	cmd.Dir = "../etc"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Rules parse, and do what their unit tests say.
func TestAlertRules(t *testing.T) {
	promtool(t, "check", "rules", "alerts.yml")
	promtool(t, "test", "rules", "alerts_test.yml")
}

var (
	alertName  = regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)
	metricName = regexp.MustCompile(`skytools_[a-z_]+`)
)

// Each alert has a unit test, and a section of the page that tells what to do.
func TestAlertsAreTestedAndExplained(t *testing.T) {
	tests, page := contents(t, "../etc/alerts_test.yml"), contents(t, "../docs/monitoring.md")
	names := alertName.FindAllStringSubmatch(contents(t, alertsFile), -1)
	if len(names) == 0 {
		t.Fatal("no alerts found")
	}
	for _, m := range names {
		if !strings.Contains(tests, "alertname: "+m[1]+"\n        exp_alerts:\n          - exp_labels:") {
			t.Errorf("alert %s has no unit test in which it fires", m[1])
		}
		if !strings.Contains(page, "\n### "+m[1]+"\n") {
			t.Errorf("docs/monitoring.md does not explain %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (Skytools\w+)$`).FindAllStringSubmatch(page, -1) {
		if !slices.ContainsFunc(names, func(n []string) bool { return n[1] == m[1] }) {
			t.Errorf("docs/monitoring.md explains %s, which is no alert", m[1])
		}
	}
}

// Rules, board and page name metrics that there are.
func TestMetricsNamedExist(t *testing.T) {
	known := descriptions(t)
	for _, path := range []string{alertsFile, boardFile, "../docs/monitoring.md"} {
		found := metricName.FindAllString(contents(t, path), -1)
		if len(found) == 0 {
			t.Errorf("%s names no metric", path)
		}
		for _, name := range found {
			if _, ok := known[name]; !ok {
				t.Errorf("%s names %s, which is not served", path, name)
			}
		}
	}
}

// queries are all of a board: what is under the key expr, wherever it stands.
func queries(v any) (all []string) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			all = append(all, queries(one)...)
		}
	case map[string]any:
		for key, one := range v {
			if text, ok := one.(string); ok && key == "expr" {
				all = append(all, text)
			}
			all = append(all, queries(one)...)
		}
	}
	return all
}

// The board's queries parse, with a value for each of Grafana's variables.
func TestBoard(t *testing.T) {
	var board any
	if err := json.Unmarshal([]byte(contents(t, boardFile)), &board); err != nil {
		t.Fatal(err)
	}
	all := queries(board)
	if len(all) < 20 {
		t.Fatalf("%d queries: %q", len(all), all)
	}
	values := strings.NewReplacer("$__rate_interval", "1m", "$queue", "q", "$node", "n", "$database", "d")
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: board\n    rules:\n")
	for i, q := range all {
		q = values.Replace(q)
		if strings.Contains(q, "$") {
			t.Errorf("a variable that the board does not have: %s", q)
		}
		fmt.Fprintf(&rules, "      - record: board:query_%d\n        expr: %q\n", i, q)
	}
	file := filepath.Join(t.TempDir(), "board.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}
