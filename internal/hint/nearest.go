package hint

// Nearest returns the word of choices that s is most likely a misspelling of,
// or "" when none is near. Swapped neighbours, a letter too many, one too few
// and a wrong one each count as one slip; a third of the letters may be wrong.
func Nearest(s string, choices []string) string {
	best, limit := "", max(1, len(s)/3)
	for _, c := range choices {
		if d := slips(s, c); d > 0 && d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// slips is the Damerau-Levenshtein distance (optimal string alignment).
func slips(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
