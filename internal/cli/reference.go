package cli

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Reference documents the program's tree of commands in Markdown: the common
// switches once, then each command in the order of its words, with its
// arguments, its explanation and the flags of its own.
func (a *App) Reference() string {
	var b strings.Builder
	a.Root.InitDefaultHelpCmd()
	a.Root.InitDefaultCompletionCmd()
	fmt.Fprintf(&b, "# Commands of `%s`\n\n", a.Name)
	fmt.Fprintf(&b, "Written by a test from the program's own commands; `%s help COMMAND` says the same.\n\n", a.Name)
	fmt.Fprintf(&b, "    %s [flags] FILE.ini COMMAND [ARGS] [flags]\n", a.Name)
	flagTable(&b, "Common flags", a.Root.PersistentFlags())
	walk(a.Root, func(cmd *cobra.Command) {
		// Cobra's own completion says the same for each shell at length.
		if ours := cmd != a.Root && (!cmd.HasParent() || cmd.Parent().Name() != "completion"); ours && (cmd.IsAvailableCommand() || cmd.Name() == "help") {
			commandReference(&b, cmd)
		}
	})
	return b.String()
}

func commandReference(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n## `%s`\n\n", strings.Join(words(cmd), " "))
	fmt.Fprintf(b, "%s.\n", asText(cmd.Short))
	if !cmd.HasSubCommands() {
		fmt.Fprintf(b, "\n    %s\n", cmd.UseLine())
	}
	switch {
	case cmd.Name() == "completion":
		b.WriteString("\nPrints the script for `bash`, `fish`, `powershell` or `zsh`; `completion SHELL --help` says where it goes.\n")
	case cmd.Long != "":
		b.WriteString("\n")
		for line := range strings.SplitSeq(strings.TrimRight(cmd.Long, "\n"), "\n") {
			if strings.HasPrefix(line, "  ") {
				line = "    " + strings.TrimPrefix(line, "  ") // two columns, as they stand
			} else {
				line = asText(line)
			}
			b.WriteString(line + "\n")
		}
	}
	flagTable(b, "", cmd.LocalNonPersistentFlags())
}

// flagTable documents flags; every command has --help.
func flagTable(b *strings.Builder, title string, flags *pflag.FlagSet) {
	var rows []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind != "" {
			name += " " + strings.ToUpper(kind)
		}
		switch f.DefValue {
		case "", "false", "0", "[]":
		default:
			usage += " (default `" + f.DefValue + "`)"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", name, strings.ReplaceAll(asText(usage), "|", `\|`)))
	})
	if len(rows) == 0 {
		return
	}
	if title != "" {
		fmt.Fprintf(b, "\n## %s\n", title)
	}
	b.WriteString("\n| flag | meaning |\n|---|---|\n" + strings.Join(rows, ""))
}

var active = regexp.MustCompile(`[<>*]`)

// asText keeps Markdown from taking a character of plain text for its own.
func asText(s string) string { return active.ReplaceAllString(s, `\$0`) }
