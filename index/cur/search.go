package cur

import (
	"context"
	"fmt"
	"math"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/vec"
)

// Query says what one search wants and may spend.
type Query struct {
	// K is the number of items wanted; fewer come back only if there are fewer. K below 1 gives index.ErrQuery.
	K int
	// Budget is the most scores that may be asked for; no more than there are items are. Only scored items are
	// returned, so a budget below K (and below Len) gives index.ErrQuery. 0 means 200, or twice K if that is more.
	Budget int
	// Anchors is how many of the budget are of items that the index chose before it knew the query. 0 means a tenth.
	Anchors int
	// Candidates, if there are any, are what a cheap retriever thinks best, best first. They are scored next, as many
	// as the budget has room for; half the budget of them is a good number. IDs that are not there give index.ErrID.
	Candidates []uint32
	// Rounds is in how many steps the rest is spent: each scores the best predicted of the items left, and
	// what it finds makes the next prediction better. 1 is the paper's ANNCUR; 0 means 5.
	Rounds int
}

// Hit is an item found, with its score as the scorer gave it.
type Hit struct {
	ID    uint32  `json:"id"`
	Score float32 `json:"score"`
}

// Result is what a search found, and what it cost.
type Result struct {
	Hits  []Hit `json:"hits"`  // best first, ties by smaller ID
	Calls int   `json:"calls"` // scores asked for, each of another item
}

// plan fills in what q leaves open, for n items.
func (q Query) plan(n int) (Query, error) {
	if q.K < 1 || q.Budget < 0 || q.Anchors < 0 || q.Rounds < 0 {
		return q, fmt.Errorf("cur: search for %d items with a budget of %d, %d anchors, %d rounds; want K of 1 or more and nothing negative: %w",
			q.K, q.Budget, q.Anchors, q.Rounds, index.ErrQuery)
	}
	q.K = min(q.K, n)
	if q.Budget == 0 {
		q.Budget = max(200, 2*q.K)
	}
	if q.Budget >= n {
		q.Budget, q.Anchors = n, n // all are scored, and nothing is predicted
	}
	if q.Budget < q.K {
		return q, fmt.Errorf("cur: search for %d items with a budget of %d scores; it takes at least one for each item returned: %w",
			q.K, q.Budget, index.ErrQuery)
	}
	if q.Anchors > q.Budget {
		return q, fmt.Errorf("cur: search with %d anchor items and a budget of %d scores; want fewer anchors or a larger budget: %w",
			q.Anchors, q.Budget, index.ErrQuery)
	}
	if q.Anchors == 0 {
		q.Anchors = q.Budget / 10
	}
	for _, id := range q.Candidates {
		if int64(id) >= int64(n) {
			return q, fmt.Errorf("cur: search with item %d as a candidate, of %d items: %w", id, n, index.ErrID)
		}
	}
	if q.Rounds == 0 {
		q.Rounds = 5
	}
	return q, nil
}

// Search returns the best items for a query among those it scores: first Anchors items that are the same for all
// queries and the Candidates, then in Rounds the best predicted. It asks for exactly Budget scores, never twice for the same item, and for
// no score of a query that it refuses. Errors of the scorer are as for Build, and nothing is returned with them but the
// count of scores that were got. Beside the scorer's it takes time
// O(Rounds·n·q + Budget²·(q+Budget)) and memory O(n + Budget·(q+Budget)), for q anchor queries.
func (ix *Index[Q]) Search(ctx context.Context, query Q, want Query) (Result, error) {
	want, err := want.plan(ix.Len())
	if err != nil {
		return Result{}, err
	}
	known := make([]float32, 0, want.Budget) // scores of ids
	ids := make([]uint32, 0, want.Budget)
	ask := func(next []uint32) error {
		for len(next) > 0 {
			batch := next[:min(len(next), ix.o.Batch)]
			next = next[len(batch):]
			at := len(known)
			if err := score(ctx, ix.scorer, query, batch, known[at:at+len(batch)]); err != nil {
				return fmt.Errorf("cur: search, after %d scores: %w", at, err)
			}
			known, ids = known[:at+len(batch)], append(ids, batch...)
		}
		return nil
	}
	anchors := ix.order[:want.Anchors]
	if err := ask(append(anchors[:len(anchors):len(anchors)], others(want.Candidates, anchors, want.Budget-len(anchors))...)); err != nil {
		return Result{Calls: len(known)}, err
	}
	var f *fit
	var estimate []float32
	for round := range want.Rounds {
		size := (want.Budget - len(ids)) / (want.Rounds - round)
		if size == 0 {
			continue // fewer items are left than rounds
		}
		if f == nil {
			f, estimate = ix.newFit(want.Anchors), make([]float32, ix.Len())
		}
		f.observe(ids[len(f.y):], known[len(f.y):])
		if err := f.predict(ctx, estimate); err != nil {
			return Result{Calls: len(known)}, err
		}
		if err := ask(best(estimate, ids, size)); err != nil {
			return Result{Calls: len(known)}, err
		}
	}
	top := vec.NewTopK(want.K)
	for i, id := range ids {
		top.Push(-known[i], id)
	}
	res := Result{Calls: len(known), Hits: make([]Hit, 0, want.K)}
	found, scores := top.Append(nil, nil)
	for i, id := range found {
		res.Hits = append(res.Hits, Hit{id, -scores[i]})
	}
	return res, nil
}

// others returns the first of candidates that are not in taken, at most k, each once.
func others(candidates, taken []uint32, k int) []uint32 {
	if len(candidates) == 0 {
		return nil
	}
	seen := make(map[uint32]bool, len(taken)+k)
	for _, id := range taken {
		seen[id] = true
	}
	var out []uint32
	for _, id := range candidates {
		if len(out) < k && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// best returns the k items of the highest estimates that are not in taken; it overwrites the estimates of those.
func best(estimate []float32, taken []uint32, k int) []uint32 {
	for _, id := range taken {
		estimate[id] = float32(math.NaN()) // no distance to TopK
	}
	top := vec.NewTopK(k)
	for i, v := range estimate {
		if -v <= top.Bound() {
			top.Push(-v, uint32(i))
		}
	}
	ids, _ := top.Append(nil, nil)
	return ids
}

// Estimate predicts the scores of a query with all items from its scores with some, which are returned as they are. It
// asks the scorer for nothing. Items that are not there or named twice give index.ErrID, another number of scores than
// of items vec.ErrDim, scores that are not finite vec.ErrNotFinite.
func (ix *Index[Q]) Estimate(ctx context.Context, ids []uint32, scores []float32) ([]float32, error) {
	if len(ids) != len(scores) {
		return nil, fmt.Errorf("cur: %d scores for %d items: %w", len(scores), len(ids), vec.ErrDim)
	}
	seen := make(map[uint32]bool, len(ids))
	for i, id := range ids {
		if int64(id) >= int64(ix.Len()) || seen[id] {
			return nil, fmt.Errorf("cur: item %d is named twice, or not one of the %d there are: %w", id, ix.Len(), index.ErrID)
		}
		seen[id] = true
		if !finite(scores[i]) {
			return nil, fmt.Errorf("cur: item %d has the score %v: %w", id, scores[i], vec.ErrNotFinite)
		}
	}
	f := ix.newFit(0)
	f.observe(ids, scores)
	out := make([]float32, ix.Len())
	if err := f.predict(ctx, out); err != nil {
		return nil, err
	}
	for i, id := range ids {
		out[id] = scores[i]
	}
	return out, nil
}
