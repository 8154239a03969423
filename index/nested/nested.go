// Package nested searches vectors whose first numbers say most, as package reduce/matryoshka and PCA give them, coarse to
// fine: all vectors by a short prefix, the best of these by a longer one, the best of those in full.
//
//	ix, err := nested.New(m.Apply(vec.Matrix{}, x), nested.Options{Dims: []int{32, 128}}) // rows of 768 numbers
//	res, err := ix.Search(ctx, m.Apply(vec.Matrix{}, q).Row(0), index.Query{K: 10, Effort: 400})
//
// Each number is stored once, with those of its stage: the prefixes of all vectors lie together and are read as fast as
// memory gives them, and a later stage adds what its numbers bring: products, or under l2 squared differences, which lose no
// digits where vectors lie far from the origin.
package nested

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/vec"
)

// Options say which prefixes are searched.
type Options struct {
	Dims   []int      // rising, each below the number of columns; nil means an eighth of them
	Metric vec.Metric // Cosine, InnerProduct or Euclidean
}

// Index holds vectors under the IDs 0, 1, …. It is immutable, and safe for concurrent use.
type Index struct {
	dims    []int // where each stage ends; the last is the number of columns
	metric  vec.Metric
	n       int
	parts   []vec.Matrix // by stage: the columns that are new in it
	inverse [][]float32  // under cosine, by stage: one over the length of each prefix
}

const (
	defaultEffort = 30   // survivors of the first stage, for each neighbour wanted
	block         = 1024 // vectors scored at a time: their sums stay in the cache
)

// New returns an index of the rows of x, which it copies. Prefixes that do not rise, or are not shorter than the rows, give
// vec.ErrDim; values that are not finite vec.ErrNotFinite; a zero row under cosine vec.ErrZero.
func New(x vec.Matrix, o Options) (*Index, error) {
	if o.Metric != vec.Cosine && o.Metric != vec.InnerProduct && o.Metric != vec.Euclidean {
		return nil, fmt.Errorf("nested: metric %s has no sums to add up; use l2, cosine or dot", o.Metric)
	}
	if x.Cols < 1 || x.Rows > math.MaxInt32 {
		return nil, fmt.Errorf("nested: %d rows of %d columns: %w", x.Rows, x.Cols, vec.ErrDim)
	}
	if o.Dims == nil && x.Cols >= 2 {
		o.Dims = []int{max(1, x.Cols/8)}
	}
	for i, k := range o.Dims {
		if k < 1 || k >= x.Cols || i > 0 && k <= o.Dims[i-1] {
			return nil, fmt.Errorf("nested: prefixes %v: want rising numbers from 1 to %d, as the vectors have %d columns: %w", o.Dims, x.Cols-1, x.Cols, vec.ErrDim)
		}
	}
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("nested: %w", err)
	}
	ix := &Index{dims: append(append([]int(nil), o.Dims...), x.Cols), metric: o.Metric, n: x.Rows}
	lo := 0
	for _, hi := range ix.dims {
		part := vec.NewMatrix(x.Rows, hi-lo)
		for i := range x.Rows {
			copy(part.Row(i), x.Row(i)[lo:hi])
		}
		ix.parts = append(ix.parts, part)
		lo = hi
	}
	if o.Metric != vec.Cosine {
		return ix, nil
	}
	for range ix.dims {
		ix.inverse = append(ix.inverse, make([]float32, x.Rows))
	}
	of := make([]float32, len(ix.dims))
	for i := range x.Rows {
		if ix.inverseLengths(of, x.Row(i)); of[len(of)-1] == 0 {
			return nil, fmt.Errorf("nested: row %d: cosine needs a direction: %w", i, vec.ErrZero)
		}
		for s, f := range of {
			ix.inverse[s][i] = f
		}
	}
	return ix, nil
}

// inverseLengths writes one over the length of each prefix of v, and 0 for one without direction, which is then like nothing.
func (ix *Index) inverseLengths(dst, v []float32) {
	var sum float64
	lo := 0
	for s, hi := range ix.dims {
		for _, f := range v[lo:hi] {
			sum += float64(f) * float64(f)
		}
		dst[s] = 0
		if sum > 0 {
			dst[s] = float32(1 / math.Sqrt(sum))
		}
		lo = hi
	}
}

// Search returns the nearest vectors to v, nearest first, ties by smaller ID. Query.Effort is how many survive the first
// stage, 0 means 30 for each neighbour wanted; later stages keep ever fewer, in a constant ratio, down to K. With Effort at
// the number of vectors it is exact, but for the rounding of float32 sums. Result.Distances counts numbers multiplied, in
// units of whole vectors, rounded up.
func (ix *Index) Search(ctx context.Context, v []float32, q index.Query) (index.Result, error) {
	if q.K < 1 {
		return index.Result{}, fmt.Errorf("nested: k is %d, want at least 1: %w", q.K, index.ErrQuery)
	}
	if q.Effort == 0 {
		q.Effort = defaultEffort * q.K
	}
	return ix.search(ctx, v, q, len(ix.dims))
}

// SearchPrefix returns the nearest vectors by the first k columns alone, k being one of Dims: exactly those, at
// a cost of k/Dim. Distances are those between the prefixes.
func (ix *Index) SearchPrefix(ctx context.Context, v []float32, k int, q index.Query) (index.Result, error) {
	if q.K < 1 {
		return index.Result{}, fmt.Errorf("nested: k is %d, want at least 1: %w", q.K, index.ErrQuery)
	}
	for i, d := range ix.dims {
		if d == k {
			q.Effort = ix.n
			return ix.search(ctx, v, q, i+1)
		}
	}
	return index.Result{}, fmt.Errorf("nested: no prefix of %d columns; there are %v: %w", k, ix.dims, vec.ErrDim)
}

// search goes through the first stages.
func (ix *Index) search(ctx context.Context, v []float32, q index.Query, stages int) (index.Result, error) {
	if len(v) != ix.Dim() {
		return index.Result{}, fmt.Errorf("nested: the query has %d dimensions, the index has %d: %w", len(v), ix.Dim(), vec.ErrDim)
	}
	if err := (vec.Matrix{Rows: 1, Cols: len(v), Data: v}).Check(); err != nil {
		return index.Result{}, fmt.Errorf("nested: query: %w", err)
	}
	if ix.metric == vec.Cosine && vec.Norm(v) == 0 {
		return index.Result{}, fmt.Errorf("nested: query: cosine needs a direction: %w", vec.ErrZero)
	}
	if ix.n == 0 {
		return index.Result{}, ctx.Err()
	}
	var inverse []float32 // of the query's prefixes
	if ix.metric == vec.Cosine {
		inverse = make([]float32, len(ix.dims))
		ix.inverseLengths(inverse, v)
	}
	measure, measureAt := vec.Dots, vec.DotsAt
	if ix.metric == vec.Euclidean {
		measure, measureAt = vec.SquaredL2s, vec.SquaredL2sAt
	}
	keep := ix.survivors(q, stages)
	top := vec.NewTopK(keep[0])
	// All by the first stage. The sums are kept for the survivors alone, by asking for them again: cheaper than
	// to keep n.
	distances, ids := make([]float32, block), make([]uint32, block)
	first, head := ix.parts[0], v[:ix.dims[0]]
	for lo := 0; lo < ix.n; lo += block {
		if err := ctx.Err(); err != nil {
			return index.Result{}, err
		}
		hi := min(lo+block, ix.n)
		d, id := distances[:hi-lo], ids[:hi-lo]
		measure(d, head, first.Data[lo*first.Cols:hi*first.Cols])
		n := 0
		for i := range d {
			if q.Keep != nil && !q.Keep(uint32(lo+i)) {
				continue
			}
			d[n], id[n] = ix.distance(0, uint32(lo+i), d[i], inverse), uint32(lo+i)
			n++
		}
		top.PushAll(d[:n], id[:n])
	}
	numbers := ix.n * first.Cols
	found, far := top.Append(nil, nil)
	if stages > 1 {
		slices.Sort(found) // memory is read in its order, and places below are in the order of IDs
		sums, more, places := make([]float32, len(found)), make([]float32, len(found)), make([]uint32, len(found))
		measureAt(sums, head, first.Data, found)
		for s := 1; s < stages; s++ {
			part := ix.parts[s]
			more = more[:len(found)]
			measureAt(more, v[ix.dims[s-1]:ix.dims[s]], part.Data, found)
			numbers += len(found) * part.Cols
			for i, id := range found {
				sums[i] += more[i]
				more[i] = ix.distance(s, id, sums[i], inverse)
				places[i] = uint32(i)
			}
			next := vec.NewTopK(keep[s])
			next.PushAll(more, places[:len(found)])
			places, far = next.Append(places[:0], far[:0])
			if s < stages-1 {
				slices.Sort(places)
			}
			kept := make([]uint32, len(places))
			for i, at := range places {
				kept[i] = found[at]
				sums[i] = sums[at] // right while places rise, and not asked for after the last stage
			}
			found = kept
		}
	}
	res := index.Result{Distances: (numbers + ix.dims[len(ix.dims)-1] - 1) / ix.dims[len(ix.dims)-1]}
	for i, id := range found {
		res.Hits = append(res.Hits, index.Hit{ID: id, Distance: far[i]})
	}
	return res, nil
}

// distance is that of the query to a vector, by the prefix of a stage, from the sum over it of products, or of squared
// differences under l2.
func (ix *Index) distance(stage int, id uint32, sum float32, inverse []float32) float32 {
	switch ix.metric {
	case vec.Cosine:
		return 1 - sum*inverse[stage]*ix.inverse[stage][id]
	case vec.InnerProduct:
		return -sum
	}
	return sum
}

// survivors are how many each stage keeps: Effort at the first, K at the last, in a constant ratio between.
func (ix *Index) survivors(q index.Query, stages int) []int {
	k := min(q.K, ix.n)
	effort := min(max(q.Effort, k), ix.n)
	out := make([]int, stages)
	for s := range out {
		out[s] = k
		if s < stages-1 {
			ratio := float64(s) / float64(stages-1)
			out[s] = max(k, int(math.Ceil(math.Pow(float64(effort), 1-ratio)*math.Pow(float64(k), ratio))))
		}
		if effort == ix.n && s < stages-1 {
			out[s] = ix.n
		}
	}
	return out
}

// Dims are the prefixes, and the number of columns.
func (ix *Index) Dims() []int { return append([]int(nil), ix.dims...) }

// Len is the number of vectors.
func (ix *Index) Len() int { return ix.n }

// Dim is their dimension.
func (ix *Index) Dim() int { return ix.dims[len(ix.dims)-1] }

// Metric is what nearness means.
func (ix *Index) Metric() vec.Metric { return ix.metric }

// SizeBytes is the memory of vectors, and under cosine of their lengths.
func (ix *Index) SizeBytes() int64 {
	return int64(ix.n) * 4 * int64(ix.Dim()+len(ix.inverse))
}
