package plan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/index/hnsw"
	"github.com/latent-go/latent/index/ivf"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/vec"
)

// Options say how a plan is built.
type Options struct {
	Metric vec.Metric
	Seed   uint64 // of the sample that maps and codecs are fitted on, and of the graph
	// IDs, if not nil, are what Build calls the rows, in the place of 0, 1, ….
	IDs []uint32
	// Progress, if not nil, is told how far a step has come.
	Progress func(step string, done, total int)
}

// Index is a plan built: vectors go in and are searched for as they were before the plan's maps and codecs. Searches
// may run at once with each other and with Add and Delete.
type Index struct {
	plan   Plan
	metric vec.Metric
	dim    int
	rotate *pca.Map    // nil without a map
	inner  index.Index // over the codes of what rotate gives
	full   *flat.Index // the whole vectors, to re-rank with; nil without re-ranking
	effort int         // for queries that name none
}

const (
	fitRows   = 100_000 // rows that maps and codecs are fitted on, drawn at random from more
	blockRows = 4096    // rows prepared at a time
)

// Build fits the maps and the codec of p to the rows of x, and indexes them under the IDs 0, 1, …, or o.IDs. It does not
// change x, nor keep it.
func Build(ctx context.Context, p Plan, x vec.Matrix, o Options) (*Index, error) {
	if o.IDs != nil && len(o.IDs) != x.Rows {
		return nil, fmt.Errorf("plan: %d IDs for %d rows: %w", len(o.IDs), x.Rows, index.ErrID)
	}
	return build(ctx, p, x, o.IDs, nil, o)
}

// build is Build under the given ids, or 0, 1, … if they are nil. If full is not nil it holds the vectors already, to
// re-rank with.
func build(ctx context.Context, p Plan, x vec.Matrix, ids []uint32, full *flat.Index, o Options) (*Index, error) {
	p = p.withDefaults()
	if err := p.Fits(x.Rows, x.Cols, o.Metric); err != nil {
		return nil, err
	}
	if x.Rows == 0 {
		return nil, fmt.Errorf("plan: %s: no vectors to build from: %w", p, vec.ErrTooFew)
	}
	ix := &Index{plan: p, metric: o.Metric, dim: x.Cols}
	step := o.step("fit")
	step(0, 1)
	sample, err := ix.unit(sampleRows(x, fitRows, o.Seed))
	if err != nil {
		return nil, err
	}
	if p.PCA != (PCA{}) {
		ix.rotate, err = pca.Fit(ctx, sample, pca.Options{Components: p.PCA.Components, Variance: p.PCA.Variance, Seed: o.Seed, Uncentered: o.Metric == vec.InnerProduct})
		if err != nil {
			return nil, fmt.Errorf("plan: %s: %w", p, err)
		}
		sample = ix.rotate.Apply(vec.Matrix{}, sample)
	}
	c, err := FitCodec(ctx, p.Codec, sample, o.Seed)
	if err != nil {
		return nil, fmt.Errorf("plan: %s: %w", p, err)
	}
	if ix.inner, err = newIndex(ctx, p, c, sample, ix.innerMetric(), o.Seed); err != nil {
		return nil, fmt.Errorf("plan: %s: %w", p, err)
	}
	if p.Rerank > 0 && full == nil {
		ix.full = flat.New(scalar.Float32(x.Cols), o.Metric)
	}
	if g, ok := ix.inner.(index.Grower); ok {
		g.Grow(x.Rows)
	}
	if ix.full != nil {
		ix.full.Grow(x.Rows)
	}
	step(1, 1)
	var order []int // the rows' turns; nil where they come as they are
	if p.Order == orderLID && x.Rows >= 3 {
		if order, err = hnsw.OrderLID(ctx, x, hnsw.OrderOptions{Metric: o.Metric, Seed: o.Seed, Progress: o.step("order")}); err != nil {
			return nil, fmt.Errorf("plan: %s: %w", p, err)
		}
	}
	step = o.step("index")
	for lo := 0; lo < x.Rows; lo += blockRows {
		step(lo, x.Rows)
		hi := min(lo+blockRows, x.Rows)
		block, some := x.Slice(lo, hi), []uint32(nil)
		if order != nil {
			block, some = x.Gather(order[lo:hi]), named(order[lo:hi], ids)
		} else if ids != nil {
			some = ids[lo:hi]
		}
		if err := ix.Add(ctx, some, block); err != nil {
			return nil, fmt.Errorf("plan: %s: rows %d to %d: %w", p, lo, hi-1, err)
		}
	}
	step(x.Rows, x.Rows)
	if p.Rerank > 0 && full != nil {
		ix.full = full
	}
	return ix, nil
}

// named returns the IDs of rows, which are their numbers if ids is nil.
func named(rows []int, ids []uint32) []uint32 {
	out := make([]uint32, len(rows))
	for i, r := range rows {
		if out[i] = uint32(r); ids != nil {
			out[i] = ids[r]
		}
	}
	return out
}

// step returns what reports the progress of one step.
func (o Options) step(name string) func(done, total int) {
	if o.Progress == nil {
		return func(int, int) {}
	}
	return func(done, total int) { o.Progress(name, done, total) }
}

// newIndex makes the plan's index, empty; sample is of the vectors that will go in.
func newIndex(ctx context.Context, p Plan, c quantize.Codec, sample vec.Matrix, m vec.Metric, seed uint64) (index.Index, error) {
	switch p.Index {
	case "flat":
		return flat.New(c, m), nil
	case "hnsw":
		return hnsw.New(c, hnsw.Options{Metric: m, M: p.M, EfConstruction: p.EfC, Seed: seed})
	case "ivf":
		lists, err := ivf.Train(ctx, sample, ivf.Options{Lists: p.Lists, Metric: m, Seed: seed})
		if err != nil {
			return nil, err
		}
		return ivf.New(c, lists)
	}
	return nil, fmt.Errorf("no index %q", p.Index)
}

// innerMetric is what nearness means among mapped vectors. Of unit vectors, the squared distance is twice the cosine
// distance, and unlike that it survives the shift to their mean.
func (ix *Index) innerMetric() vec.Metric {
	if ix.rotate != nil && ix.metric == vec.Cosine {
		return vec.Euclidean
	}
	return ix.metric
}

// unit returns x itself, or under cosine a copy with rows of length 1.
func (ix *Index) unit(x vec.Matrix) (vec.Matrix, error) {
	if err := x.Check(); err != nil {
		return vec.Matrix{}, err
	}
	if ix.metric != vec.Cosine {
		return x, nil
	}
	out := vec.NewMatrix(x.Rows, x.Cols)
	for i := range x.Rows {
		if vec.Normalize(out.Row(i), x.Row(i)) == 0 {
			return vec.Matrix{}, fmt.Errorf("row %d has no direction; leave it out, or use l2: %w", i, vec.ErrZero)
		}
	}
	return out, nil
}

// mapped is x as the inner index takes it.
func (ix *Index) mapped(x vec.Matrix) (vec.Matrix, error) {
	x, err := ix.unit(x)
	if err != nil || ix.rotate == nil {
		return x, err
	}
	return ix.rotate.Apply(vec.Matrix{}, x), nil
}

// Add is as in [index.Index].
func (ix *Index) Add(ctx context.Context, ids []uint32, x vec.Matrix) error {
	if x.Cols != ix.dim {
		return fmt.Errorf("plan: vectors have %d dimensions, the index has %d: %w", x.Cols, ix.dim, vec.ErrDim)
	}
	y, err := ix.mapped(x)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if ix.full != nil { // first, so that what the inner index finds can be re-ranked
		if err := ix.full.Add(ctx, ids, x); err != nil {
			return err
		}
	}
	return ix.inner.Add(ctx, ids, y)
}

// Delete is as in [index.Index].
func (ix *Index) Delete(ids ...uint32) int {
	n := ix.inner.Delete(ids...)
	if ix.full != nil {
		ix.full.Delete(ids...)
	}
	return n
}

// Search is as in [index.Index]. With re-ranking, distances are exact.
func (ix *Index) Search(ctx context.Context, v []float32, q index.Query) (index.Result, error) {
	x := vec.Matrix{Rows: 1, Cols: len(v), Data: v}
	y, inner, err := ix.prepare(x, q)
	if err != nil {
		return index.Result{}, err
	}
	res, err := ix.inner.Search(ctx, y.Data, inner)
	if err != nil {
		return res, err
	}
	return res, ix.finish(&res, v, y.Data, q.K)
}

// SearchBatch is Search for each row of queries, on all processors; with Query.Keep on one. Answers are the same but for
// the rounding of a map, which is applied to all at once. The first bad query fails them all.
func (ix *Index) SearchBatch(ctx context.Context, queries vec.Matrix, q index.Query) ([]index.Result, error) {
	if queries.Rows == 0 {
		return nil, ctx.Err()
	}
	y, inner, err := ix.prepare(queries, q)
	if err != nil {
		return nil, err
	}
	out := make([]index.Result, queries.Rows)
	whole, ok := ix.inner.(interface {
		SearchBatch(context.Context, vec.Matrix, index.Query) ([]index.Result, error)
	})
	if ok { // which shares work between queries
		if out, err = whole.SearchBatch(ctx, y, inner); err != nil {
			return nil, err
		}
	}
	size := 16
	if q.Keep != nil {
		size = queries.Rows // one block, which stays here
	}
	return out, vec.Blocks(ctx, queries.Rows, size, func(lo, hi int) (err error) {
		for i := lo; i < hi; i++ {
			if !ok {
				if out[i], err = ix.inner.Search(ctx, y.Row(i), inner); err != nil {
					return err
				}
			}
			if err = ix.finish(&out[i], queries.Row(i), y.Row(i), q.K); err != nil {
				return err
			}
		}
		return nil
	})
}

// prepare returns queries and Query as the inner index takes them.
func (ix *Index) prepare(x vec.Matrix, q index.Query) (vec.Matrix, index.Query, error) {
	if q.K < 1 {
		return x, q, fmt.Errorf("plan: k is %d, want at least 1: %w", q.K, index.ErrQuery)
	}
	if x.Cols != ix.dim {
		return x, q, fmt.Errorf("plan: the query has %d dimensions, the index has %d: %w", x.Cols, ix.dim, vec.ErrDim)
	}
	y, err := ix.mapped(x)
	if err != nil {
		return x, q, fmt.Errorf("plan: query: %w", err)
	}
	if q.Effort == 0 {
		q.Effort = ix.effort
	}
	if ix.full != nil {
		rerank := ix.plan.Rerank
		if q.Rerank > 0 {
			rerank = q.Rerank
		}
		q.K *= rerank
		q.AnyOrder = true // Nearest sorts them
	}
	return y, q, nil
}

// finish turns what the inner index found for v, which is y to it, into the k hits that are answered.
func (ix *Index) finish(res *index.Result, v, y []float32, k int) error {
	if ix.full != nil {
		ids := idsOf(res.Hits)
		bounds, err := ix.bounds(y, ids)
		if err != nil {
			return err
		}
		exact, err := ix.full.NearestBounded(v, k, ids, bounds)
		if err != nil {
			return err
		}
		res.Hits, res.Distances = exact.Hits, res.Distances+exact.Distances
	} else if ix.innerMetric() != ix.metric {
		for i := range res.Hits {
			res.Hits[i].Distance /= 2
		}
	}
	return nil
}

// rerankEpsilon is how many standard deviations the distance by a code may be too far. Of 320 candidates by rabitq, 184 are then
// read on Fashion-MNIST and 89 among sentence embeddings, for 0 and 0.0004 of recall@10.
const rerankEpsilon = 2.5

// bounds returns what the distances of ids from y are hardly ever less than, and nil where codes cannot tell, or not well: after a
// map vectors seem nearer than they are, and lists and graphs would have to look for the codes again, for longer than reading takes.
func (ix *Index) bounds(y []float32, ids []uint32) ([]float32, error) {
	codes, ok := ix.inner.(*flat.Index)
	if !ok || ix.rotate != nil {
		return nil, nil
	}
	return codes.Bounds(y, ids, rerankEpsilon)
}

func idsOf(hits []index.Hit) []uint32 {
	ids := make([]uint32, len(hits))
	for i, h := range hits {
		ids[i] = h.ID
	}
	return ids
}

// Plan is what the index was built by, with its defaults filled in.
func (ix *Index) Plan() Plan { return ix.plan }

// Metric is what nearness means.
func (ix *Index) Metric() vec.Metric { return ix.metric }

// Dim is the dimension of the vectors that go in.
func (ix *Index) Dim() int { return ix.dim }

// Len is the number of vectors.
func (ix *Index) Len() int { return ix.inner.Len() }

// Effort is what queries that name none are searched with: the one that the tuner found, or 0.
func (ix *Index) Effort() int { return ix.effort }

// SizeBytes is what searching needs in memory: codes and links.
func (ix *Index) SizeBytes() int64 { return ix.inner.SizeBytes() }

// RerankBytes is the size of the full vectors kept for re-ranking, of which a search reads a few.
func (ix *Index) RerankBytes() int64 {
	if ix.full == nil {
		return 0
	}
	return ix.full.SizeBytes()
}

// sampleRows returns x itself if it has at most n rows, else n of them, in order, drawn without replacement.
func sampleRows(x vec.Matrix, n int, seed uint64) vec.Matrix {
	if x.Rows <= n {
		return x
	}
	return x.Gather(draw(x.Rows, n, seed))
}

// draw returns k of the numbers 0..n-1, ascending.
func draw(n, k int, seed uint64) []int {
	ids := rand.New(rand.NewPCG(seed, 0x6c6174656e74)).Perm(n)[:k]
	slices.Sort(ids)
	return ids
}
