package similarity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/vec"
)

// Pair is two representations of the same n things: row i of both is thing i. It holds their second moments, n·cov
// in float64, from which all linear measures follow without another pass over the rows. It is immutable and safe for
// concurrent use.
type Pair struct {
	n            int
	a, b         vec.Matrix // at a scale near 1
	unitA, unitB int        // they are 2^-unit of what was given
	meanA, meanB []float64
	aa, bb, ab   *mat.Dense // scatter about the means: p×p, q×q, p×q
	eigA, eigB   func() (eigen, error)
	cca          func() (Canonical, error) // with no options
	distA, distB func() []float64          // n×n squared Euclidean distances
}

// NewPair takes a, n×p, and b, n×q. Different numbers of rows give vec.ErrDim, fewer than 4 rows vec.ErrTooFew, a value
// that is not finite vec.ErrNotFinite, and a set whose rows are all equal vec.ErrZero. Time O(n(p+q)²), memory O((p+q)²)
// beside a and b, which must not change while the Pair is used.
func NewPair(ctx context.Context, a, b vec.Matrix) (*Pair, error) {
	if err := check(a, b); err != nil {
		return nil, err
	}
	unitA, unitB := rows.Exponent(a), rows.Exponent(b)
	a, b = rows.Unit(a), rows.Unit(b) // no measure sees a common scale
	all, err := moments(ctx, a, b, columnMeans(a), columnMeans(b))
	if err != nil {
		return nil, err
	}
	p := all.pair(a, b)
	p.unitA, p.unitB = unitA, unitB
	return p, p.varies()
}

func check(a, b vec.Matrix) error {
	for _, m := range []struct {
		name string
		x    vec.Matrix
	}{{"first", a}, {"second", b}} {
		if err := m.x.Check(); err != nil {
			return fmt.Errorf("similarity: %s set: %w", m.name, err)
		}
	}
	switch {
	case a.Rows != b.Rows:
		return fmt.Errorf("similarity: the first set has %d rows, the second %d; row i of both must be the same thing: %w", a.Rows, b.Rows, vec.ErrDim)
	case a.Rows < 4:
		return fmt.Errorf("similarity: %d pairs of rows, want at least 4: %w", a.Rows, vec.ErrTooFew)
	case a.Cols == 0 || b.Cols == 0:
		return fmt.Errorf("similarity: rows of %d and %d columns: %w", a.Cols, b.Cols, vec.ErrTooFew)
	}
	return nil
}

func (p *Pair) varies() error {
	for _, s := range []struct {
		name    string
		scatter *mat.Dense
	}{{"first", p.aa}, {"second", p.bb}} {
		if !(mat.Trace(s.scatter) > 0) {
			return fmt.Errorf("similarity: all rows of the %s set are equal: %w", s.name, vec.ErrZero)
		}
	}
	return nil
}

// Rows is the number of pairs of rows.
func (p *Pair) Rows() int { return p.n }

// sums are the moments of some rows about fixed origins, so that those of disjoint sets of rows can be added and
// taken away.
type sums struct {
	n          int
	a, b       []float64 // sums of deviations from the origins
	aa, bb, ab *mat.Dense
	oa, ob     []float64 // the origins
}

// moments sums over all rows of a and b. Blocks are turned to float64 and on their side, where products are fastest.
func moments(ctx context.Context, a, b vec.Matrix, oa, ob []float64) (*sums, error) {
	s := &sums{n: a.Rows, a: make([]float64, a.Cols), b: make([]float64, b.Cols), oa: oa, ob: ob,
		aa: mat.NewDense(a.Cols, a.Cols, nil), bb: mat.NewDense(b.Cols, b.Cols, nil), ab: mat.NewDense(a.Cols, b.Cols, nil)}
	err := blocks(ctx, a, b, oa, ob, func(ta, tb *mat.Dense) {
		for j := range s.a {
			s.a[j] += sum(ta.RawRowView(j))
		}
		for j := range s.b {
			s.b[j] += sum(tb.RawRowView(j))
		}
		addProduct(s.aa, ta, ta)
		addProduct(s.bb, tb, tb)
		addProduct(s.ab, ta, tb)
	})
	return s, err
}

// cross sums only the p×q part.
func cross(ctx context.Context, a, b vec.Matrix, oa, ob []float64) (*mat.Dense, error) {
	ab := mat.NewDense(a.Cols, b.Cols, nil)
	err := blocks(ctx, a, b, oa, ob, func(ta, tb *mat.Dense) { addProduct(ab, ta, tb) })
	return ab, err
}

func blocks(ctx context.Context, a, b vec.Matrix, oa, ob []float64, f func(ta, tb *mat.Dense)) error {
	const size = 2048
	for lo := 0; lo < a.Rows; lo += size {
		if err := ctx.Err(); err != nil {
			return err
		}
		hi := min(lo+size, a.Rows)
		f(turned(a.Slice(lo, hi), oa), turned(b.Slice(lo, hi), ob))
	}
	return nil
}

// turned returns (x - origin)ᵀ, d×n.
func turned(x vec.Matrix, origin []float64) *mat.Dense {
	t := mat.NewDense(x.Cols, x.Rows, nil)
	data := t.RawMatrix().Data
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			data[j*x.Rows+i] = float64(v) - origin[j]
		}
	}
	return t
}

// addProduct adds x·yᵀ to dst.
func addProduct(dst, x, y *mat.Dense) {
	var xy mat.Dense
	xy.Mul(x, y.T())
	dst.Add(dst, &xy)
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}

func columnMeans(x vec.Matrix) []float64 {
	m := make([]float64, x.Cols)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			m[j] += float64(v)
		}
	}
	for j := range m {
		m[j] /= float64(max(x.Rows, 1))
	}
	return m
}

// plus adds sign times t.
func (s *sums) plus(t *sums, sign float64) *sums {
	line := func(x, y []float64) []float64 {
		out := make([]float64, len(x))
		for i := range x {
			out[i] = x[i] + sign*y[i]
		}
		return out
	}
	box := func(x, y *mat.Dense) *mat.Dense {
		var out mat.Dense
		out.Scale(sign, y)
		out.Add(x, &out)
		return &out
	}
	return &sums{n: s.n + int(sign)*t.n, a: line(s.a, t.a), b: line(s.b, t.b),
		aa: box(s.aa, t.aa), bb: box(s.bb, t.bb), ab: box(s.ab, t.ab), oa: s.oa, ob: s.ob}
}

// pair turns moments about the origins of all rows of a and b into those about their means.
func (s *sums) pair(a, b vec.Matrix) *Pair {
	n := float64(s.n)
	about := func(m *mat.Dense, x, y []float64) *mat.Dense {
		out := mat.DenseCopyOf(m)
		out.RankOne(out, -1/n, mat.NewVecDense(len(x), x), mat.NewVecDense(len(y), y))
		return out
	}
	mean := func(origin, dev []float64) []float64 {
		out := make([]float64, len(dev))
		for j := range out {
			out[j] = origin[j] + dev[j]/n
		}
		return out
	}
	p := &Pair{n: s.n, a: a, b: b, meanA: mean(s.oa, s.a), meanB: mean(s.ob, s.b),
		aa: about(s.aa, s.a, s.a), bb: about(s.bb, s.b, s.b), ab: about(s.ab, s.a, s.b)}
	p.eigA = sync.OnceValues(func() (eigen, error) { return decompose(p.aa) })
	p.eigB = sync.OnceValues(func() (eigen, error) { return decompose(p.bb) })
	p.cca = sync.OnceValues(func() (Canonical, error) { return p.correlate(CCAOptions{}) })
	p.distA = sync.OnceValue(func() []float64 { return distances(a) })
	p.distB = sync.OnceValue(func() []float64 { return distances(b) })
	return p
}

// shuffled pairs each row of the first set with a random row of the second: what chance alone gives.
func (p *Pair) shuffled(ctx context.Context, seed uint64) (*Pair, error) {
	perm := rand.New(rand.NewPCG(seed, 0x50f1e)).Perm(p.n)
	q := *p
	q.b = p.b.Gather(perm)
	var err error
	q.ab, err = cross(ctx, p.a, q.b, p.meanA, p.meanB)
	q.cca = sync.OnceValues(func() (Canonical, error) { return q.correlate(CCAOptions{}) })
	q.distB = sync.OnceValue(func() []float64 { return submatrix(p.distB(), p.n, perm) })
	return &q, err
}

// sample returns the pair of n random rows, or p itself if it has no more.
func (p *Pair) sample(ctx context.Context, n int, seed uint64) (*Pair, error) {
	if p.n <= n {
		return p, nil
	}
	ids := rows.Sample(p.n, n, seed)
	q, err := NewPair(ctx, p.a.Gather(ids), p.b.Gather(ids))
	if err != nil {
		return nil, fmt.Errorf("sample of %d rows: %w", n, err)
	}
	return q, nil
}

// fold is a part of the rows, as moments, and everything but that part.
type fold struct {
	in   *sums
	rest *Pair // moments only: rows come from whole
	held []int // the rows of in
	keep []int // the rows of rest
}

// folds splits the rows at random into g parts of almost equal size.
func (p *Pair) folds(ctx context.Context, g int, seed uint64) ([]fold, error) {
	n := p.n
	perm := rand.New(rand.NewPCG(seed, 0xf01d)).Perm(n)
	all := &sums{n: n, a: make([]float64, p.a.Cols), b: make([]float64, p.b.Cols), aa: p.aa, bb: p.bb, ab: p.ab, oa: p.meanA, ob: p.meanB}
	out := make([]fold, g)
	for i := range out {
		lo, hi := i*n/g, (i+1)*n/g
		in, err := moments(ctx, p.a.Gather(perm[lo:hi]), p.b.Gather(perm[lo:hi]), p.meanA, p.meanB)
		if err != nil {
			return nil, err
		}
		keep := append(append(make([]int, 0, n-(hi-lo)), perm[:lo]...), perm[hi:]...)
		out[i] = fold{in, all.plus(in, -1).pair(vec.Matrix{}, vec.Matrix{}), perm[lo:hi], keep}
	}
	return out, nil
}

// whole returns rest with its rows, which are p's, and their distances taken from p's.
func (f fold) whole(p *Pair) *Pair {
	q := *f.rest
	q.a, q.b = p.a.Gather(f.keep), p.b.Gather(f.keep)
	q.distA = sync.OnceValue(func() []float64 { return submatrix(p.distA(), p.n, f.keep) })
	q.distB = sync.OnceValue(func() []float64 { return submatrix(p.distB(), p.n, f.keep) })
	return &q
}

// distances returns the squared Euclidean distances between all rows. They are sums of squared differences, not
// products of norms, so that a large common offset costs no digits.
func distances(x vec.Matrix) []float64 {
	n := x.Rows
	out := make([]float64, n*n)
	_ = vec.Blocks(context.Background(), n, 16, func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			rows.SquaredL2s(out[i*n:(i+1)*n], x.Row(i), x.Data)
		}
		return nil
	})
	return out
}

func submatrix(d []float64, n int, ids []int) []float64 {
	out := make([]float64, 0, len(ids)*len(ids))
	for _, i := range ids {
		row := d[i*n : (i+1)*n]
		for _, j := range ids {
			out = append(out, row[j])
		}
	}
	return out
}
