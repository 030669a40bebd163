package pgq

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// policies are what [SetConfig] can change beside the settings of PgQ itself.
var policies = []string{
	"max_attempts", "dead_keep", "backlog_warn_age", "backlog_max_age", "backlog_warn_bytes", "backlog_max_bytes", "backlog_workers",
}

// Policy holds those policies of a queue that are on, by name: numbers, truth
// values, and intervals as text.
type Policy map[string]json.RawMessage

// Settings lists them in the order of skytools.get_queue_policy.
func (p Policy) Settings() []Setting {
	var list []Setting
	for _, name := range policies {
		if value, on := p[name]; on {
			text := string(value)
			_ = json.Unmarshal(value, &text) // of a string
			list = append(list, Setting{name, text})
		}
	}
	return list
}

// Budget is what the events of a queue may take before a consumer is taken
// from it: backlog_max_bytes of its policy.
type Budget struct {
	Queue string `json:"queue_name"`
	Bytes int64  `json:"bytes"`
}

// Budgets lists those of the queues that have one, by name.
func Budgets(ctx context.Context, conn *pgx.Conn) ([]Budget, error) {
	return policyRows(ctx, conn, "get_queue_policy(text)", `select queue_name, backlog_max_bytes
		from skytools.get_queue_policy() where backlog_max_bytes is not null`, pgx.RowToStructByPos[Budget])
}

// Policies reads the policies of all queues.
func Policies(ctx context.Context, conn DB) (map[string]Policy, error) {
	rows, err := conn.Query(ctx, `select queue_name, jsonb_strip_nulls(to_jsonb(p) - 'queue_name'
			- case when backlog_workers then '' else 'backlog_workers' end)::text
		from skytools.get_queue_policy() p`)
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", known(err))
	}
	all := map[string]Policy{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var queue, text string
		if err := row.Scan(&queue, &text); err != nil {
			return struct{}{}, err
		}
		var p Policy
		err := json.Unmarshal([]byte(text), &p)
		all[queue] = p
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", known(err))
	}
	return all, nil
}
