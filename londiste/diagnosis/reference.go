package diagnosis

import "strings"

// Reference is the part of docs/doctor.md that is written from the checks of a
// pair: a table in Markdown. What package doctor looks at is left out.
func Reference() string {
	var b strings.Builder
	b.WriteString("| check | where | before installation | all is well | why it matters |\n|---|---|---|---|---|\n")
	for _, c := range checks {
		if c.Name == "server" || c.Name == "queue" {
			continue
		}
		bare := "yes"
		if c.needs == installed {
			bare = ""
		}
		b.WriteString("| " + c.Name + " | " + c.at.String() + " | " + bare + " | " + c.Sound + " | " + c.Why + " |\n")
	}
	return b.String()
}
