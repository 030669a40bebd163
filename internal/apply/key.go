package apply

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// keyClass tells how a key column's text becomes canonical, so that two texts
// are the same bytes exactly when the server calls the values equal. A text
// that does not look as the type's output does (another DateStyle, say) has
// no canonical form here, and its table goes in event order.
type keyClass byte

const (
	keyOpaque keyClass = iota // equality cannot be told from the text
	keyExact                  // the text itself
	keyPadded                 // char(n): blanks at the end do not count
	keyInteger
	keyBool
	keyUUID
	keyBytea
	keyDate
	keyTimestamp
	keyTimestampTZ
	keyNumeric
	keyInet
	keyBit
)

// classOf gives the class of a base type under its default equality. The
// collation of texts is judged with the index.
func classOf(oid uint32, typtype string) keyClass {
	if typtype == "e" {
		return keyExact
	}
	switch oid {
	case 25, 1043: // text, varchar
		return keyExact
	case 1042: // char(n)
		return keyPadded
	case 20, 21, 23, 26: // int8, int2, int4, oid
		return keyInteger
	case 16:
		return keyBool
	case 2950:
		return keyUUID
	case 17:
		return keyBytea
	case 1082:
		return keyDate
	case 1114:
		return keyTimestamp
	case 1184:
		return keyTimestampTZ
	case 1700:
		return keyNumeric
	case 869, 650: // inet, cidr
		return keyInet
	case 1560, 1562: // bit, varbit
		return keyBit
	}
	return keyOpaque
}

// appendCanonical appends v's canonical form with its length, so that the
// columns of a key cannot run into each other. ok is false when v has none.
func appendCanonical(dst []byte, class keyClass, v []byte) (_ []byte, ok bool) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	switch class {
	case keyExact:
		dst, ok = append(dst, v...), true
	case keyPadded:
		dst, ok = append(dst, bytes.TrimRight(v, " ")...), true
	case keyInteger:
		dst, ok = append(dst, v...), plainInteger(v)
	case keyBool:
		switch string(v) {
		case "t", "true":
			dst, ok = append(dst, 't'), true
		case "f", "false":
			dst, ok = append(dst, 'f'), true
		}
	case keyUUID:
		dst, ok = append(dst, v...), plainUUID(v)
	case keyBytea:
		dst, ok = append(dst, v...), plainBytea(v)
	case keyDate:
		dst, ok = append(dst, v...), plainDate(v)
	case keyTimestamp, keyTimestampTZ:
		var usec int64
		if usec, ok = parseTimestamp(v, class == keyTimestampTZ); ok {
			dst = binary.BigEndian.AppendUint64(dst, uint64(usec))
		}
	case keyNumeric:
		dst, ok = appendNumeric(dst, v)
	case keyInet:
		dst, ok = appendInet(dst, v)
	case keyBit:
		dst, ok = append(dst, v...), only(v, "01")
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, ok
}

func only(v []byte, set string) bool {
	for _, c := range v {
		if bytes.IndexByte([]byte(set), c) < 0 {
			return false
		}
	}
	return true
}

// plainInteger: as int8out writes it, no plus, no leading zero.
func plainInteger(v []byte) bool {
	if len(v) > 1 && v[0] == '-' {
		v = v[1:]
		if v[0] == '0' {
			return false
		}
	}
	if len(v) == 0 || v[0] == '0' && len(v) > 1 {
		return false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func plainUUID(v []byte) bool {
	if len(v) != 36 {
		return false
	}
	for i, c := range v {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// plainBytea: the hex form. The escape form has no single spelling.
func plainBytea(v []byte) bool {
	if len(v) < 2 || v[0] != '\\' || v[1] != 'x' || len(v)%2 != 0 {
		return false
	}
	for _, c := range v[2:] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// plainDate: ISO, any year from 4 digits on, perhaps BC, or an infinity.
func plainDate(v []byte) bool {
	if string(v) == "infinity" || string(v) == "-infinity" {
		return true
	}
	v = bytes.TrimSuffix(v, []byte(" BC"))
	_, _, _, rest, ok := parseDate(v)
	return ok && len(rest) == 0
}

// appendNumeric drops the zeros that do not change the value.
func appendNumeric(dst, v []byte) ([]byte, bool) {
	switch string(v) {
	case "NaN", "Infinity", "-Infinity":
		return append(dst, v...), true
	}
	neg := len(v) > 0 && v[0] == '-'
	if neg {
		v = v[1:]
	}
	whole, frac, dotted := bytes.Cut(v, []byte{'.'})
	if len(whole) == 0 || dotted && len(frac) == 0 || !only(whole, "0123456789") || !only(frac, "0123456789") {
		return dst, false
	}
	whole = bytes.TrimLeft(whole, "0")
	frac = bytes.TrimRight(frac, "0")
	if len(whole)+len(frac) == 0 {
		return append(dst, '0'), true
	}
	if neg {
		dst = append(dst, '-')
	}
	dst = append(dst, whole...)
	if len(frac) > 0 {
		dst = append(append(dst, '.'), frac...)
	}
	return dst, true
}

// appendInet: address, family and length of the network in binary.
func appendInet(dst, v []byte) ([]byte, bool) {
	addr, bits, cut := bytes.Cut(v, []byte{'/'})
	a, err := netip.ParseAddr(string(addr))
	if err != nil || a.Zone() != "" {
		return dst, false
	}
	n := a.BitLen()
	if cut {
		p, err := netip.ParsePrefix(string(v))
		if err != nil || len(bits) == 0 {
			return dst, false
		}
		n = p.Bits()
	}
	b, _ := a.MarshalBinary()
	return append(append(dst, byte(n)), b...), true
}

// parseTimestamp reads an ISO timestamp (T or a blank between date and time)
// into microseconds of the proleptic Gregorian calendar; zoned demands an
// offset, which is applied.
func parseTimestamp(v []byte, zoned bool) (int64, bool) {
	const most = 1<<63 - 1
	switch string(v) {
	case "infinity":
		return most, true
	case "-infinity":
		return -most, true
	}
	v, bc := bytes.CutSuffix(v, []byte(" BC"))
	year, month, day, rest, ok := parseDate(v)
	if !ok || len(rest) < 9 || rest[0] != ' ' && rest[0] != 'T' {
		return 0, false
	}
	if bc {
		year = 1 - year
	}
	sec, usec, rest, ok := parseClock(rest[1:])
	if !ok {
		return 0, false
	}
	offset := int64(0)
	if zoned {
		if offset, ok = parseOffset(rest); !ok {
			return 0, false
		}
	} else if len(rest) > 0 {
		return 0, false
	}
	return ((daysFromCivil(year, month, day)*86400+sec)-offset)*1e6 + usec, true
}

// parseDate reads YYYY-MM-DD (four digits of year or more).
func parseDate(v []byte) (year, month, day int64, rest []byte, ok bool) {
	n := bytes.IndexByte(v, '-')
	if n < 4 || n > 7 || len(v) < n+6 || v[n+3] != '-' {
		return 0, 0, 0, nil, false
	}
	year, ok1 := digits(v[:n])
	month, ok2 := digits(v[n+1 : n+3])
	day, ok3 := digits(v[n+4 : n+6])
	return year, month, day, v[n+6:], ok1 && ok2 && ok3
}

// parseClock reads HH:MM:SS[.ffffff].
func parseClock(v []byte) (sec, usec int64, rest []byte, ok bool) {
	if len(v) < 8 || v[2] != ':' || v[5] != ':' {
		return 0, 0, nil, false
	}
	h, ok1 := digits(v[:2])
	m, ok2 := digits(v[3:5])
	s, ok3 := digits(v[6:8])
	rest = v[8:]
	if len(rest) > 0 && rest[0] == '.' {
		n := 1
		for scale := int64(100000); n < len(rest) && rest[n] >= '0' && rest[n] <= '9'; n++ {
			usec += int64(rest[n]-'0') * scale
			scale /= 10
		}
		if n < 2 || n > 7 {
			return 0, 0, nil, false
		}
		rest = rest[n:]
	}
	return h*3600 + m*60 + s, usec, rest, ok1 && ok2 && ok3
}

// parseOffset reads +HH, +HH:MM or +HH:MM:SS into seconds.
func parseOffset(v []byte) (int64, bool) {
	if len(v) < 3 || len(v)%3 != 0 || len(v) > 9 || v[0] != '+' && v[0] != '-' {
		return 0, false
	}
	total, unit := int64(0), int64(3600)
	for i := 0; i < len(v); i += 3 {
		n, ok := digits(v[i+1 : i+3])
		if !ok || i > 0 && v[i] != ':' {
			return 0, false
		}
		total += n * unit
		unit /= 60
	}
	if v[0] == '-' {
		total = -total
	}
	return total, true
}

func digits(v []byte) (n int64, ok bool) {
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(v) > 0
}

// daysFromCivil counts days from 2000-01-01, as the server does, so that every
// timestamp it has fits; years are astronomical.
func daysFromCivil(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 730425
}
