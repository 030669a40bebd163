package hint

import (
	"os/exec"
	"testing"
)

func TestShell(t *testing.T) {
	for word, want := range map[string]string{
		"public.entry": "public.entry", `public."My Table"`: `'public."My Table"'`, "a*": "'a*'",
		`o'q"`: `'o'\''q"'`, "$x": "'$x'", "": "''", "ü": "'ü'",
	} {
		got := Shell(word)
		if got != want {
			t.Errorf("Shell(%q) = %s, want %s", word, got, want)
		}
		if back, err := exec.Command("sh", "-c", "printf %s "+got).Output(); err != nil || string(back) != word {
			t.Errorf("the shell reads %s as %q, %v", got, back, err)
		}
	}
}
