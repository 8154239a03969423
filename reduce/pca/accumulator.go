package pca

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/vec"
)

// blockRows is how many rows are taken in at a time, each block about its own mean: a few of the parts that vec.Gram
// works in.
const blockRows = 6144

// Accumulator takes in data that is larger than memory, a block of rows at a time, and then fits. It keeps d² float64
// and up to 6144 rows. How the rows are cut into blocks makes no difference to the result, not in the last bit.
// Accumulators of parts, filled in parallel, can be merged. One is for one goroutine at a time.
//
//	a := pca.NewAccumulator(768)
//	for block := range blocks {
//		err := a.Add(block)
//	}
//	m, err := a.Fit(ctx, pca.Options{Variance: 0.95})
type Accumulator struct {
	n       int       // rows in mean and scatter
	mean    []float64 // of those
	scatter []float64 // d×d: Σ (x-mean)(x-mean)ᵀ, of which only the triangle on and below the diagonal counts
	pending []float32 // rows that do not make a block yet
}

// NewAccumulator returns an empty accumulator for vectors of d values. A d below 1 panics.
func NewAccumulator(d int) *Accumulator {
	if d < 1 {
		panic(fmt.Sprintf("pca: an accumulator of %d dimensions; want at least 1", d))
	}
	return &Accumulator{mean: make([]float64, d), scatter: make([]float64, d*d)}
}

// Dim is the dimension of the rows.
func (a *Accumulator) Dim() int { return len(a.mean) }

// Len is the number of rows taken in.
func (a *Accumulator) Len() int { return a.n + len(a.pending)/a.Dim() }

// Add takes in the rows of x, and keeps no reference to them. Rows of another dimension give vec.ErrDim, values that
// are not finite vec.ErrNotFinite; then none of them has been taken in.
func (a *Accumulator) Add(x vec.Matrix) error {
	if x.Cols != a.Dim() {
		return fmt.Errorf("pca: rows of %d values added to an accumulator of %d: %w", x.Cols, a.Dim(), vec.ErrDim)
	}
	if err := x.Check(); err != nil {
		return fmt.Errorf("pca: add: %w", err)
	}
	return a.add(context.Background(), x, nil)
}

// add takes in x, which was checked.
func (a *Accumulator) add(ctx context.Context, x vec.Matrix, progress func(done, total int)) error {
	for at := 0; at < x.Rows; {
		if err := ctx.Err(); err != nil {
			return err
		}
		have := len(a.pending) / a.Dim()
		next := min(at+blockRows-have, x.Rows)
		part := x.Slice(at, next)
		at = next
		switch {
		case part.Rows == blockRows:
			a.block(part)
		case have+part.Rows < blockRows:
			a.pending = append(a.pending, part.Data...)
		default:
			a.pending = append(a.pending, part.Data...)
			a.flush()
		}
		if progress != nil {
			progress(at, x.Rows)
		}
	}
	return nil
}

// Merge takes in all that b did, and leaves b as it is. Other dimensions give vec.ErrDim.
func (a *Accumulator) Merge(b *Accumulator) error {
	if a.Dim() != b.Dim() {
		return fmt.Errorf("pca: merge: accumulators of %d and %d dimensions: %w", a.Dim(), b.Dim(), vec.ErrDim)
	}
	b = b.clone()
	for i, v := range b.scatter {
		a.scatter[i] += v
	}
	a.join(b.n, b.mean)
	return a.add(context.Background(), b.rest(), nil)
}

func (a *Accumulator) clone() *Accumulator {
	return &Accumulator{a.n, slices.Clone(a.mean), slices.Clone(a.scatter), slices.Clone(a.pending)}
}

// rest views the pending rows.
func (a *Accumulator) rest() vec.Matrix {
	return vec.Matrix{Rows: len(a.pending) / a.Dim(), Cols: a.Dim(), Data: a.pending}
}

// Fit fits the rows taken in so far; more may be added afterwards. The solver is the exact one on the covariance,
// whatever o says. Errors are those of the package's Fit.
func (a *Accumulator) Fit(ctx context.Context, o Options) (*Map, error) {
	o.Solver = Exact
	if err := o.check(a.Len(), a.Dim()); err != nil {
		return nil, err
	}
	if len(a.pending) > 0 || o.Uncentered {
		a = a.clone()
		a.flush()
	}
	if o.Uncentered {
		a.addOuter(float64(a.n), a.mean)
		clear(a.mean)
	}
	d, most := a.Dim(), min(a.n, a.Dim())
	var total float64
	for i := range d {
		total += a.scatter[i*d+i]
	}
	if notFinite(total) {
		return nil, errTooLarge
	}
	values, vectors, err := eigen(ctx, a.scatter, d, func(values []float64) int { return o.wanted(values, most) })
	if err != nil {
		return nil, err
	}
	k := len(vectors) / d
	components := vec.NewMatrix(k, d)
	narrow(components.Data, vectors)
	return newMap(slices.Clone(a.mean), components, values[:k], total, a.n, o), nil
}

// flush takes in the pending rows as a block of their own.
func (a *Accumulator) flush() {
	a.block(a.rest())
	a.pending = a.pending[:0]
}

// block takes in the rows of x, in one pass over them: about the mean of some, and then what is due to that one being
// off is taken back.
func (a *Accumulator) block(x vec.Matrix) {
	if x.Rows == 0 {
		return
	}
	mean := columnMeans(sample(x))
	near := narrow(make([]float32, len(mean)), mean) // what vec.Scatter can subtract
	off := make([]float64, len(mean))
	vec.Scatter(a.scatter, off, x, near)
	for i, v := range near {
		off[i] /= float64(x.Rows)
		mean[i] = float64(v) + off[i]
	}
	a.addOuter(-float64(x.Rows), off)
	a.join(x.Rows, mean)
}

// sample returns 64 rows of x, one of each 64th part of it, at random, so that no period of the data is met. Their mean
// lies about an eighth of a standard deviation from that of all.
func sample(x vec.Matrix) vec.Matrix {
	const some = 64
	if x.Rows <= some {
		return x
	}
	rng := rand.New(rand.NewPCG(1, uint64(x.Rows)))
	ids := make([]int, some)
	for i := range ids {
		lo, hi := i*x.Rows/some, (i+1)*x.Rows/some
		ids[i] = lo + rng.IntN(hi-lo)
	}
	return x.Gather(ids)
}

// join takes in n rows of this mean, whose own scatter is in a.scatter already: Chan, Golub, LeVeque 1979, Updating
// Formulae and a Pairwise Algorithm for Computing Sample Variances, equation 2.1.
func (a *Accumulator) join(n int, mean []float64) {
	if n == 0 {
		return
	}
	share := float64(n) / float64(a.n+n)
	delta := make([]float64, len(mean))
	for i, v := range mean {
		delta[i] = v - a.mean[i]
		a.mean[i] += delta[i] * share
	}
	a.addOuter(float64(a.n)*share, delta)
	a.n += n
}

// addOuter adds w·vvᵀ to the scatter.
func (a *Accumulator) addOuter(w float64, v []float64) {
	if w == 0 {
		return
	}
	d := len(v)
	blocks(d, 64, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			wi := w * v[i]
			row := a.scatter[i*d:][:i+1]
			for j, vj := range v[:i+1] {
				row[j] += wi * vj
			}
		}
	})
}

// columnMeans returns the mean of each column of x, which has rows. Eight rows at a time are summed in float32, and the sums
// in float64.
func columnMeans(x vec.Matrix) []float64 {
	mean := make([]float64, x.Cols)
	blocks(x.Cols, 512, func(lo, hi int) {
		sum, part := mean[lo:hi], make([]float32, hi-lo)
		row := func(i int) []float32 { return x.Data[i*x.Cols+lo:][:len(sum)] }
		for i := 0; i < x.Rows; i += 8 {
			copy(part, row(i))
			for next := i + 1; next < min(i+8, x.Rows); next++ {
				vec.AddScaled(part, row(next), 1)
			}
			for j, v := range part {
				sum[j] += float64(v)
			}
		}
		for j := range sum {
			sum[j] /= float64(x.Rows)
		}
	})
	return mean
}

// blocks is vec.Blocks for what cannot fail.
func blocks(n, size int, f func(lo, hi int)) {
	_ = vec.Blocks(context.Background(), n, size, func(lo, hi int) error {
		f(lo, hi)
		return nil
	})
}
