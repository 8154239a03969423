package point

import (
	"bytes"
	"fmt"
	"strconv"
)

// floats reads an array of numbers as float32. Unlike []float32 it takes null for no number, which would else be a 0 that
// nobody sent, and it is a few times as fast: vectors are most of what clients send.
type floats []float32

func (f *floats) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return fmt.Errorf("%.20s: want an array of numbers", b)
	}
	b = bytes.TrimSpace(b[1 : len(b)-1])
	out := make(floats, 0, bytes.Count(b, []byte(","))+1)
	for len(b) > 0 {
		end := 0
		for end < len(b) && numeric(b[end]) {
			end++
		}
		x, err := strconv.ParseFloat(string(b[:end]), 32)
		if err != nil {
			return notNumber(b, end, err)
		}
		out = append(out, float32(x))
		if b = bytes.TrimLeft(b[end:], " \t\r\n"); len(b) == 0 {
			break
		}
		if b[0] != ',' {
			return notNumber(b, 1, nil)
		}
		if b = bytes.TrimLeft(b[1:], " \t\r\n"); len(b) == 0 {
			return fmt.Errorf("an array of numbers ends with a comma")
		}
	}
	*f = out
	return nil
}

// numeric says whether c can be part of a number in JSON.
func numeric(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

func notNumber(b []byte, end int, err error) error {
	if e, ok := err.(*strconv.NumError); ok && e.Err == strconv.ErrRange {
		return fmt.Errorf("number %.40s is out of the range of float32", b[:end])
	}
	return fmt.Errorf("%.20s: want a number", b)
}
