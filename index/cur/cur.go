// Package cur finds the best items for a query by a score that is dear and comes from a black box: a cross-encoder, a
// re-ranker behind HTTP, an alignment. It needs no vectors. Some queries are scored against all items once; then the
// scores of a new query with a few items predict its scores with all others, and calls are spent on the best of those.
//
//	ix, err := cur.Build(ctx, scorer, anchors, len(items), cur.Options{}) // len(anchors)·len(items) scores, once
//	res, err := ix.Search(ctx, query, cur.Query{K: 10, Budget: 200})      // 200 scores
//
// The rows of R are the scores of the anchor queries with all items, A is R at some items, and e are the new query's
// scores there. Then e·A⁺·R predicts all of its scores, exactly if they are a linear combination of the rows of A: the
// CUR decomposition of ANNCUR, Yadav, Monath, Angell, Zaheer, McCallum 2022, arXiv 2210.12579. Options and Query say
// where this package departs from it: by a damped inverse, a mean that is taken away first, and anchor items that
// adapt to the query (ADACUR, arXiv 2305.02996), each of which can be set to what the paper does.
package cur

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/latent-go/latent/vec"
)

// ErrScorer says that a scorer did not give what was asked of it.
var ErrScorer = errors.New("bad scores")

// Scorer is the dear function: it scores items for a query.
type Scorer[Q any] interface {
	// Score returns one score for each of ids, in their order: the higher, the better. Each must be finite. Build
	// calls it from several goroutines at once, and so do searches side by side. It should end when ctx does. It must
	// neither keep nor change ids.
	Score(ctx context.Context, query Q, ids []uint32) ([]float32, error)
}

// ScorerFunc is a function that is a Scorer.
type ScorerFunc[Q any] func(ctx context.Context, query Q, ids []uint32) ([]float32, error)

// Score calls f.
func (f ScorerFunc[Q]) Score(ctx context.Context, query Q, ids []uint32) ([]float32, error) {
	return f(ctx, query, ids)
}

// Options say how scores are asked for and how they are used. The zero Options are what we recommend.
type Options struct {
	// Ridge is λ in A⁺ = (AAᵀ+λ)⁻¹A, as a share of the mean square of an item's anchor scores: what part of a score is
	// not to be learnt from others. It keeps the inverse of a nearly square A from blowing up noise, which a small
	// value such as 1e-9, the paper's pseudo-inverse, does. 0 means 0.003.
	Ridge float64
	// Uncentered leaves in each item's mean score over the anchor queries, as the paper does. Else the method works on
	// what differs from it, and adds it again.
	Uncentered bool

	Seed    uint64 // of the order of anchor items
	Batch   int    // most items in one call of Score; 0 means 1024
	Workers int    // calls of Score under way at once while building; 0 means GOMAXPROCS

	Progress func(done, total int) // scores got while building, if not nil; from one goroutine at a time
}

func (o Options) withDefaults() (Options, error) {
	if o.Ridge == 0 {
		o.Ridge = 0.003
	}
	if o.Batch == 0 {
		o.Batch = 1024
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	switch {
	case !(o.Ridge > 0) || math.IsInf(o.Ridge, 1):
		return o, fmt.Errorf("cur: Ridge is %v; want more than 0, such as 0.003", o.Ridge)
	case o.Batch < 0 || o.Workers < 0:
		return o, fmt.Errorf("cur: Batch is %d and Workers %d; want 1 or more, or 0 for the default", o.Batch, o.Workers)
	}
	return o, nil
}

// Index predicts the scores of a query from some of them. It does not change, and is safe for concurrent use if its
// scorer is.
type Index[Q any] struct {
	o      Options
	scorer Scorer[Q]
	scores vec.Matrix // n×q: row i is what the anchor queries score item i, less mean[i]; Rᵀ
	mean   []float32  // n, zeros if o.Uncentered
	order  []uint32   // of items, at random: the first are the anchor items
	lambda float64

	mu      sync.Mutex
	anchors factor // of the first of order, as many as a query has had
}

// maxItems is how many an ID can tell apart.
const maxItems = math.MaxUint32

// Build scores every anchor query with items 0 to n-1 and makes an index of that. Anchors should be like the queries
// to come, as past ones are. Errors of the scorer come back wrapped; scores that are not finite give vec.ErrNotFinite
// with ErrScorer, and too few or too many ErrScorer. To keep the scores, which are the whole price, use [Scores] and
// [New].
func Build[Q any](ctx context.Context, s Scorer[Q], anchors []Q, n int, o Options) (*Index[Q], error) {
	scores, err := Scores(ctx, s, anchors, n, o)
	if err != nil {
		return nil, err
	}
	return New(s, scores, o)
}

// Scores returns the scores of each query with items 0 to n-1, a row a query, got in batches. Where they are dear, ask
// for some queries at a time and save those. After an error nothing is returned.
func Scores[Q any](ctx context.Context, s Scorer[Q], queries []Q, n int, o Options) (vec.Matrix, error) {
	o, err := o.withDefaults()
	switch {
	case err != nil:
		return vec.Matrix{}, err
	case len(queries) < 1 || n < 1:
		return vec.Matrix{}, fmt.Errorf("cur: %d queries and %d items to score; want 1 or more of each: %w", len(queries), n, vec.ErrTooFew)
	case n > maxItems:
		return vec.Matrix{}, fmt.Errorf("cur: %d items; IDs tell %d apart", n, maxItems)
	}
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(i)
	}
	out := vec.NewMatrix(len(queries), n)
	var mu sync.Mutex
	done := 0
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(o.Workers)
	for i, q := range queries {
		for lo := 0; lo < n && within.Err() == nil; lo += o.Batch {
			hi := min(n, lo+o.Batch)
			g.Go(func() error {
				if err := score(within, s, q, ids[lo:hi], out.Row(i)[lo:hi]); err != nil {
					return fmt.Errorf("cur: query %d: %w", i, err)
				}
				mu.Lock()
				defer mu.Unlock()
				done += hi - lo
				if o.Progress != nil {
					o.Progress(done, len(queries)*n)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return vec.Matrix{}, err
	}
	if done < len(queries)*n { // only where ctx ended before all were begun
		return vec.Matrix{}, ctx.Err()
	}
	return out, nil
}

// score writes the scores of ids to dst, in one call.
func score[Q any](ctx context.Context, s Scorer[Q], q Q, ids []uint32, dst []float32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	got, err := s.Score(ctx, q, ids)
	if err != nil {
		return fmt.Errorf("scoring %d items: %w", len(ids), err)
	}
	if len(got) != len(ids) {
		return fmt.Errorf("the scorer gave %d scores for %d items: %w", len(got), len(ids), ErrScorer)
	}
	for i, v := range got {
		if !finite(v) {
			return fmt.Errorf("the scorer gave item %d the score %v: %w: %w", ids[i], v, ErrScorer, vec.ErrNotFinite)
		}
	}
	copy(dst, got)
	return nil
}

func finite(v float32) bool { return v-v == 0 }

// New makes an index of the scores of anchor queries with all items, as Scores returns them: q×n. It asks s for
// nothing, and does not keep scores.
func New[Q any](s Scorer[Q], scores vec.Matrix, o Options) (*Index[Q], error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if scores.Rows < 1 || scores.Cols < 1 {
		return nil, fmt.Errorf("cur: scores of %d queries with %d items; want 1 or more of each: %w", scores.Rows, scores.Cols, vec.ErrTooFew)
	}
	if scores.Cols > maxItems {
		return nil, fmt.Errorf("cur: %d items; IDs tell %d apart", scores.Cols, maxItems)
	}
	if err := scores.Check(); err != nil {
		return nil, fmt.Errorf("cur: scores: %w", err)
	}
	q, n := scores.Rows, scores.Cols
	ix := &Index[Q]{o: o, scorer: s, scores: vec.NewMatrix(n, q), mean: make([]float32, n), order: make([]uint32, n)}
	for i := range n {
		row, sum := ix.scores.Row(i), 0.0
		for j := range row {
			row[j] = scores.Data[j*n+i]
			sum += float64(row[j])
		}
		if o.Uncentered {
			continue
		}
		ix.mean[i] = float32(sum / float64(q))
		for j := range row {
			row[j] = float32(float64(row[j]) - float64(ix.mean[i]))
		}
	}
	for i, id := range rand.New(rand.NewPCG(o.Seed, 0x616e6368)).Perm(n) {
		ix.order[i] = uint32(id)
	}
	ix.prepare()
	if math.IsInf(ix.lambda, 1) {
		return nil, fmt.Errorf("cur: scores lie too far apart for float32, or Ridge, %v, is too large: %w", o.Ridge, vec.ErrNotFinite)
	}
	return ix, nil
}

// prepare computes what follows from the scores.
func (ix *Index[Q]) prepare() {
	var sum float64
	for _, v := range ix.scores.Data {
		sum += float64(v) * float64(v)
	}
	ix.lambda = ix.o.Ridge * sum / float64(ix.scores.Rows)
}

// Len is the number of items.
func (ix *Index[Q]) Len() int { return ix.scores.Rows }

// Anchors is the number of anchor queries.
func (ix *Index[Q]) Anchors() int { return ix.scores.Cols }

// SizeBytes is the memory that the index takes: 4 bytes for each item and anchor query, and 8 for each item.
func (ix *Index[Q]) SizeBytes() int64 {
	return 4 * int64(len(ix.scores.Data)+len(ix.mean)+len(ix.order))
}
