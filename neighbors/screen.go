package neighbors

import (
	"context"
	"math"

	"github.com/latent-go/latent/vec"
)

// Squared norms outside of these could overflow, or lose digits to underflow, in a product.
const (
	minNorm = 1e-30
	maxNorm = 1e36
)

// screen says, from the product g of a query and a row, whether their distance may be at most T: whether
//
//	cx·g + cy·y ≤ bound
//
// where y depends on the query and T, cy and bound on the row. Let u = 2⁻²⁴ be the unit of rounding of float32. A sum
// of d products is off by at most d·u·(1+d·u) of the sum of their sizes in whatever order (Higham, Accuracy and
// Stability of Numerical Algorithms, 3.1), and that sum is at most |q||b|. With c = 2(d+16)u all errors together are
// within c of the sizes below; the 16 covers the operations beside the sums, each of which is off by u at most.
//
// Euclidean. |q|²+|b|²-2g is off from the true |q-b|² by (2d+2)u(|q|²+|b|²), for 2|q||b| is no more. Both sides have
// been shifted by a centre, and rounded, which moves |q-b| by at most u(|q|+|b|) and its square by 4.2u(|q|²+|b|²).
// The distance measured is off from the true one by (d+3)u of itself. So distance ≤ T implies
//
//	-2g - [T(1+c) - |q|²(1-c)] ≤ -|b|²(1-c).
//
// Cosine. The distance measured is 1 - g'/(|q||b|), rounded, with g' within 2(d+1)u|q||b| of g. So distance ≤ T implies
//
//	-g + |b|·(1-T-c)|q| ≤ 0.
//
// Inner product. Likewise -g - [T + c|q||b|] ≤ 0, in which the largest |b| stands for all.
//
// y and bound are rounded outward from float64. The last addition rounds the left side to the nearest float32, which
// cannot lift it above a bound that is a float32 itself.
type screen struct {
	centre []float32
	cx     float32
	y      func(norm2, T float64) float64
	row    func(norm2 float64) (cy, bound float32)
}

func (s *search) prepareScreen() {
	d := float64(s.base.Cols)
	c := 2 * (d + 16) * 0x1p-24
	tiny := d * 0x1p-140 // products that underflow
	always := func(float64) (cy, bound float32) { return 1, 0 }
	switch s.Metric {
	case vec.Euclidean:
		s.screen = screen{
			centre: centreOf(s.base),
			cx:     -2,
			y:      func(norm2, T float64) float64 { return -(T*(1+c) - norm2*(1-c) + tiny) },
			row:    func(norm2 float64) (cy, bound float32) { return 1, up(-norm2 * (1 - c)) },
		}
	case vec.Cosine:
		s.screen = screen{
			cx:  -1,
			y:   func(norm2, T float64) float64 { return (1 - T - c) * math.Sqrt(norm2) },
			row: func(norm2 float64) (cy, bound float32) { return float32(math.Sqrt(norm2)), 0 },
		}
		if s.Normalized {
			s.screen.y = func(_, T float64) float64 { return 1 - T - c }
			s.screen.row = always
		}
	case vec.InnerProduct:
		largest := minNorm
		for _, n := range s.bNorms {
			largest = max(largest, float64(n))
		}
		s.screen = screen{
			cx: -1,
			y: func(norm2, T float64) float64 {
				return -(T + c*math.Sqrt(max(norm2, minNorm)*largest) + tiny)
			},
			row: always,
		}
	}
}

// centreOf returns the mean of some rows: near enough to the middle of the data.
func centreOf(x vec.Matrix) []float32 {
	const most = 256
	n := min(x.Rows, most)
	sum := make([]float64, x.Cols)
	for i := range n {
		for j, v := range x.Row(i * x.Rows / n) {
			sum[j] += float64(v)
		}
	}
	centre := make([]float32, x.Cols)
	for j := range centre {
		centre[j] = float32(sum[j] / float64(n))
	}
	return centre
}

// up and down round to a float32 that is not below, or not above.
func up(x float64) float32 {
	f := float32(x)
	if float64(f) < x {
		f = math.Nextafter32(f, float32(math.Inf(1)))
	}
	return f
}

func down(x float64) float32 { return -up(-x) }

// lookByProduct is look with the products of pairs screened first.
func (s *search) lookByProduct(ctx context.Context, first int, tops []*vec.TopK, lo, hi int) error {
	n := len(tops)
	queries := s.queries.Slice(first, first+n)
	qNorms, bNorms := s.qNorms[first:first+n], []float32(nil)
	chunk := vec.NewMatrix(chunkRows, s.base.Cols)
	if s.screen.centre != nil {
		queries, qNorms, bNorms = vec.NewMatrix(n, s.base.Cols), make([]float32, n), make([]float32, chunkRows)
		shift(queries, qNorms, s.queries.Slice(first, first+n), s.screen.centre)
	}
	packed := vec.Pack(queries)
	products := vec.NewMatrix(chunkRows, n)
	y, at, distance := make([]float32, n), make([]uint32, 0, n), make([]float32, 1)
	for j := range y {
		y[j] = -math.MaxFloat32 // until a query has K neighbours, all pass
	}
	for ; lo < hi; lo += chunkRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := s.base.Slice(lo, min(lo+chunkRows, hi))
		norms := s.bNorms[lo:]
		if bNorms != nil {
			shift(chunk.Slice(0, rows.Rows), bNorms, rows, s.screen.centre)
			rows, norms = chunk.Slice(0, rows.Rows), bNorms
		}
		g := packed.MulT(products.Slice(0, rows.Rows), rows)
		for i := range rows.Rows {
			cy, bound := s.screen.row(float64(norms[i]))
			at = vec.AtMostSum(at[:0], g.Row(i), y, s.screen.cx, cy, bound)
			for _, j := range at {
				if !s.wanted(first+int(j), lo+i) {
					continue
				}
				s.measure(distance, first+int(j), lo+i)
				top := tops[j]
				if top.Push(distance[0], s.id(lo+i)) {
					if t := top.Bound(); !math.IsInf(float64(t), 1) {
						y[j] = down(s.screen.y(float64(qNorms[j]), float64(t)))
					}
				}
			}
		}
		s.show(rows.Rows * n)
	}
	return nil
}

// shift writes x less the centre to dst, and the squared lengths of the rows that result.
func shift(dst vec.Matrix, norms []float32, x vec.Matrix, centre []float32) {
	for i := range x.Rows {
		to := dst.Row(i)
		copy(to, x.Row(i))
		vec.AddScaled(to, centre, -1)
		norms[i] = vec.Dot(to, to)
	}
}
