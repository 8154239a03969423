package hnsw

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

// OrderOptions say how OrderLID measures. The zero OrderOptions suit an index with the zero Options.
type OrderOptions struct {
	Metric vec.Metric // of the index
	K      int        // neighbours that a local dimension is read from; 0 means 100
	// Sample is the number of rows, drawn at random, among which neighbours are looked for, at most; 0 means 10,000, below
	// 0 all rows. Dimensions read somewhat lower among fewer rows, but nearly in the same order.
	Sample   int
	Seed     uint64                // of the sample
	Progress func(done, total int) // rows measured, if not nil
}

const (
	orderK      = 100
	orderSample = 10_000
	orderBlock  = 8192 // rows whose neighbours are held at a time
)

// OrderLID returns the rows of x by falling local intrinsic dimension: the order of insertion in which a graph comes to
// find most. Rows whose neighbours lie in many directions come first and span the graph; tight groups, which would
// otherwise wall themselves in, join it late. The gain is a few points of recall where Effort is near K, and vanishes as
// Effort grows; `latent reproduce hnsw-order` measures it.
//
// The dimension at a row is [dimension.Hill] on the distances to its K nearest among Sample rows, copies left out; a row
// that has fewer than two that differ from it comes last. Values that are not finite give vec.ErrNotFinite, fewer than three
// rows vec.ErrTooFew, a zero vector under cosine vec.ErrZero. Time O(n·Sample·d), to be set against that of Add.
// Source: Elliott and Clark 2024, arXiv 2405.17813.
func OrderLID(ctx context.Context, x vec.Matrix, o OrderOptions) ([]int, error) {
	lid, err := localDimensions(ctx, x, o)
	if err != nil {
		return nil, fmt.Errorf("hnsw: order: %w", err)
	}
	order := make([]int, x.Rows)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lid[b], lid[a]) })
	return order, nil
}

func localDimensions(ctx context.Context, x vec.Matrix, o OrderOptions) ([]float64, error) {
	if x.Rows < 3 {
		return nil, fmt.Errorf("%d rows have no local dimension, three do: %w", x.Rows, vec.ErrTooFew)
	}
	if err := x.Check(); err != nil {
		return nil, err
	}
	if o.K == 0 {
		o.K = orderK
	}
	if o.Sample == 0 {
		o.Sample = orderSample
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	metric := vec.Euclidean // shows the same neighbourhoods as Cosine on unit vectors, and distances that are a metric
	if o.Metric == vec.Manhattan {
		metric = vec.Manhattan
	}
	near := x
	if o.Sample > 0 && o.Sample < x.Rows {
		near = x.Gather(rand.New(rand.NewPCG(o.Seed, 0x6f72646572)).Perm(x.Rows)[:o.Sample])
	}
	near, err := o.directed(near, 0)
	if err != nil {
		return nil, err
	}
	k := min(max(o.K, 2)+1, near.Rows) // one more, as a row may find itself
	lid := make([]float64, x.Rows)
	var r []float64
	for lo := 0; lo < x.Rows; lo += orderBlock {
		o.Progress(lo, x.Rows)
		hi := min(lo+orderBlock, x.Rows)
		block, err := o.directed(x.Slice(lo, hi), lo)
		if err != nil {
			return nil, err
		}
		t, err := neighbors.Exact(ctx, block, near, neighbors.Options{K: k, Metric: metric})
		if err != nil {
			return nil, err
		}
		for i := range block.Rows {
			r = r[:0]
			_, distances := t.Row(i)
			for _, d := range distances {
				if metric == vec.Euclidean {
					d = float32(math.Sqrt(float64(d)))
				}
				if d > 0 && len(r) < k-1 {
					r = append(r, float64(d))
				}
			}
			if len(r) >= 2 {
				lid[lo+i] = dimension.Hill(r)
			}
		}
	}
	o.Progress(x.Rows, x.Rows)
	return lid, nil
}

// directed returns x itself, or under cosine a copy with rows of length 1. The first row of x is called first in errors.
func (o OrderOptions) directed(x vec.Matrix, first int) (vec.Matrix, error) {
	if o.Metric != vec.Cosine {
		return x, nil
	}
	out := vec.NewMatrix(x.Rows, x.Cols)
	for i := range x.Rows {
		if vec.Normalize(out.Row(i), x.Row(i)) == 0 {
			return vec.Matrix{}, fmt.Errorf("row %d: cosine needs a direction: %w", first+i, vec.ErrZero)
		}
	}
	return out, nil
}

// AddInOrder is Add with the rows of x inserted in the given order, as OrderLID or rand.Perm return it: each row once, row
// i of x under ids[i] whatever its turn. Another order gives index.ErrID. With nil ids, no other Add may run meanwhile.
// It copies x.
func (ix *Index) AddInOrder(ctx context.Context, ids []uint32, x vec.Matrix, order []int) error {
	if err := ix.check(ids, x); err != nil {
		return err
	}
	seen := make([]bool, x.Rows)
	for _, i := range order {
		if i < 0 || i >= x.Rows || seen[i] {
			return fmt.Errorf("hnsw: add: the order names row %d twice, or there is no such row among %d: %w", i, x.Rows, index.ErrID)
		}
		seen[i] = true
	}
	if len(order) != x.Rows {
		return fmt.Errorf("hnsw: add: an order of %d for %d rows: %w", len(order), x.Rows, index.ErrID)
	}
	if ids == nil {
		var err error
		if ids, err = ix.nextIDs(x.Rows); err != nil {
			return err
		}
	}
	turned := make([]uint32, len(order))
	for at, i := range order {
		turned[at] = ids[i]
	}
	return ix.Add(ctx, turned, x.Gather(order))
}

func (ix *Index) nextIDs(n int) ([]uint32, error) {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	return ix.following(n)
}
