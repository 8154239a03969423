package ivf

import (
	"context"
	"fmt"
	"runtime"
	"slices"

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
			order = slices.Clone(order)
			for _, other := range s.nearest(lists) {
				if !slices.Contains(order[:i], other) {
					order = append(order, other)
				}
			}
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
	glance *vec.TopK // lists by their codes
	order  []uint32  // of the lists
	near   []float32 // how far they are
	dist   []float32
	at     []uint32
	top    *vec.TopK // of this query
	k      int
}

func newScanner(ix *Index) *scanner {
	m, lists := ix.Metric(), ix.lists.Len()
	if ix.lists.residual && m != vec.Manhattan {
		m = vec.InnerProduct // all that is wanted of residuals
	}
	s := &scanner{ix: ix, q: make([]float32, ix.Dim()), rest: make([]float32, ix.Dim()), away: make([]float32, ix.as.Whole(lists)), all: make([]uint32, lists),
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
	if !s.perList() {
		s.scorer.Reset(s.q)
	}
	s.top, s.k = s.top.For(k), k
}

// perList says that the scorer is to be prepared for each list.
func (s *scanner) perList() bool { return s.ix.lists.residual && s.ix.Metric() == vec.Manhattan }

// nearest returns the n nearest lists, nearest first. Few of many are sought among three times as many that are near
// by their codes.
func (s *scanner) nearest(n int) []uint32 {
	ids, away := s.all, s.away[:len(s.all)]
	if m := 3*n + 16; s.ix.rough != nil && 4*m <= len(ids) {
		for lo := 0; lo < len(ids); lo += scanRows {
			s.ix.as.Distances(s.scorer, s.away[lo:], s.ix.rough, lo, min(lo+scanRows, len(ids)))
		}
		s.glance = s.glance.For(m)
		s.glance.PushAll(away, ids)
		if s.at, s.near = s.glance.AppendAnyOrder(s.at[:0], s.near[:0]); len(s.at) == m {
			ids, away = s.at, s.away[:m]
		}
	}
	s.measure(away, ids)
	for i, d := range away {
		if d != d { // overflow; no list is passed over for that
			away[i] = 0
		}
	}
	s.probe = s.probe.For(n)
	s.probe.PushAll(away, ids)
	s.order, s.near = s.probe.Append(s.order[:0], s.near[:0])
	return s.order
}

// measure writes to dst the distances from the query to the centroids of the lists ids, or of all if these are as many.
func (s *scanner) measure(dst []float32, ids []uint32) {
	centroids, all := s.ix.lists.centroids.Data, len(ids) == len(s.all)
	each, some := vec.Dots, vec.DotsAt
	switch s.ix.Metric() {
	case vec.Euclidean:
		each, some = vec.SquaredL2s, vec.SquaredL2sAt
	case vec.Manhattan:
		each, some = vec.L1s, vec.L1sAt
	}
	if all {
		each(dst, s.q, centroids)
	} else {
		some(dst, s.q, centroids, ids)
	}
	base := float32(0)
	switch s.ix.Metric() {
	case vec.Cosine:
		base = 1
		fallthrough
	case vec.InnerProduct:
		for i, d := range dst {
			dst[i] = base - d
		}
	}
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
