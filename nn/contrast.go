package nn

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// InfoNCE is the loss, in nats, of telling which row of b belongs to each row of a: row i to row i. Both are (n, d);
// likeness is the cosine over temperature.
//
//	-1/n Σᵢ log( exp(aᵢ·bᵢ/τ) / Σⱼ exp(aᵢ·bⱼ/τ) )
//
// The other direction is InfoNCE(b, a, τ); CLIP takes the mean of both. Source: van den Oord et al. 2018, equation 4.
func InfoNCE(a, b *Node, temperature float64) *Node {
	s := MulScalar(MatMul(L2Normalize(a, 1), Transpose(L2Normalize(b, 1), 0, 1)), 1/temperature)
	return Neg(onDiagonal(LogSoftmax(s, 1)))
}

// NTXent is InfoNCE for two views of each of n things, both (n, d): any view is to be told from all 2n-1 others by its
// partner. Source: Chen et al. 2020 (SimCLR), equation 1, averaged over all 2n views.
func NTXent(a, b *Node, temperature float64) *Node {
	n := a.Shape().Dim(0)
	z := L2Normalize(Concatenate([]*Node{a, b}, 0), 1)
	s := MulScalar(MatMul(z, Transpose(z, 0, 1)), 1/temperature)
	self := Diagonal(z.Graph(), 2*n)
	s = Where(self, MulScalar(OnesLike(s), -1e9), s)
	p := LogSoftmax(s, 1) // partners lie n apart
	ab := SliceAxis(SliceAxis(p, 0, AxisRange(0, n)), 1, AxisRange(n, 2*n))
	ba := SliceAxis(SliceAxis(p, 0, AxisRange(n, 2*n)), 1, AxisRange(0, n))
	return Neg(DivScalar(Add(onDiagonal(ab), onDiagonal(ba)), 2))
}

// onDiagonal is the mean of the diagonal of a square matrix.
func onDiagonal(x *Node) *Node {
	n := x.Shape().Dim(0)
	eye := ConvertDType(Diagonal(x.Graph(), n), x.DType())
	return DivScalar(ReduceAllSum(Mul(x, eye)), n)
}

// MMCR is the loss of maximum manifold capacity representations of z, (things·views, d), the views of a thing one after
// another: on the unit sphere, the nuclear norm of the things' centroids is to be large, and that of each thing's views
// small, the latter weighted by local and usually left out (0).
//
//	local/B Σ_b ‖U_b‖_* - ‖C‖_*
//
// With B things its least value is -B, for B ≤ d, where all views of a thing agree and things are orthogonal, less the
// local term. Source: Yerxa et al. 2023, section 2.2.
func MMCR(z *Node, views int, local float64) *Node {
	things, d := z.Shape().Dim(0)/views, z.Shape().Dim(1)
	u := Reshape(L2Normalize(z, 1), things, views, d)
	loss := Neg(NuclearNorm(ReduceMean(u, 1)))
	if local != 0 {
		loss = Add(loss, MulScalar(ReduceAllMean(NuclearNorm(u)), local))
	}
	return loss
}

// NuclearNorm is the sum of the singular values of x, (…, m, n): one for each matrix if there are several. Its gradient
// is the polar factor of x, PQᵀ of the thin decomposition PΣQᵀ. GoMLX has no such decomposition; Newton-Schulz iteration
// finds the factor by products alone, within rounding for singular values above 1e-4 of the length of x; directions
// below that count for less, and null ones not at all, which is a subgradient. Source: Higham 2008, section 8.6.
func NuclearNorm(x *Node) *Node {
	const iterations = 32 // each makes small singular values half as large again
	rank := x.Rank()
	if x.Shape().Dim(-2) > x.Shape().Dim(-1) { // products of the smaller side are cheaper
		axes := make([]int, rank)
		for i := range axes {
			axes[i] = i
		}
		axes[rank-1], axes[rank-2] = rank-2, rank-1
		x = TransposeAllAxes(x, axes...)
	}
	y := StopGradient(x)
	length := Sqrt(ReduceAndKeep(Square(y), ReduceSum, -2, -1))
	y = Div(y, MaxScalar(length, 1e-30))
	product := func(equation, batched string, a, b *Node) *Node {
		if rank > 2 {
			equation = batched
		}
		return Einsum(equation, a, b)
	}
	shape := y.Shape()
	if rank > 3 {
		y = Reshape(y, -1, shape.Dim(-2), shape.Dim(-1))
	}
	for range iterations {
		g := product("ik,jk->ij", "bik,bjk->bij", y, y)
		y = Sub(MulScalar(y, 1.5), MulScalar(product("ij,jk->ik", "bij,bjk->bik", g, y), 0.5))
	}
	if rank > 3 {
		y = Reshape(y, shape.Dimensions...)
	}
	return ReduceSum(Mul(StopGradient(y), x), -2, -1)
}

// CodingRate is how many nats it takes to write down a row of z, (n, d), up to a mean squared error of eps² in all, times
// n/2 … by counting spheres: ½ log det(I + d/(n·eps²) zᵀz). Source: Yu et al. 2020 (MCR²), equation 7.
func CodingRate(z *Node, eps float64) *Node {
	n, d := z.Shape().Dim(0), z.Shape().Dim(1)
	return MulScalar(LogDet(gramPlusOne(z, float64(d)/(float64(n)*eps*eps))), 0.5)
}

// gramPlusOne is I + scale·zᵀz or I + scale·zzᵀ, whichever is smaller; both have the same determinant.
func gramPlusOne(z *Node, scale float64) *Node {
	n, d := z.Shape().Dim(0), z.Shape().Dim(1)
	g := Einsum("ki,kj->ij", z, z)
	if n < d {
		g = Einsum("ik,jk->ij", z, z)
	}
	eye := ConvertDType(Diagonal(z.Graph(), min(n, d)), z.DType())
	return Add(eye, MulScalar(g, scale))
}

// MCR2 is the loss of maximal coding rate reduction, the negative of what knowing the classes saves: the rate of all rows
// of z, (n, d), less those of the rows of each class, weighted by its size. Member, (n, classes), says to which class a
// row belongs, in shares that add up to 1. Rows should have length 1. Source: Yu et al. 2020, equation 8.
func MCR2(z, member *Node, eps float64) *Node {
	n, d := z.Shape().Dim(0), z.Shape().Dim(1)
	rate := CodingRate(z, eps)
	eye := ConvertDType(Diagonal(z.Graph(), d), z.DType())
	for j := range member.Shape().Dim(1) {
		share := SliceAxis(member, 1, AxisElem(j)) // (n, 1)
		count := ReduceAllSum(share)
		gram := Einsum("ki,kj->ij", Mul(z, share), z)
		scale := Div(Scalar(z.Graph(), z.DType(), float64(d)/(eps*eps)), MaxScalar(count, 1e-6)) // an empty class costs nothing
		part := LogDet(Add(eye, Mul(gram, scale)))
		rate = Sub(rate, Mul(part, DivScalar(count, 2*float64(n))))
	}
	return Neg(rate)
}

// LogDet is the logarithm of the determinant of a, (d, d), symmetric and positive definite. Its gradient is the inverse.
// Both come from sweeping a's pivots in their order, d steps of d² operations each, written out in the graph.
func LogDet(a *Node) *Node {
	g := a.Graph()
	d := a.Shape().Dim(0)
	a.AssertDims(d, d)
	eye := ConvertDType(Diagonal(g, d), a.DType())
	swept, log := StopGradient(a), ScalarZero(g, a.DType())
	for k := range d {
		row, e := SliceAxis(swept, 0, AxisElem(k)), SliceAxis(eye, 0, AxisElem(k)) // (1, d)
		pivot := ReduceAllSum(SliceAxis(row, 1, AxisElem(k)))
		r := Sub(row, e)
		swept = Sub(swept, Add(Mul(Reshape(Div(r, pivot), d, 1), r), MulScalar(Mul(Reshape(e, d, 1), e), 2)))
		log = Add(log, Log(pivot))
	}
	inverse, value := Neg(StopGradient(swept)), StopGradient(log)
	slope := ReduceAllSum(Mul(inverse, a))
	return Add(value, Sub(slope, StopGradient(slope)))
}
