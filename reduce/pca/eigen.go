package pca

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/vec"
)

// eigen returns the eigenvalues of the symmetric n×n matrix a, falling, and unit eigenvectors of the first few, one a
// row: as many as choose says, given the values. It reads the lower triangle of a and changes nothing.
//
// Householder reflections make a tridiagonal, QL iteration gives its eigenvalues, inverse iteration the vectors that
// are wanted, and the reflections take these back. LAPACK's dsyevx does the same. Against forming all vectors by QL, as
// gonum's EigenSym does, this saves most of the time: for 128 of 784 vectors 0.04 s where that takes 1.15 s, for all 0.18 s
// (BenchmarkEigen, one thread).
func eigen(ctx context.Context, a []float64, n int, choose func(values []float64) int) (values, vectors []float64, err error) {
	var scale float64
	for i := range n {
		for _, v := range a[i*n : i*n+i+1] {
			scale = max(scale, math.Abs(v))
		}
	}
	if scale == 0 {
		scale = 1
	}
	t, err := tridiagonalize(ctx, a, n, 1/scale)
	if err != nil {
		return nil, nil, err
	}
	found, ok := t.eigenvalues()
	if !ok {
		return eigenByQL(a, n, scale, choose)
	}
	values = make([]float64, n)
	for i, f := range found {
		values[i] = f.value * scale
	}
	k := choose(values)
	vectors, ok = t.eigenvectors(found[:k])
	if !ok {
		return eigenByQL(a, n, scale, choose)
	}
	return values, vectors, t.rotateBack(ctx, vectors)
}

// eigenByQL is eigen the slow way, which always works; scale is the largest element.
func eigenByQL(a []float64, n int, scale float64, choose func(values []float64) int) (values, vectors []float64, err error) {
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j, v := range a[i*n : i*n+i+1] {
			s.SetSym(i, j, v/scale)
		}
	}
	var e mat.EigenSym
	if !e.Factorize(s, true) {
		return nil, nil, errNoConvergence
	}
	values = e.Values(nil)
	slices.Reverse(values)
	for i := range values {
		values[i] *= scale
	}
	var q mat.Dense
	e.VectorsTo(&q)
	k := choose(values)
	vectors = make([]float64, k*n)
	for i := range k {
		mat.Col(vectors[i*n:(i+1)*n], n-1-i, &q)
	}
	return values, vectors, nil
}

// tridiagonal is a symmetric matrix T with diagonal d and off-diagonal e, and the reflections that made it from
// another, A = P(n-1)···P(1) T P(1)···P(n-1), each P(i) = 1 - uuᵀ/h[i], u in the first i elements of row i of a. An
// h of 0 stands for no reflection. A was scaled so that its largest element is 1.
type tridiagonal struct {
	n          int
	a, d, e, h []float64
}

// tridiagonalize works up from the last row. One pass over what is left of the matrix subtracts the rank-2 change of
// the last reflection, and multiplies the result by the next one's u.
func tridiagonalize(ctx context.Context, a []float64, n int, scale float64) (*tridiagonal, error) {
	t := &tridiagonal{n: n, a: make([]float64, n*n), d: make([]float64, n), e: make([]float64, max(n-1, 0)), h: make([]float64, n)}
	for i := range n {
		row := t.a[i*n : i*n+i+1]
		for j, v := range a[i*n : i*n+i+1] {
			row[j] = v * scale
		}
	}
	u, q, p := make([]float64, n), make([]float64, n), make([]float64, n) // u and q of the change not yet made
	for i := n - 1; i >= 0; i-- {
		if i%64 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		row := t.a[i*n : i*n+i+1]
		for j := range row {
			row[j] -= q[i]*u[j] + u[i]*q[j]
		}
		t.d[i] = row[i]
		if i == 0 {
			break
		}
		x := row[:i]
		var below float64
		for _, v := range x[:i-1] {
			below += v * v
		}
		last := x[i-1]
		if below < 1e-60 { // nothing to reflect: far less than rounding of the largest element, 1
			t.e[i-1] = last
			clear(x[:i-1])
			vec.Rank2Mul(t.a, n, q[:i], u[:i], x, p[:i]) // for the change alone: what it adds to p is cleared before use
			clear(u)
			clear(q)
			continue
		}
		norm := math.Sqrt(below + last*last)
		t.e[i-1] = -math.Copysign(norm, last)
		x[i-1] += math.Copysign(norm, last)
		h := norm * (norm + math.Abs(last))
		t.h[i] = h

		clear(p[:i])
		vec.Rank2Mul(t.a, n, q[:i], u[:i], x, p[:i])
		var up float64
		for j, v := range x {
			up += v * p[j]
		}
		up /= 2 * h * h
		copy(u, x)
		for j, v := range x {
			q[j] = p[j]/h - up*v
		}
	}
	return t, nil
}

// found is an eigenvalue of T and where its vector lives: in the elements lo to hi, a block that no off-diagonal
// element joins to the rest.
type found struct {
	value  float64
	lo, hi int
}

func (t *tridiagonal) eigenvalues() ([]found, bool) {
	unit := 0x1p-53 * t.norm() // an off-diagonal element of this size is rounding
	all := make([]found, 0, t.n)
	d, e := slices.Clone(t.d), slices.Clone(t.e)
	for lo := 0; lo < t.n; {
		hi := lo + 1
		for hi < t.n && math.Abs(t.e[hi-1]) > unit {
			hi++
		}
		if hi-lo > 1 && !(gonum.Implementation{}).Dsterf(hi-lo, d[lo:hi], e[lo:hi-1]) {
			return nil, false
		}
		for _, v := range d[lo:hi] {
			all = append(all, found{v, lo, hi})
		}
		lo = hi
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.value, a.value) })
	return all, true
}

// norm is the largest absolute row sum of T, to within a factor of 2 the largest absolute eigenvalue.
func (t *tridiagonal) norm() (s float64) {
	for i, v := range t.d {
		v = math.Abs(v)
		if i > 0 {
			v += math.Abs(t.e[i-1])
		}
		if i < t.n-1 {
			v += math.Abs(t.e[i])
		}
		s = max(s, v)
	}
	return s
}

// crowded is the gap between eigenvalues, as a part of the norm of T, below which inverse iteration alone does not keep vectors apart: they come out
// orthogonal to about 2⁻⁵³/gap, which at this gap is far below what float32 shows.
const crowded = 1e-5

// eigenvectors returns the unit eigenvectors of T for the values wanted, one a row, or false if one did not converge.
func (t *tridiagonal) eigenvectors(wanted []found) ([]float64, bool) {
	n := t.n
	all := t.norm()
	unit := 0x1p-53 * all
	out := make([]float64, len(wanted)*n)
	dl, d, du := make([]float64, n), make([]float64, n), make([]float64, n)
	rng := rand.New(rand.NewPCG(1, 1)) // starts that are no vector's opposite; any will do
	type block struct {
		crowd []int   // the vectors whose values lie close to the last one's
		last  float64 // where the last one was looked for
	}
	blocks := map[int]*block{}
	for j, w := range wanted {
		z := out[j*n+w.lo : j*n+w.hi]
		if len(z) == 1 {
			z[0] = 1
			continue
		}
		b := blocks[w.lo]
		if b == nil {
			b = &block{last: math.Inf(1)}
			blocks[w.lo] = b
		}
		if b.last-w.value > crowded*all {
			b.crowd = b.crowd[:0]
		}
		// Equal values are looked for a little apart, as dstein does it.
		at := min(w.value, b.last-10*unit)
		b.last = at
		for i := range z {
			z[i] = rng.Float64() - 0.5
		}
		steady := 0
		for try := 0; steady < 2; try++ {
			if try == 12 {
				return nil, false
			}
			normalize(z)
			m := len(z)
			copy(dl, t.e[w.lo:w.hi-1])
			copy(du, t.e[w.lo:w.hi-1])
			for i, v := range t.d[w.lo:w.hi] {
				d[i] = v - at
			}
			if !(gonum.Implementation{}).Dgtsv(m, 1, dl[:m-1], d[:m], du[:m-1], z, 1) || math.IsInf(norm(z), 0) {
				at += 4 * unit // exactly singular: any nearby value does
				for i := range z {
					z[i] = rng.Float64() - 0.5
				}
				continue
			}
			for range 2 {
				for _, o := range b.crowd {
					other := out[o*n+w.lo : o*n+w.hi]
					var s float64
					for i, v := range other {
						s += v * z[i]
					}
					for i, v := range other {
						z[i] -= s * v
					}
				}
			}
			// The residual of z/|z| is 1/|z|.
			if norm(z) > 1/(64*unit*math.Sqrt(float64(m))) {
				steady++
			}
		}
		normalize(z)
		b.crowd = append(b.crowd, j)
	}
	return out, true
}

// rotateBack makes eigenvectors of T, the rows of z, into those of A, four at a time, so that each reflection is read
// from memory once for four.
func (t *tridiagonal) rotateBack(ctx context.Context, z []float64) error {
	n := t.n
	return vec.Blocks(ctx, len(z)/max(n, 1), 4, func(lo, hi int) error {
		for i := 1; i < n; i++ {
			if t.h[i] != 0 {
				vec.Reflect(z[lo*n:], n, hi-lo, t.a[i*n:i*n+i], t.h[i])
			}
		}
		return nil
	})
}

func norm(z []float64) float64 {
	var s float64
	for _, v := range z {
		s += v * v
	}
	return math.Sqrt(s)
}

func normalize(z []float64) {
	s := 1 / norm(z)
	for i := range z {
		z[i] *= s
	}
}
