package product

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/cluster"
	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/vec"
)

// Options say what Fit makes. The zero Options are for 8 dimensions a byte, not rotated.
type Options struct {
	M        int    // parts, at most d; 0 is one for 8 dimensions, or for 2 with 4 bits
	Bits     int    // of a part: 8, or 4 for codes that can be scanned in blocks; 0 is 8
	Rotate   bool   // learn a rotation: opq. Needs d rows; a query and a vector to encode cost d² more
	Seed     uint64 // same seed, same codec
	Progress func(done, total int)
}

const (
	perCentroid = 256 // rows to train on: more change little
	iterations  = 15  // of k-means
	tolerance   = 1e-3

	turns          = 12 // of the rotation
	turnRows       = 64 // a centroid that it is learnt on, or
	turnRowsPerDim = 8
)

// Fit returns the codec for vectors like the rows of x, n×d, of which at most 256 a centroid are used, picked by Seed. The
// centroids of each part come from k-means; Rotate alternates between these and the rotation that is best for them. Fewer
// rows than centroids, 256 or 16, or than d with Rotate, give vec.ErrTooFew, values that are not finite vec.ErrNotFinite.
func Fit(ctx context.Context, x vec.Matrix, o Options) (*Codec, error) {
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("product: fit: %w", err)
	}
	if err := o.check(x.Rows, x.Cols); err != nil {
		return nil, err
	}
	k := 1 << o.Bits
	x = sample(x, perCentroid*k, o.Seed)
	f := &fitter{ctx: ctx, o: o, k: k, total: o.M}
	if o.Rotate {
		f.total += turns * o.M
	}
	mean := meanOf(x)
	x = x.Clone()
	for i := range x.Rows {
		vec.AddScaled(x.Row(i), mean, -1)
	}
	var rotation vec.Matrix
	if o.Rotate {
		var err error
		if rotation, err = f.rotation(sample(x, max(turnRows*k, turnRowsPerDim*x.Cols), o.Seed+1)); err != nil {
			return nil, fmt.Errorf("product: fit: %w", err)
		}
		x = vec.MulT(vec.Matrix{}, x, rotation)
	}
	values := vec.NewMatrix(x.Cols, k)
	if err := f.centroids(values, x, iterations, nil); err != nil {
		return nil, fmt.Errorf("product: fit: %w", err)
	}
	return newCodec(o.M, o.Bits, mean, rotation, values), nil
}

func (o *Options) check(n, d int) error {
	if o.Bits == 0 {
		o.Bits = 8
	}
	if o.M == 0 {
		o.M = (d + o.Bits - 1) / o.Bits
		if o.Bits == 4 {
			o.M = (d + 1) / 2
		}
	}
	switch {
	case o.Bits != 4 && o.Bits != 8:
		return fmt.Errorf("product: fit: Bits is %d; want 4 or 8", o.Bits)
	case n < 1<<o.Bits || d < 1:
		return fmt.Errorf("product: fit: %d rows of %d values for %d centroids; want a row or more for each: %w", n, d, 1<<o.Bits, vec.ErrTooFew)
	case o.M < 1 || o.M > d:
		return fmt.Errorf("product: fit: M is %d; want 1 to %d parts of %d dimensions", o.M, d, d)
	case o.Rotate && n < d:
		return fmt.Errorf("product: fit: %d rows to learn a rotation of %d dimensions; want as many: %w", n, d, vec.ErrTooFew)
	}
	return nil
}

// sample returns n rows of x, in order, or x itself if it has no more.
func sample(x vec.Matrix, n int, seed uint64) vec.Matrix {
	if x.Rows <= n {
		return x
	}
	ids := rand.New(rand.NewPCG(seed, 0x7071)).Perm(x.Rows)[:n]
	slices.Sort(ids)
	return x.Gather(ids)
}

func meanOf(x vec.Matrix) []float32 {
	sum := make([]float64, x.Cols)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			sum[j] += float64(v)
		}
	}
	mean := make([]float32, x.Cols)
	for j, s := range sum {
		mean[j] = float32(s / float64(x.Rows))
	}
	return mean
}

type fitter struct {
	ctx         context.Context
	o           Options
	k           int
	done, total int // parts
}

// centroids writes the centroids of each part of x to values, beginning with what is there if decoded is not nil; to
// that it writes what each row decodes to.
func (f *fitter) centroids(values, x vec.Matrix, iterations int, decoded *vec.Matrix) error {
	begun := decoded != nil && decoded.Rows > 0
	if decoded != nil {
		*decoded = decoded.Shaped(x.Rows, x.Cols)
	}
	if err := vec.Blocks(f.ctx, f.o.M, 1, func(j, _ int) error {
		lo, hi := start(x.Cols, f.o.M, j), start(x.Cols, f.o.M, j+1)
		part := vec.NewMatrix(x.Rows, hi-lo)
		for i := range x.Rows {
			copy(part.Row(i), x.Row(i)[lo:hi])
		}
		o := cluster.Options{K: f.k, Iterations: iterations, Tolerance: tolerance, Seed: f.o.Seed + uint64(j)}
		if begun {
			o.Start = vec.NewMatrix(f.k, hi-lo)
			for c := range f.k {
				for i := range hi - lo {
					o.Start.Row(c)[i] = values.Row(lo + i)[c]
				}
			}
		}
		r, err := cluster.KMeans(f.ctx, part, o)
		if err != nil {
			return err
		}
		for c := range f.k {
			for i, v := range r.Centroids.Row(c) {
				values.Row(lo + i)[c] = v
			}
		}
		if decoded != nil {
			for i, a := range r.Assign {
				copy(decoded.Row(i)[lo:hi], r.Centroids.Row(int(a)))
			}
		}
		return nil
	}); err != nil {
		return err
	}
	f.done += f.o.M
	if f.o.Progress != nil {
		f.o.Progress(f.done, f.total)
	}
	return nil
}

// rotation learns the rotation R for rows x, without mean: it begins with the principal components, dealt to the parts so
// that each has about the same product of variances, and then alternates between centroids for xRᵀ and, what these decode
// to being y, the R for which |xRᵀ - y|² is least: the orthonormal factor of yᵀx. With λR added to that, steps in directions
// in which hardly anything varies are short, and the factor is well defined.
func (f *fitter) rotation(x vec.Matrix) (vec.Matrix, error) {
	d := x.Cols
	m, err := pca.Fit(f.ctx, x, pca.Options{Components: d})
	if err != nil {
		return vec.Matrix{}, err
	}
	variances := m.Variances()
	r := m.Components().Gather(balanced(variances, f.o.M))
	damping := 0.0
	for _, v := range variances {
		damping += v
	}
	damping *= 0.01 * float64(x.Rows) / float64(d)
	values, decoded := vec.NewMatrix(d, f.k), vec.Matrix{}
	for range turns {
		y := vec.MulT(vec.Matrix{}, x, r)
		if err := f.centroids(values, y, 4, &decoded); err != nil {
			return vec.Matrix{}, err
		}
		g := vec.TMul(vec.Matrix{}, decoded, x)
		vec.AddScaled(g.Data, r.Data, float32(damping))
		if g = polar(g); g.Rows == 0 {
			break // no variance, or none that float32 can tell
		}
		r = g
	}
	return r, nil
}

// balanced deals directions of these variances, falling, to m parts and returns them in the order of the parts: each goes
// to the part with the least product of variances so far that has room.
func balanced(variances []float64, m int) []int {
	d := len(variances)
	parts, logs := make([][]int, m), make([]float64, m)
	tiny := variances[0]*1e-12 + math.SmallestNonzeroFloat64
	for i, v := range variances {
		best := -1
		for j := range m {
			if room := start(d, m, j+1) - start(d, m, j); len(parts[j]) < room && (best < 0 || logs[j] < logs[best]) {
				best = j
			}
		}
		parts[best] = append(parts[best], i)
		logs[best] += math.Log(max(v, tiny) / tiny)
	}
	return slices.Concat(parts...)
}

// polar returns the orthonormal factor of g, by Newton and Schulz: X(3I-XᵀX)/2 again and again, from g scaled to have no
// singular value above 1. The zero Matrix says that it did not come about.
func polar(g vec.Matrix) vec.Matrix {
	d := g.Rows
	norm := spectralNorm(g)
	if !(norm > 0) || math.IsInf(norm, 0) {
		return vec.Matrix{}
	}
	x := g.Clone()
	vec.Scale(x.Data, x.Data, float32(1/(1.1*norm)))
	gram, next := vec.NewMatrix(d, d), vec.NewMatrix(d, d)
	for range 60 {
		vec.TMul(gram, x, x)
		off := 0.0
		for i := range d {
			for j, v := range gram.Row(i) {
				if i == j {
					v--
				}
				off = max(off, math.Abs(float64(v)))
			}
		}
		vec.Scale(gram.Data, gram.Data, -0.5)
		for i := range d {
			gram.Row(i)[i] += 1.5
		}
		vec.Mul(next, x, gram)
		x, next = next, x
		if off < 1e-4 { // the step just taken squares it
			return x
		}
	}
	return vec.Matrix{}
}

// spectralNorm is the largest singular value of g, or up to a few percent less.
func spectralNorm(g vec.Matrix) float64 {
	v := vec.NewMatrix(1, g.Cols)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range v.Data {
		v.Data[i] = float32(r.NormFloat64())
	}
	norm := 0.0
	for range 20 {
		vec.Normalize(v.Data, v.Data)
		u := vec.MulT(vec.Matrix{}, v, g)
		norm = float64(vec.Norm(u.Data))
		v = vec.Mul(v, u, g)
	}
	return norm
}
