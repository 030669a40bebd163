package apply

import (
	"errors"
	"unicode/utf8"
)

// The scanner reads JSON where it stands and unescapes strings in place: the
// buffer is the applier's own copy, and an unescaped string is never longer.
// It keeps bytes that are no valid UTF-8 as they are; the server judges them.

var (
	errJSON      = errors.New("malformed JSON")
	errZero      = errors.New(`value holds a zero byte (\u0000), which text in PostgreSQL cannot`)
	errSurrogate = errors.New("value holds half of a surrogate pair, which is no character")
)

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scanString reads the string whose opening quote is b[i]. The text is
// b[from:to] afterwards; next is behind the closing quote.
func scanString(b []byte, i int) (from, to, next int, err error) {
	from = i + 1
	for j := from; j < len(b); j++ {
		switch b[j] {
		case '"':
			return from, j, j + 1, nil
		case '\\':
			to, next, err = unescape(b, j)
			return from, to, next, err
		}
	}
	return 0, 0, 0, errJSON
}

// unescape goes on from the first backslash of a string, b[r].
func unescape(b []byte, r int) (to, next int, err error) {
	w := r
	for r < len(b) {
		c := b[r]
		if c == '"' {
			return w, r + 1, nil
		}
		if c != '\\' {
			b[w] = c
			w++
			r++
			continue
		}
		if r+1 >= len(b) {
			break
		}
		if b[r+1] == 'u' {
			ch, size, err := escapedRune(b[r:])
			if err != nil {
				return 0, 0, err
			}
			w += utf8.EncodeRune(b[w:w+utf8.RuneLen(ch)], ch)
			r += size
			continue
		}
		c = escapes[b[r+1]]
		if c == 0 {
			break
		}
		b[w] = c
		w++
		r += 2
	}
	return 0, 0, errJSON
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escapedRune reads \uXXXX, or the pair that makes one character of the
// upper planes, at the start of b.
func escapedRune(b []byte) (ch rune, size int, err error) {
	ch, ok := hex4(b)
	switch {
	case !ok:
		return 0, 0, errJSON
	case ch == 0:
		return 0, 0, errZero
	case ch < 0xD800 || ch > 0xDFFF:
		return ch, 6, nil
	case ch >= 0xDC00:
		return 0, 0, errSurrogate
	}
	low, ok := hex4(b[6:])
	if !ok || low < 0xDC00 || low > 0xDFFF {
		return 0, 0, errSurrogate
	}
	return 0x10000 + (ch-0xD800)<<10 + (low - 0xDC00), 12, nil
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// scanValue reads the value at b[i]: a string's text, anything else as it
// stands. null is JSON's null.
func scanValue(b []byte, i int) (from, to, next int, null bool, err error) {
	if i >= len(b) {
		return 0, 0, 0, false, errJSON
	}
	switch c := b[i]; {
	case c == '"':
		from, to, next, err = scanString(b, i)
		return from, to, next, false, err
	case c == '{' || c == '[':
		next, err = skipNested(b, i)
		return i, next, next, false, err
	case c == '-' || c >= '0' && c <= '9':
		next = i + 1
		for next < len(b) && isNumberByte(b[next]) {
			next++
		}
		return i, next, next, false, nil
	}
	for _, word := range [...]string{"null", "true", "false"} {
		if end := i + len(word); end <= len(b) && string(b[i:end]) == word {
			return i, end, end, word == "null", nil
		}
	}
	return 0, 0, 0, false, errJSON
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}

// skipNested returns the end of the object or array that opens at b[i]. Its
// text is kept exactly, so nothing in it is unescaped; its grammar is left to
// the server's json type.
func skipNested(b []byte, i int) (int, error) {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1, nil
			}
		case '"':
			i = closingQuote(b, i)
		}
	}
	return 0, errJSON
}

func closingQuote(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}
