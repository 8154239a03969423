// Package rank compares orders rather than values.
package rank

import (
	"cmp"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Spearman is the correlation of ranks, of slices of equal length.
func Spearman(x, y []float64) float64 { return stat.Correlation(Of(x), Of(y), nil) }

// Of numbers values from smallest to largest, from 0; equal ones share the mean of their numbers.
func Of(x []float64) []float64 {
	type at struct {
		v float64
		i int32
	}
	s := make([]at, len(x))
	for i, v := range x {
		s[i] = at{v, int32(i)}
	}
	slices.SortFunc(s, func(a, b at) int { return cmp.Compare(a.v, b.v) })
	out := make([]float64, len(x))
	for lo := 0; lo < len(s); {
		hi := lo
		for hi < len(s) && s[hi].v == s[lo].v {
			hi++
		}
		for _, e := range s[lo:hi] {
			out[e.i] = float64(lo+hi-1) / 2
		}
		lo = hi
	}
	return out
}
