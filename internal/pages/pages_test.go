package pages

import (
	"slices"
	"testing"
)

func TestGrown(t *testing.T) {
	s := []int64{1, 2, 3}
	for _, n := range []int{3, 4, 1 << 20, 1<<20 + 1} { // the last two are some huge pages long
		old := s
		s = Grown(s, n)
		if len(s) != n || !slices.Equal(s[:len(old)], old) || slices.ContainsFunc(s[len(old):], func(v int64) bool { return v != 0 }) {
			t.Fatalf("%d values from %d are wrong", n, len(old))
		}
		s[n-1] = int64(n)
	}
	if s = Grown(s, 1<<20+2); cap(s) < 1<<20+1<<18 {
		t.Errorf("room for %d values after one too many", cap(s))
	}
	if room := s[:len(s):cap(s)]; &Grown(room, cap(room))[0] != &s[0] {
		t.Error("copied where there is room")
	}
}
