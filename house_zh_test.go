package skytools

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// What the Chinese pages show to copy is what the English ones do, which is run:
// block by block, in order. Remarks may be translated.
func TestTranslationsShowTheSame(t *testing.T) {
	for zh, page := range map[string]string{
		"docs/zh/README.md":   "README.md",
		"docs/zh/tutorial.md": "docs/tutorial.md",
	} {
		var blocks [2][]block
		for i, name := range []string{page, zh} {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			blocks[i] = blocksOf(name, string(text))
		}
		for i, b := range blocks[0] {
			if i == len(blocks[1]) {
				t.Errorf("%s lacks the block of %s", zh, b)
				break
			}
			other := blocks[1][i]
			if b.lang != other.lang || !slices.Equal(withoutRemarks(b), withoutRemarks(other)) {
				t.Errorf("%s is not the block of %s: a command that changes in one language changes in both", other, b)
				break
			}
		}
		if len(blocks[1]) > len(blocks[0]) {
			t.Errorf("%s has a block that %s has not", blocks[1][len(blocks[0])], page)
		}
	}
}

func withoutRemarks(b block) (lines []string) {
	for _, line := range b.lines {
		line, _, _ = strings.Cut(line, "  #")
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}
