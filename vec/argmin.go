package vec

import "math"

//go:generate go -C _avo run ./argmin -out ../argmin_amd64.s -stubs ../argmin_stub_amd64.go -pkg vec

// ArgMinSum returns the first i for which c·x[i] + y[i] is least, 0 if none is below +Inf; NaN is never least. With c =
// -2, products x of a vector with others and the squared lengths y of these, it is the nearest of them. How the sum is
// rounded, once or twice, is not promised.
func ArgMinSum(x, y []float32, c float32) int {
	sameLen(len(x), len(y))
	at, i := 0, 0
	best := float32(math.Inf(1))
	switch {
	case len(x) == 0:
		return 0
	case hasAVX512:
		return argMinSumAVX512(&x[0], &y[0], len(x), c)
	case hasAVX2 && len(x) >= 8:
		at, i = argMinSumAVX2(&x[0], &y[0], len(x), c), len(x)&^7
		best = min(best, c*x[at]+y[at])
		if best != best { // all of them are +Inf or NaN
			best = float32(math.Inf(1))
		}
	}
	for ; i < len(x); i++ {
		if s := c*x[i] + y[i]; s < best {
			best, at = s, i
		}
	}
	return at
}
