package ivf

import (
	"context"
	"fmt"
	"runtime"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Search is as in [index.Index]. Query.Effort is the number of lists to look into; 0 is one in sixteen, at least 4. More are
// looked into only until there are K hits. Query.Keep is asked only about those that would be hits, and must not call the
// index. Result.Distances counts the centroids too.
func (ix *Index) Search(ctx context.Context, v []float32, q index.Query) (index.Result, error) {
	if err := ix.checkSearch(ctx, vec.Matrix{Rows: 1, Cols: len(v), Data: v}, q); err != nil {
		return index.Result{}, err
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.search(ctx, v, q)
}

// SearchBatch is Search for each row of queries, with the same answers, on all processors; with Query.Keep on one. The
// first bad query fails them all.
func (ix *Index) SearchBatch(ctx context.Context, queries vec.Matrix, q index.Query) ([]index.Result, error) {
	results := make([]index.Result, queries.Rows)
	if queries.Rows == 0 {
		return results, ctx.Err()
	}
	if err := ix.checkSearch(ctx, queries, q); err != nil {
		return nil, err
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	size := max(1, min(32, queries.Rows/(4*runtime.GOMAXPROCS(0))))
	if q.Keep != nil {
		size = queries.Rows // one block, which stays here
	}
	return results, vec.Blocks(ctx, queries.Rows, size, func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			var err error
			if results[i], err = ix.search(ctx, queries.Row(i), q); err != nil {
				return err
			}
		}
		return nil
	})
}

func (ix *Index) checkSearch(ctx context.Context, queries vec.Matrix, q index.Query) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if q.K < 1 {
		return fmt.Errorf("ivf: search for %d neighbours; 1 or more make sense: %w", q.K, index.ErrQuery)
	}
	if err := ix.check(queries); err != nil {
		return fmt.Errorf("ivf: search: %w", err)
	}
	return nil
}

// search is Search of a query that was checked, by a caller that holds mu.
func (ix *Index) search(ctx context.Context, v []float32, q index.Query) (index.Result, error) {
	if ix.count == 0 {
		return index.Result{}, nil
	}
	lists := ix.lists.Len()
	effort := q.Effort
	if effort <= 0 {
		effort = max(4, lists/16)
	}
	effort = min(effort, lists)
	s := ix.scanners.Get().(*scanner)
	defer ix.scanners.Put(s)
	s.reset(v, min(q.K, ix.count))
	measured := lists
	order := s.nearest(effort)
	for i := 0; i < effort || s.top.Len() < s.k && i < lists; i++ {
		if i == len(order) { // too few hits: on to the other lists
			order = s.nearest(lists)
		}
		if err := ctx.Err(); err != nil {
			return index.Result{}, err
		}
		if i+1 < len(order) {
			next := ix.store[order[i+1]].codes
			vec.Prefetch(next[:min(len(next), prefetchBytes)])
		}
		measured += len(ix.store[order[i]].ids)
		s.scan(order[i], q.Keep)
	}
	return index.Result{Hits: s.hits(q.AnyOrder), Distances: measured}, nil
}

const (
	scanRows      = 512 // measured at a time, whole blocks
	prefetchBytes = 512 // of the next list; how far ahead the kernels look by themselves
)

// scanner holds what one search needs.
type scanner struct {
	ix     *Index
	q      []float32
	rest   []float32 // q less the centroid of a list
	scorer quantize.Scorer
	away   []float32 // from the query to each centroid
	all    []uint32  // 0, 1, … of the lists
	probe  *vec.TopK // lists
	probes int
	order  []uint32  // of the lists
	near   []float32 // how far they are
	dist   []float32
	at     []uint32
	k      int
	top    *vec.TopK
}

func newScanner(ix *Index) *scanner {
	m, lists := ix.Metric(), ix.lists.Len()
	if ix.lists.residual && m != vec.Manhattan {
		m = vec.InnerProduct // all that is wanted of residuals
	}
	s := &scanner{ix: ix, q: make([]float32, ix.Dim()), rest: make([]float32, ix.Dim()), away: make([]float32, lists), all: make([]uint32, lists),
		dist: make([]float32, scanRows), near: make([]float32, 0, lists)}
	for i := range s.all {
		s.all[i] = uint32(i)
	}
	s.scorer = ix.codec.Scorer(m, s.q)
	return s
}

func (s *scanner) reset(v []float32, k int) {
	if s.ix.Metric() == vec.Cosine {
		vec.Normalize(s.q, v)
	} else {
		copy(s.q, v)
	}
	centroids := s.ix.lists.centroids.Data
	switch s.ix.Metric() {
	case vec.Euclidean:
		vec.SquaredL2s(s.away, s.q, centroids)
	case vec.Manhattan:
		vec.L1s(s.away, s.q, centroids)
	default:
		vec.Dots(s.away, s.q, centroids)
		base := float32(0)
		if s.ix.Metric() == vec.Cosine {
			base = 1
		}
		for i, d := range s.away {
			s.away[i] = base - d
		}
	}
	if !s.perList() {
		s.scorer.Reset(s.q)
	}
	if s.top == nil || s.k != k {
		s.k, s.top = k, vec.NewTopK(k)
	}
	s.top.Reset()
}

// perList says that the scorer is to be prepared for each list.
func (s *scanner) perList() bool { return s.ix.lists.residual && s.ix.Metric() == vec.Manhattan }

// nearest returns the n nearest lists, nearest first.
func (s *scanner) nearest(n int) []uint32 {
	if s.probe == nil || s.probes != n {
		s.probe, s.probes = vec.NewTopK(n), n
	}
	s.probe.Reset()
	for i, d := range s.away {
		if d != d { // overflow; no list is passed over for that
			s.away[i] = 0
		}
	}
	s.probe.PushAll(s.away, s.all)
	s.order, s.near = s.probe.Append(s.order[:0], s.near[:0])
	return s.order
}

// scan measures all of a list.
func (s *scanner) scan(number uint32, keep func(id uint32) bool) {
	ix, l := s.ix, &s.ix.store[number]
	if s.perList() && len(l.ids) > 0 {
		copy(s.rest, s.q)
		vec.AddScaled(s.rest, ix.lists.centroids.Row(int(number)), -1)
		s.scorer.Reset(s.rest)
	}
	for lo := 0; lo < len(l.ids); lo += scanRows {
		ids := l.ids[lo:min(lo+scanRows, len(l.ids))]
		dist := s.dist[:len(ids)]
		ix.as.Distances(s.scorer, s.dist, l.codes, lo, lo+len(ids))
		if ix.lists.residual && !s.perList() {
			away := s.away[number]
			if l.extra != nil {
				for i, e := range l.extra[lo : lo+len(ids)] {
					dist[i] = away + (e + 2*dist[i])
				}
			} else {
				for i := range dist {
					dist[i] += away
				}
			}
		}
		if keep == nil {
			s.top.PushAll(dist, ids)
			continue
		}
		s.at = vec.AtMost(s.at[:0], dist, s.top.Bound())
		for _, i := range s.at {
			if dist[i] <= s.top.Bound() && keep(ids[i]) {
				s.top.Push(dist[i], ids[i])
			}
		}
	}
}

func (s *scanner) hits(anyOrder bool) []index.Hit {
	// The lists are no longer needed.
	if anyOrder {
		s.order, s.near = s.top.AppendAnyOrder(s.order[:0], s.near[:0])
	} else {
		s.order, s.near = s.top.Append(s.order[:0], s.near[:0])
	}
	hits := make([]index.Hit, len(s.order))
	for i := range hits {
		hits[i] = index.Hit{ID: s.order[i], Distance: s.near[i]}
	}
	return hits
}
