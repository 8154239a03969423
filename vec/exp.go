package vec

import "math"

// Exp is eˣ to within a unit in the last place, infinite and 0 beyond the range of float64.
//
// It does what math.Exp does, without that one's assembly, which mixes two encodings of vector instructions. A processor
// whose upper halves of registers are in use takes some hundred times as long for the mixture, and programs built with
// GOEXPERIMENT=simd (Go 1.26) leave them in use after a goroutine was interrupted: loops of millions use this one.
func Exp(x float64) float64 {
	const (
		ln2Hi = 6.93147180369123816490e-01 // the upper 32 bits of ln 2, so that n·ln2Hi is exact
		ln2Lo = 1.90821492927058770002e-10
	)
	switch {
	case !(x > -746): // below the least float64, or NaN
		if x != x {
			return x
		}
		return 0
	case x > 710:
		return math.Inf(1)
	}
	n := math.Floor(x*math.Log2E + 0.5)
	r := x - n*ln2Hi - n*ln2Lo // |r| ≤ ln 2 / 2
	// Taylor's series to r¹³, whose rest is below 2⁻⁵⁷, by pairs so that sums do not wait for each other.
	r2 := r * r
	r4 := r2 * r2
	low := (1./2 + r*(1./6)) + r2*(1./24+r*(1./120))
	mid := (1./720 + r*(1./5040)) + r2*(1./40320+r*(1./362880))
	high := (1./3628800 + r*(1./39916800)) + r2*(1./479001600+r*(1./6227020800))
	y := 1 + (r + r2*(low+r4*(mid+r4*high)))
	if k := int64(n); k > -1022 && k < 1023 {
		return y * math.Float64frombits(uint64(k+1023)<<52)
	}
	return math.Ldexp(y, int(n))
}
