package conf

import (
	"fmt"
	"strings"
)

// Reference documents a program's section in Markdown: the keys that it reads,
// and those that it accepts without effect.
func Reference(program string, known []Key) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Keys of section `[%s]`\n\n", program)
	b.WriteString("Written by a test from the program's own table; `" + program + " --ini` prints a file with them.\n\n")
	b.WriteString("| key | default | meaning |\n|---|---|---|\n")
	for _, k := range known {
		if k.ReplacedBy == "" {
			unit := ""
			if k.Unit != "" {
				unit = " [" + k.Unit + "]"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s%s |\n", k.Name, code(k.Default), strings.ReplaceAll(k.Doc, "\n", " "), unit)
		}
	}
	b.WriteString("\n## Accepted without effect\n\n" +
		"Keys of Skytools that a file may go on holding. The log names them once, with what has their effect.\n\n" +
		"| keys | instead |\n|---|---|\n")
	var names []string
	all := join(known, Skytools)
	for i, k := range all {
		if i < len(known) && k.ReplacedBy != "" || i >= len(known) && Find(known, k.Name) == nil {
			names = append(names, code(k.Name))
		}
		if len(names) > 0 && (i+1 == len(all) || all[i+1].ReplacedBy != k.ReplacedBy) {
			fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(names, ", "), k.ReplacedBy)
			names = nil
		}
	}
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
