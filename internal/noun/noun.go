// Package noun puts numbers and nouns together for people: 1 row, 2 rows.
package noun

import "strconv"

// Count is a number with its noun.
func Count[N ~int | ~int32 | ~int64](n N, noun string) string {
	return strconv.FormatInt(int64(n), 10) + " " + For(n, noun)
}

// For is the noun for a number that is written apart: with an s where it is not one.
func For[N ~int | ~int32 | ~int64](n N, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
