package collection

import (
	"context"
	"math"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// slotHit is one slot that a search found.
type slotHit struct {
	slot  uint32
	score float32 // as in Hit
}

// nearest returns the k slots nearest to q under the dense vector of a name, nearest first, ties by the older slot. keep, if
// not nil, says which slots may be returned; it is not changed, and may have slots that are not live.
func (v *view) nearest(ctx context.Context, name string, q point.Vector, k int, p Params, keep *roaring.Bitmap) ([]slotHit, error) {
	s, ok := v.spaces[name]
	if !ok {
		return nil, noVector(name)
	}
	q, err := admit(q, s.config)
	if err != nil {
		return nil, err
	}
	if k < 1 || v.live.IsEmpty() {
		return nil, ctx.Err()
	}
	m := &measure{s: s, q: q}
	slots := v.live
	if keep != nil {
		slots = roaring.And(keep, v.live)
	}
	if !s.missing.IsEmpty() {
		slots = roaring.AndNot(slots, s.missing)
	}
	top, err := s.search(ctx, m, slots, keep != nil, k, p)
	if err != nil {
		return nil, err
	}
	ids, distances := top.Append(nil, nil)
	hits := make([]slotHit, len(ids))
	for i, id := range ids {
		hits[i] = slotHit{id, s.score(distances[i])}
	}
	return hits, nil
}

// score is the score that stands for a distance.
func (s *spaceView) score(d float32) float32 {
	switch s.config.Distance {
	case vec.Cosine, vec.InnerProduct:
		return -d
	case vec.Euclidean:
		return float32(math.Sqrt(math.Abs(float64(d))))
	}
	return float32(math.Abs(float64(d)))
}

// larger says that of two scores under this vector the larger is the nearer.
func (s *spaceView) larger() bool {
	return s.config.Distance == vec.Cosine || s.config.Distance == vec.InnerProduct
}

// measure measures a query against slots. It is safe for concurrent use.
type measure struct {
	s *spaceView
	q point.Vector // as admitted
}

// distances writes to dst[i] the distance to slots[i], all of one chunk: minus the inner product under cosine, where rows have
// length 1, and of several vectors minus the sum over the query's of the best of the point's.
func (m *measure) distances(dst []float32, slots []uint32) {
	if m.s.config.Multi {
		for i, slot := range slots {
			dst[i] = m.maxSim(m.s.multi(slot))
		}
		return
	}
	var at [scanBlock]uint32
	for i, slot := range slots {
		at[i] = slot & chunkMask
	}
	rows := m.s.chunks[slots[0]>>chunkBits].rows
	metricAt(m.s.config.Distance, dst, m.q.Dense, rows, at[:len(slots)])
}

const scanBlock = 256

func metricAt(metric vec.Metric, dst, q, rows []float32, at []uint32) {
	switch metric {
	case vec.Euclidean:
		vec.SquaredL2sAt(dst, q, rows, at)
	case vec.Manhattan:
		vec.L1sAt(dst, q, rows, at)
	default:
		vec.DotsAt(dst, q, rows, at)
		for i := range dst {
			dst[i] = -dst[i]
		}
	}
}

// maxSim is the distance of several vectors, after Khattab and Zaharia 2020 (ColBERT): Σ over the query's of the least
// distance to one of rows.
func (m *measure) maxSim(rows vec.Matrix) float32 {
	var buf [64]float32
	d := buf[:]
	if rows.Rows > len(d) {
		d = make([]float32, rows.Rows)
	}
	d = d[:rows.Rows]
	var sum float32
	for _, q := range m.q.Multi {
		switch m.s.config.Distance {
		case vec.Euclidean:
			vec.SquaredL2s(d, q, rows.Data)
		case vec.Manhattan:
			vec.L1s(d, q, rows.Data)
		default:
			vec.Dots(d, q, rows.Data)
			for i := range d {
				d[i] = -d[i]
			}
		}
		best := d[0]
		for _, x := range d[1:] {
			best = min(best, x)
		}
		sum += best
	}
	return sum
}

// search finds the k nearest of some slots, all of which have the vector.
func (s *spaceView) search(ctx context.Context, m *measure, slots *roaring.Bitmap, filtered bool, k int, p Params) (*vec.TopK, error) {
	if s.index == nil || p.Exact || s.scanIsCheaper(slots, filtered, k, p) {
		return m.exact(ctx, slots, k)
	}
	hits, err := s.candidates(ctx, m, slots, filtered, k, p)
	if err != nil {
		return nil, err
	}
	top := vec.NewTopK(k)
	if !p.IndexedOnly && slots.Maximum() >= s.reach { // of no slots at all, all was scanned
		tail := roaring.New()
		tail.AddRange(uint64(s.reach), uint64(slots.Maximum())+1) // and not 1<<32: a range has a container for each 65,536
		tail.And(slots)
		if top, err = m.exact(ctx, tail, k); err != nil {
			return nil, err
		}
	}
	var d [1]float32
	for _, h := range hits {
		if d[0] = h.Distance; !p.NoRescore || s.config.Multi {
			m.distances(d[:], []uint32{h.ID})
		}
		top.Push(d[0], h.ID)
	}
	return top, nil
}

// scanIsCheaper says whether to look at all slots costs less than to ask the index. A walk through a graph measures about
// 16 nodes for each of the effort nearest it keeps; with a filter that lets one in r through it meets r times as many.
// Rows one after another are measured about twice as fast as nodes here and there.
func (s *spaceView) scanIsCheaper(slots *roaring.Bitmap, filtered bool, k int, p Params) bool {
	n := float64(slots.GetCardinality())
	walk := 16 * float64(max(s.effort(p), k))
	if filtered && n > 0 {
		walk *= float64(s.reach) / n
	}
	return n/2 <= walk
}

// effort is what a search of the index is asked for.
func (s *spaceView) effort(p Params) int {
	switch {
	case p.Effort > 0:
		return p.Effort
	case s.config.Effort > 0:
		return s.config.Effort
	}
	return defaultEffort
}

// parallelScan is how many numbers a scan has to look at for it to use several processors.
const parallelScan = 1 << 22

// exact measures all slots.
func (m *measure) exact(ctx context.Context, slots *roaring.Bitmap, k int) (*vec.TopK, error) {
	n := int(slots.GetCardinality())
	top := vec.NewTopK(k)
	if n == 0 {
		return top, ctx.Err()
	}
	if n*m.s.config.Size < parallelScan {
		return top, m.scan(ctx, top, slots.ManyIterator(), math.MaxUint32)
	}
	var mu sync.Mutex
	first := int(slots.Minimum() >> chunkBits)
	chunks := int(slots.Maximum()>>chunkBits) - first + 1
	err := vec.Blocks(ctx, chunks, 1, func(lo, hi int) error {
		from := uint32(first+lo) << chunkBits
		if !slots.IntersectsWithInterval(uint64(from), uint64(from)+chunkRows) {
			return nil
		}
		part := vec.NewTopK(min(k, chunkRows))
		if err := m.scan(ctx, part, startingAt(slots, from), from+chunkMask); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		top.Merge(part)
		return nil
	})
	return top, err
}

// many is what roaring's iterators of many values have.
type many interface{ NextMany([]uint32) int }

// startingAt iterates over the slots from one on.
func startingAt(slots *roaring.Bitmap, from uint32) many {
	it := slots.Iterator()
	it.AdvanceIfNeeded(from)
	return oneByOne{it}
}

type oneByOne struct{ it roaring.IntPeekable }

func (o oneByOne) NextMany(buf []uint32) int {
	n := 0
	for n < len(buf) && o.it.HasNext() {
		buf[n] = o.it.Next()
		n++
	}
	return n
}

// scan shows top the slots that it gives, up to last.
func (m *measure) scan(ctx context.Context, top *vec.TopK, it many, last uint32) error {
	var slots [scanBlock]uint32
	var dist [scanBlock]float32
	for done := false; !done; {
		n := it.NextMany(slots[:])
		if n == 0 || slots[0] > last {
			break
		}
		for n > 0 && slots[n-1] > last {
			n--
			done = true
		}
		for lo := 0; lo < n; {
			hi := lo + 1
			for hi < n && slots[hi]>>chunkBits == slots[lo]>>chunkBits {
				hi++
			}
			m.distances(dist[:hi-lo], slots[lo:hi])
			top.PushAll(dist[:hi-lo], slots[lo:hi])
			lo = hi
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
