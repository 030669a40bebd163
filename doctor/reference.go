package doctor

import "strings"

// Reference is the part of docs/doctor.md that is written from the checks of a
// server, of its queues, and of what [Managed] looks at: tables in Markdown.
func Reference() (server, queues, features string) {
	return table(serverChecks), table(queueChecks), table(managedChecks)
}

func table[X any](checks []Check[X]) string {
	var b strings.Builder
	b.WriteString("| check | all is well | why it matters |\n|---|---|---|\n")
	for _, c := range checks {
		b.WriteString("| " + c.Name + " | " + c.Sound + " | " + c.Why + " |\n")
	}
	return b.String()
}
