package apply

import "encoding/binary"

const (
	oidText      = 25
	oidTextArray = 1009
)

// appendTextArray appends a one-dimensional text[] in the binary wire format:
// the values of one slot in the given rows.
func (s *set) appendTextArray(dst []byte, rows []int32, slot int) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, 1) // dimensions
	dst = binary.BigEndian.AppendUint32(dst, 0) // 1 when there are nulls
	dst = binary.BigEndian.AppendUint32(dst, oidText)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(rows)))
	dst = binary.BigEndian.AppendUint32(dst, 1) // lower bound
	nulls := false
	for _, n := range rows {
		v := s.spans[int(s.rows[n].first)+slot]
		if v.n < 0 {
			nulls = true
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(v.n))
		dst = append(dst, s.buf[v.off:v.off+uint32(v.n)]...)
	}
	if nulls {
		dst[start+7] = 1
	}
	return dst
}

// textArraySize is the length that appendTextArray will add.
func (s *set) textArraySize(rows []int32, slot int) int {
	size := 20 + 4*len(rows)
	for _, n := range rows {
		size += max(0, int(s.spans[int(s.rows[n].first)+slot].n))
	}
	return size
}
