package nn

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// Straight has the value of y and the gradient of x: what is done to x to make y is passed over on the way back.
// Source: Bengio, Léonard and Courville 2013.
func Straight(x, y *Node) *Node {
	return Add(StopGradient(y), Sub(x, StopGradient(x))) // exactly y: the difference is 0
}

// StraightRound rounds to the nearest integer, ties to even.
func StraightRound(x *Node) *Node { return Straight(x, Round(x)) }

// StraightSign is 1 where x is at least 0, and -1 elsewhere. The gradient passes where |x| ≤ 1 only.
// Source: Courbariaux et al. 2016, equation 4.
func StraightSign(x *Node) *Node { return Straight(ClipScalar(x, -1, 1), SignPlusOrMinus(x)) }

// Top keeps the k largest values along the last axis, the first of equal ones, and puts 0 in place of the others. The
// gradient reaches those that were kept.
func Top(x *Node, k int) *Node {
	return Where(StopGradient(TopKMask(x, k, -1)), x, ZerosLike(x))
}

// StraightTop is Top whose gradient reaches all values.
func StraightTop(x *Node, k int) *Node { return Straight(x, Top(x, k)) }

// Quantized is what VectorQuantize made.
type Quantized struct {
	Values   *Node // (n, d): the nearest code of each row, with the gradient of the row
	Codes    *Node // (n), int32: which
	Codebook *Node // scalar: mean over rows of |sg(z)-e|², which moves codes towards rows
	Commit   *Node // scalar: mean over rows of |z-sg(e)|², which moves rows towards codes
}

// VectorQuantize puts in place of each row of z, (n, d), the nearest row of codebook, (k, d). A loss adds Codebook and,
// times 0.25 or so, Commit. Source: van den Oord et al. 2017, equation 3.
func VectorQuantize(z, codebook *Node) Quantized {
	// |z-e|² without |z|², which is the same for all codes
	distance := Sub(ReduceAndKeep(Square(codebook), ReduceSum, 1), MulScalar(MatMul(codebook, Transpose(z, 0, 1)), 2))
	codes := ArgMin(StopGradient(distance), 0)
	e := Gather(codebook, ExpandAxes(codes, -1))
	square := func(a, b *Node) *Node { return ReduceAllMean(ReduceSum(Square(Sub(a, b)), 1)) }
	return Quantized{
		Values:   Straight(z, e),
		Codes:    codes,
		Codebook: square(StopGradient(z), e),
		Commit:   square(z, StopGradient(e)),
	}
}
