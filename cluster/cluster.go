// Package cluster groups vectors around centroids: k-means, as quantisers and inverted lists are trained with.
//
//	r, err := cluster.KMeans(ctx, x, cluster.Options{K: 256})
//	r.Centroids.Row(int(r.Assign[i])) // stands for row i of x
package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/vec"
)

// Options say how KMeans works. K must be set; the rest may be left zero.
type Options struct {
	K          int        // clusters
	Iterations int        // at most; 0 is 25, or 100 of mini-batches
	Tolerance  float64    // stop when the inertia falls by less than this share of itself; 0 goes on until no row changes its cluster
	Seed       uint64     // same seed, same result, on any number of processors
	Init       Init       // how the first centroids are found
	Start      vec.Matrix // the first centroids, K×d, instead; K may then be left 0

	// Sample is how many rows to train on for each centroid, picked at random; 0 takes them all. 256 is plenty for a
	// quantiser. All rows are assigned in the end.
	Sample int

	// Batch is the size of the mini-batches, one an iteration, that move centroids as running means (Sculley 2010,
	// WWW'10); 0 is for the whole data each time. Tolerance does not apply.
	Batch int

	// Spherical is for cosine: rows count as if they had length 1, and centroids are kept at length 1.
	Spherical bool

	Progress func(done, total int) // iterations, if not nil
}

// Init is how the first centroids are found, on at most 32 rows a centroid.
type Init uint8

const (
	// Auto is PlusPlus up to 512 clusters, beyond Parallel.
	Auto Init = iota
	// PlusPlus draws rows one by one, each with odds of its squared distance to those drawn before: Arthur and
	// Vassilvitskii 2007, SODA'07. Time O(n·d·K), a row at a time.
	PlusPlus
	// Parallel draws K/2 rows at once, with these odds, five times over, and has PlusPlus choose among them: Bahmani
	// et al. 2012, VLDB 5:622. Most of its time goes into matrix products.
	Parallel
	// Random draws any rows.
	Random
)

// Result is a clustering.
type Result struct {
	Centroids  vec.Matrix // K×d
	Assign     []uint32   // for each row of x its centroid
	Sizes      []int      // rows of each cluster; 0 only where rows are equal, or Sample or Batch left rows out
	Inertia    float64    // Σ of the squared distances of the rows to their centroids
	Iterations int        // that were done
	History    []float64  // inertia over the rows trained on, with the first centroids and after each iteration; none of mini-batches
}

const (
	seedStream = 0x6b2d6d65616e73 // of the random numbers
	initRows   = 32               // a centroid, of which the first centroids are chosen
)

// KMeans finds K centroids so that the squared distances of the rows of x, n×d, to the nearest of them sum to little:
// Lloyd's iteration, which never raises that sum, to where it stands still, a local optimum. The nearest centroid is
// found by matrix products in float32; of two that are equally near within rounding a row may get either, but it leaves
// its centroid only for one that is measured nearer. A cluster left empty takes over the row farthest from its centroid.
//
// Fewer rows than K give vec.ErrTooFew, values that are not finite, or so large that their squares are not,
// vec.ErrNotFinite, a zero row vec.ErrZero if Spherical. Time O(n·d·K) an iteration, less once the centroids move little
// and K ≤ d/2, where bounds then tell which distances need not be computed; memory O(n + K·d) beside the data, n·K float32
// for the bounds, and the rows of a Sample.
func KMeans(ctx context.Context, x vec.Matrix, o Options) (*Result, error) {
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if err := o.check(x.Rows, x.Cols); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(o.Seed, seedStream))
	all, err := newRows(x, o.Spherical)
	if err != nil {
		return nil, err
	}
	train := all
	if o.Sample > 0 && x.Rows/o.K >= o.Sample {
		train = all.pick(draw(r, x.Rows, o.Sample*o.K))
	}
	c := o.Start.Clone()
	for i := range c.Rows {
		if o.Spherical {
			vec.Normalize(c.Row(i), c.Row(i))
		}
	}
	if c.Rows == 0 {
		if c, err = initial(ctx, train, o, r); err != nil {
			return nil, err
		}
	}
	res := &Result{Centroids: c, Sizes: make([]int, o.K)}
	var distances []float32
	if o.Batch > 0 {
		err = train.miniBatch(ctx, res, o, r)
	} else {
		res.Assign, distances, err = train.lloyd(ctx, res, o)
	}
	if err != nil {
		return nil, err
	}
	if o.Batch > 0 || train != all {
		res.Assign, distances = make([]uint32, x.Rows), make([]float32, x.Rows)
		if _, err := all.assign(ctx, c, res.Assign, distances, false); err != nil {
			return nil, err
		}
	}
	for i, a := range res.Assign {
		res.Sizes[a]++
		res.Inertia += float64(distances[i])
	}
	if math.IsInf(res.Inertia, 0) || math.IsNaN(res.Inertia) {
		return nil, fmt.Errorf("cluster: the squares of values are too large for float32; scale them down: %w", vec.ErrNotFinite)
	}
	return res, nil
}

func (o *Options) check(n, d int) error {
	if o.Start.Rows > 0 {
		if err := o.Start.Check(); err != nil {
			return fmt.Errorf("cluster: Start: %w", err)
		}
		if o.K == 0 {
			o.K = o.Start.Rows
		}
		if o.Start.Rows != o.K || o.Start.Cols != d {
			return fmt.Errorf("cluster: Start is %d×%d; want %d×%d: %w", o.Start.Rows, o.Start.Cols, o.K, d, vec.ErrDim)
		}
	}
	switch {
	case o.K < 1:
		return fmt.Errorf("cluster: K is %d; want 1 or more", o.K)
	case n < o.K || d < 1:
		return fmt.Errorf("cluster: %d rows of %d values for %d clusters; want a row or more for each: %w", n, d, o.K, vec.ErrTooFew)
	case o.Iterations < 0 || o.Sample < 0 || o.Batch < 0:
		return fmt.Errorf("cluster: Iterations, Sample and Batch are %d, %d and %d; want 0 or more", o.Iterations, o.Sample, o.Batch)
	case !(o.Tolerance >= 0):
		return fmt.Errorf("cluster: Tolerance is %v; want 0 or more", o.Tolerance)
	case o.Init > Random:
		return fmt.Errorf("cluster: Init is %d; want Auto, PlusPlus, Parallel or Random", o.Init)
	}
	if o.Iterations == 0 {
		o.Iterations = 25
		if o.Batch > 0 {
			o.Iterations = 100
		}
	}
	return nil
}

// Assign returns for each row of x, n×d, the nearest of the centroids, K×d, and the squared distance to it, as KMeans
// finds them. Other dimensions give vec.ErrDim, no centroids vec.ErrTooFew.
func Assign(ctx context.Context, x, centroids vec.Matrix) ([]uint32, []float32, error) {
	if x.Cols != centroids.Cols {
		return nil, nil, fmt.Errorf("cluster: rows have %d dimensions, centroids %d: %w", x.Cols, centroids.Cols, vec.ErrDim)
	}
	if centroids.Rows == 0 {
		return nil, nil, fmt.Errorf("cluster: no centroids to assign rows to: %w", vec.ErrTooFew)
	}
	if err := errors.Join(x.Check(), centroids.Check()); err != nil {
		return nil, nil, fmt.Errorf("cluster: %w", err)
	}
	all, err := newRows(x, false)
	if err != nil {
		return nil, nil, err
	}
	assign, distances := make([]uint32, x.Rows), make([]float32, x.Rows)
	_, err = all.assign(ctx, centroids, assign, distances, false)
	return assign, distances, err
}

// draw returns m of n numbers at random, ascending.
func draw(r *rand.Rand, n, m int) []int {
	ids := make([]int, 0, m)
	for i := range n { // Knuth, TAOCP 2, 3.4.2, algorithm S
		if r.IntN(n-i) < m-len(ids) {
			ids = append(ids, i)
		}
	}
	return ids
}
