package hnsw

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Search returns the nearest stored vectors to v, nearest first. Query.Effort is how many near nodes it keeps while it
// walks, the paper's ef: more find more and cost more; 0 means 64, anything below K means K.
//
// With Query.Keep it walks through all nodes but collects only those wanted. When it has met so few of them that
// measuring every wanted vector looks cheaper, it does that instead, and is then exact: so K come back if K match. Keep
// must not call the index.
func (ix *Index) Search(ctx context.Context, v []float32, q index.Query) (index.Result, error) {
	if err := ctx.Err(); err != nil {
		return index.Result{}, err
	}
	if q.K < 1 {
		return index.Result{}, fmt.Errorf("hnsw: search for K = %d neighbours; K is 1 or more: %w", q.K, index.ErrQuery)
	}
	if len(v) != ix.dim {
		return index.Result{}, fmt.Errorf("hnsw: search: query has %d dimensions, index has %d: %w", len(v), ix.dim, vec.ErrDim)
	}
	// A sum of squares that is finite has finite terms; one that is not may only be large.
	norm2 := float64(vec.Dot(v, v))
	if math.IsNaN(norm2) || math.IsInf(norm2, 0) {
		if err := (vec.Matrix{Rows: 1, Cols: ix.dim, Data: v}).Check(); err != nil {
			return index.Result{}, fmt.Errorf("hnsw: search: %w", err)
		}
	}
	s := ix.searchers.Get().(*searcher)
	defer ix.searchers.Put(s)
	if ix.o.Metric == vec.Cosine {
		if vec.Normalize(s.query, v) == 0 {
			return index.Result{}, fmt.Errorf("hnsw: search: cosine needs a direction: %w", vec.ErrZero)
		}
		v = s.query
	}

	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if ix.live == 0 {
		return index.Result{}, nil
	}
	effort := q.Effort
	if effort <= 0 {
		effort = defaultEffort
	}
	k := min(q.K, ix.live)
	effort = min(max(effort, k), ix.live)
	s.begin(v)
	start := s.descend(s.start(), ix.top, 0)
	var found []uint64
	enough := true
	want := ix.isAlive
	switch {
	case q.Keep != nil:
		want = func(slot uint32) bool { return ix.isAlive(slot) && q.Keep(ix.ids[slot]) }
		found, enough = s.walkWithin(ctx, start, 0, effort, ix.live, want)
	case ix.buried > 0:
		found = s.walkWhere(ctx, start, 0, effort, want)
	default:
		found = s.walk(ctx, start, 0, effort)
	}
	if !enough || len(found) < k { // the latter also in a graph from a file that does not hang together
		found = s.scan(ctx, k, want)
	}
	if err := ctx.Err(); err != nil {
		return index.Result{}, err
	}
	return index.Result{Hits: s.hits(found, k), Distances: s.measured}, nil
}

// searcher is what one walk needs, kept from search to search.
type searcher struct {
	ix       *Index
	query    []float32       // normalised
	scorer   quantize.Scorer // of the vector searched for
	stored   quantize.Scorer // of a stored vector, when links are chosen
	row      []float32       // a stored vector, decoded
	seen     []uint64        // a bit a slot: met in this walk; bits, so that those of a million stay in the cache
	met      []uint32        // the slots met
	near     []uint64        // the nearest met so far, ascending
	open     []uint64        // a heap of those whose links are to be looked at, where near cannot hold them
	next     []uint32        // slots to measure
	dist     []float32
	measured int

	rest   []uint64 // candidates not yet decided on, when links are chosen
	chosen []uint32
}

const (
	// A walk looks at the links of node after node until it has this many new ones to measure: more rows a call than
	// one node brings late in a walk, where most of its neighbours are known. Nearly all of those nodes' links would
	// have been looked at anyway: on Fashion-MNIST the number of distances is the same within 1 % from effort 10 on, and
	// the time for each falls by 5 % at effort 10 and by 14 % at 200.
	gather = 12
	// A scan measures so many at once.
	scanBlock = 256
)

func newSearcher(ix *Index) *searcher {
	zero := make([]float32, ix.dim)
	n := max(4*ix.o.M, scanBlock)
	return &searcher{
		ix:     ix,
		query:  make([]float32, ix.dim),
		scorer: ix.codec.Scorer(ix.o.Metric, zero),
		stored: ix.codec.Scorer(ix.o.Metric, zero),
		row:    make([]float32, ix.dim),
		next:   make([]uint32, n),
		dist:   make([]float32, n),
	}
}

// A key is a distance and a slot in one number that orders by distance, then slot: the distance's bits, so turned
// that they order as the numbers do, then 31 bits of slot, then a mark.
const mark = 1

func keyOf(distance float32, slot uint32) uint64 {
	b := math.Float32bits(distance + 0) // -0 is 0
	b ^= uint32(int32(b)>>31) | 0x80000000
	return uint64(b)<<32 | uint64(slot)<<1
}

func slotOf(key uint64) uint32 { return uint32(key) >> 1 }

func distanceOf(key uint64) float32 {
	b := uint32(key >> 32)
	return math.Float32frombits(b ^ (uint32(int32(^b)>>31) | 0x80000000))
}

// begin takes v as the vector to search for.
func (s *searcher) begin(v []float32) {
	s.scorer.Reset(v)
	s.measured = 0
	if 64*len(s.seen) < s.ix.n {
		s.seen = make([]uint64, (len(s.ix.ids)+63)/64)
		s.met = s.met[:0]
	}
}

// fresh begins a walk: nothing is met yet.
func (s *searcher) fresh() {
	for _, v := range s.met {
		s.seen[v>>6] = 0
	}
	s.met = s.met[:0]
}

// measure writes the distances to the slots to s.dist.
func (s *searcher) measure(slots []uint32) []float32 {
	d := s.dist[:len(slots)]
	s.scorer.DistancesAt(d, s.ix.codes, slots)
	s.measured += len(slots)
	return d
}

// start returns the key of the entry point.
func (s *searcher) start() uint64 {
	s.next[0] = s.ix.entry
	return keyOf(s.measure(s.next[:1])[0], s.ix.entry)
}

// descend goes from layer from down to above layer to, on each layer on to nearer nodes until there is none. Nodes met
// before were no nearer, and are not measured again.
func (s *searcher) descend(at uint64, from, to int) uint64 {
	s.fresh()
	s.unseen([]uint32{slotOf(at)})
	for level := from; level > to; level-- {
		for {
			n := len(s.met)
			s.unseen(s.ix.links(slotOf(at), level))
			list := s.met[n:]
			if len(list) == 0 {
				break
			}
			was := at
			for i, d := range s.measure(list) {
				at = min(at, keyOf(d, list[i]))
			}
			if at == was {
				break
			}
		}
	}
	return at
}

// unseen appends to met those of the links that this walk has not met, and notes them as met.
func (s *searcher) unseen(links []uint32) {
	seen, n := s.seen, len(s.met)
	s.met = slices.Grow(s.met, len(links))
	met := s.met[:n+len(links)]
	for _, v := range links {
		if v == none {
			break
		}
		met[n] = v
		w := &seen[v>>6]
		n += int(^*w >> (v & 63) & 1)
		*w |= 1 << (v & 63)
	}
	s.met = met[:n]
}

// walk returns the ef nearest nodes it meets on a layer, from start on, nearest first: algorithm 2, with the links of
// several nodes looked at in one go. The nodes whose links are to be looked at are among these ef, so one ascending list
// serves for both; the mark is on those done.
func (s *searcher) walk(ctx context.Context, start uint64, level, ef int) []uint64 {
	s.fresh()
	s.unseen([]uint32{slotOf(start)})
	if cap(s.near) < ef {
		s.near = make([]uint64, 0, ef)
	}
	near := append(s.near[:0], start)
	done := ctx.Done()
	for at := 0; at < len(near); {
		from := len(s.met)
		for at < len(near) && len(s.met)-from < gather {
			if near[at]&mark == 0 {
				slot := slotOf(near[at])
				near[at] |= mark
				s.unseen(s.ix.links(slot, level))
			}
			at++
		}
		next := s.met[from:]
		if len(next) > 0 {
			dist := s.measure(next)
			for i, v := range next {
				k := keyOf(dist[i], v)
				if len(near) == ef {
					if k > near[ef-1] {
						continue
					}
					near = near[:ef-1]
				}
				p := place(near, k)
				near = append(near, 0)
				copy(near[p+1:], near[p:])
				near[p] = k
				at = min(at, p)
				vec.Prefetch(s.ix.links(v, level)) // soon to be looked at, if nothing nearer comes
			}
			if done != nil && stopped(done) {
				break
			}
		}
	}
	for i := range near {
		near[i] &^= mark
	}
	s.near = near
	return near
}

func stopped(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// place returns how many of the ascending keys are below k.
func place(keys []uint64, k uint64) int {
	lo, n := 0, len(keys)
	for n > 0 {
		half := n >> 1
		if keys[lo+half] < k {
			lo += half + 1
			n -= half + 1
		} else {
			n = half
		}
	}
	return lo
}

// walkWhere is walk for the case that only the nodes of which want says so are to be returned: it walks through the
// others all the same, so what is near and what is open are apart.
func (s *searcher) walkWhere(ctx context.Context, start uint64, level, ef int, want func(slot uint32) bool) []uint64 {
	found, _ := s.walkWithin(ctx, start, level, ef, math.MaxInt, want)
	return found
}

// walkWithin is walkWhere that gives up, with enough false, when the share of wanted nodes among those met says that to
// measure all of them that n nodes have costs less than to go on.
func (s *searcher) walkWithin(ctx context.Context, start uint64, level, ef, n int, want func(slot uint32) bool) (found []uint64, enough bool) {
	s.fresh()
	s.unseen([]uint32{slotOf(start)})
	near, open := s.near[:0], append(s.open[:0], start)
	asked, wanted := 1, 0
	if want(slotOf(start)) {
		wanted = 1
		near = append(near, start)
	}
	done := ctx.Done()
	enough = true
	for len(open) > 0 {
		var k uint64
		k, open = popMin(open)
		if len(near) == ef && k > near[ef-1] {
			break
		}
		from := len(s.met)
		s.unseen(s.ix.links(slotOf(k), level))
		next := s.met[from:]
		if len(next) == 0 {
			continue
		}
		dist := s.measure(next)
		for i, v := range next {
			k := keyOf(dist[i], v)
			if len(near) == ef && k > near[ef-1] {
				continue
			}
			open = pushMin(open, k)
			vec.Prefetch(s.ix.links(v, level))
			asked++
			if want(v) {
				wanted++
				near = insert(near, k, ef)
			}
		}
		// About wanted/asked·n of all nodes are wanted. Once so many were measured without an end, measure those.
		if len(near) < ef && asked > 128 && float64(asked)*float64(asked) > float64(wanted+1)*float64(n) {
			enough = false
			break
		}
		if done != nil && stopped(done) {
			break
		}
	}
	s.near, s.open = near, open
	return near, enough
}

// scan measures all that are wanted and returns the k nearest.
func (s *searcher) scan(ctx context.Context, k int, want func(slot uint32) bool) []uint64 {
	near, next := s.near[:0], s.next[:0]
	measure := func() {
		for i, d := range s.measure(next) {
			near = insert(near, keyOf(d, next[i]), k)
		}
		next = next[:0]
	}
	for slot := range uint32(s.ix.n) {
		if !want(slot) {
			continue
		}
		if next = append(next, slot); len(next) == scanBlock {
			measure()
			if ctx.Err() != nil {
				break
			}
		}
	}
	measure()
	s.near = near
	return near
}

// insert puts k in its place among ascending keys, of which it keeps the first limit.
func insert(keys []uint64, k uint64, limit int) []uint64 {
	if len(keys) == limit {
		if k > keys[limit-1] {
			return keys
		}
		keys = keys[:limit-1]
	}
	return slices.Insert(keys, place(keys, k), k)
}

func pushMin(heap []uint64, k uint64) []uint64 {
	heap = append(heap, k)
	i := len(heap) - 1
	for i > 0 && heap[(i-1)/2] > k {
		heap[i] = heap[(i-1)/2]
		i = (i - 1) / 2
	}
	heap[i] = k
	return heap
}

func popMin(heap []uint64) (uint64, []uint64) {
	first, last := heap[0], heap[len(heap)-1]
	heap = heap[:len(heap)-1]
	if len(heap) == 0 {
		return first, heap
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(heap) {
			break
		}
		if c+1 < len(heap) && heap[c+1] < heap[c] {
			c++
		}
		if heap[c] >= last {
			break
		}
		heap[i] = heap[c]
		i = c
	}
	heap[i] = last
	return first, heap
}

// hits returns the first k of found. Slots order ties there, IDs do here, also where k cuts a tie.
func (s *searcher) hits(found []uint64, k int) []index.Hit {
	n := min(k, len(found))
	for n > 0 && n < len(found) && found[n]>>32 == found[n-1]>>32 {
		n++
	}
	hits := make([]index.Hit, n)
	for i, key := range found[:n] {
		hits[i] = index.Hit{ID: s.ix.ids[slotOf(key)], Distance: distanceOf(key)}
	}
	for i := 1; i < n; i++ {
		if hits[i].Distance == hits[i-1].Distance {
			slices.SortFunc(hits, func(a, b index.Hit) int {
				return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID))
			})
			break
		}
	}
	return hits[:min(n, k)]
}
