package filter

import (
	"fmt"
	"time"
)

// ParseTime reads a time as Qdrant does: RFC 3339, or with a space for the T, without seconds, without a time of day, or
// without a zone, which then is UTC; a zone may lack its colon or its minutes.
func ParseTime(s string) (time.Time, error) {
	bad := fmt.Errorf("%.50q: %w: want a time such as 2014-01-01T00:00:00Z", s, ErrFilter)
	rest := s
	ok := true
	number := func(digits, lo, hi int) (n int) { // the next digits, within lo to hi
		if !ok || len(rest) < digits {
			ok = false
			return 0
		}
		for _, c := range []byte(rest[:digits]) {
			ok = ok && '0' <= c && c <= '9'
			n = 10*n + int(c-'0')
		}
		rest = rest[digits:]
		ok = ok && lo <= n && n <= hi
		return n
	}
	next := func(chars string) bool { // whether one of chars comes next
		if !ok || rest == "" {
			return false
		}
		for _, c := range []byte(chars) {
			if rest[0] == c {
				rest = rest[1:]
				return true
			}
		}
		return false
	}
	year := number(4, 0, 9999)
	ok = next("-")
	month := number(2, 1, 12)
	ok = next("-")
	day := number(2, 1, 31)
	var hour, minute, second, nanos, east int
	if ok && rest != "" {
		ok = next("Tt ")
		hour = number(2, 0, 23)
		ok = next(":")
		minute = number(2, 0, 59)
		seconds := next(":")
		if seconds {
			second = number(2, 0, 59)
			if next(".") {
				if rest == "" || rest[0] < '0' || rest[0] > '9' {
					ok = false
				}
				for unit := 100_000_000; ok && rest != "" && '0' <= rest[0] && rest[0] <= '9'; unit /= 10 {
					nanos += int(rest[0]-'0') * unit
					rest = rest[1:]
				}
			}
		}
		if ok && rest != "" && !next("Zz") {
			ok = seconds
			sign := 1
			if next("-") {
				sign = -1
			} else {
				ok = ok && next("+")
			}
			east = number(2, 0, 23) * 3600
			if ok && rest != "" {
				next(":")
				east += number(2, 0, 59) * 60
			}
			east *= sign
		}
	}
	if !ok || rest != "" {
		return time.Time{}, bad
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if t.Day() != day { // February 30 and the like
		return time.Time{}, bad
	}
	return t.Add(-time.Duration(east) * time.Second), nil
}

// micros is the time in microseconds since 1970, the precision that times are compared in.
func micros(t time.Time) int64 { return t.UnixMicro() }
