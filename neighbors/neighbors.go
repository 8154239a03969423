// Package neighbors finds exact nearest neighbours by brute force, as matrix products over blocks: the truth that
// everything else is measured against.
package neighbors

import (
	"context"
	"fmt"
	"sort"

	"github.com/latent-go/latent/vec"
)

// Options say what Exact looks for.
type Options struct {
	K           int        // neighbours wanted for each query
	Metric      vec.Metric // what nearness means
	ExcludeSelf bool       // queries are the base itself: leave row i out of the neighbours of query i
	// Progress, if not nil, is told how many queries are done; from one goroutine at a time.
	Progress func(done, total int)
}

// Table holds the K nearest neighbours of each query, nearest first; ties by smaller row.
type Table struct {
	K         int
	IDs       []uint32  // row numbers in base: K for each query, one query after another
	Distances []float32 // as Options.Metric has it, of the same shape
}

// Row returns the neighbours of query i, as views.
func (t Table) Row(i int) (ids []uint32, distances []float32) {
	lo, hi := i*t.K, (i+1)*t.K
	return t.IDs[lo:hi:hi], t.Distances[lo:hi:hi]
}

// Exact returns the o.K nearest rows of base for each row of queries. More neighbours than base has (without the
// query itself, where that is left out) give vec.ErrTooFew, differing dimensions vec.ErrDim.
// Time O(queries·base·d), memory O(queries·K) and a block of distances.
func Exact(ctx context.Context, queries, base vec.Matrix, o Options) (Table, error) {
	have := base.Rows
	if o.ExcludeSelf {
		have--
	}
	if o.K < 1 || o.K > have {
		return Table{}, fmt.Errorf("neighbors: k is %d, the base has %d to choose from: %w", o.K, have, vec.ErrTooFew)
	}
	if queries.Cols != base.Cols {
		return Table{}, fmt.Errorf("neighbors: queries have %d dimensions, the base %d: %w", queries.Cols, base.Cols, vec.ErrDim)
	}
	t := Table{K: o.K, IDs: make([]uint32, queries.Rows*o.K), Distances: make([]float32, queries.Rows*o.K)}
	err := vec.Blocks(ctx, queries.Rows, 16, func(lo, hi int) error {
		type pair struct {
			d  float32
			id uint32
		}
		all := make([]pair, 0, base.Rows)
		for i := lo; i < hi; i++ {
			all = all[:0]
			for j := range base.Rows {
				if !o.ExcludeSelf || i != j {
					all = append(all, pair{o.Metric.Distance(queries.Row(i), base.Row(j)), uint32(j)})
				}
			}
			sort.Slice(all, func(a, b int) bool {
				return all[a].d < all[b].d || all[a].d == all[b].d && all[a].id < all[b].id
			})
			ids, ds := t.Row(i)
			for k := range ids {
				ids[k], ds[k] = all[k].id, all[k].d
			}
		}
		return nil
	})
	return t, err
}
