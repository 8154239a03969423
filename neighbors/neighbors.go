// Package neighbors finds exact nearest neighbours by brute force, as matrix products over blocks: the truth that
// everything else is measured against.
//
//	t, err := neighbors.Exact(ctx, queries, base, neighbors.Options{K: 10})
//	ids, distances := t.Row(0)
package neighbors

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/latent-go/latent/vec"
)

// Options say what Exact looks for.
type Options struct {
	K           int        // neighbours wanted for each query
	Metric      vec.Metric // what nearness means
	ExcludeSelf bool       // queries are the base itself: leave row i out of the neighbours of query i

	// Normalized says that all vectors have length 1, so that the distance under Cosine is 1 - a·b, computed in
	// float32, without a division. Of other vectors it is not looked at.
	Normalized bool
	// IDs, if not nil, are what the rows of base are called in the Table, where ties go to the smaller ID.
	IDs []uint32
	// Keep, if not nil, says which rows of base may be neighbours. It is called from many goroutines at once.
	Keep func(row int) bool

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

// Exact returns the o.K nearest rows of base for each row of queries: to the bit what sorting by vec.Metric.Distance
// gives, whatever GOMAXPROCS is. More neighbours than base has (without the query itself, or those not kept) give
// vec.ErrTooFew, differing dimensions vec.ErrDim, values that are not finite, or so large that a distance is not a
// number, vec.ErrNotFinite. Time O(queries·base·d), memory O(queries·K + base).
//
// Matrix products in float32 are fast but lose digits where near vectors are far from the origin. So they only screen:
// a pair is left out if its product, with all rounding held against it, still says that it is too far; all other pairs
// are measured. Where there is no such product (Manhattan), or for few queries, all pairs are.
func Exact(ctx context.Context, queries, base vec.Matrix, o Options) (Table, error) {
	have := base.Rows
	if o.ExcludeSelf {
		have--
	}
	switch {
	case queries.Cols != base.Cols:
		return Table{}, fmt.Errorf("neighbors: queries have %d dimensions, the base %d: %w", queries.Cols, base.Cols, vec.ErrDim)
	case o.K < 1 || o.K > have:
		return Table{}, fmt.Errorf("neighbors: k is %d, the base has %d to choose from: %w", o.K, have, vec.ErrTooFew)
	case o.IDs != nil && len(o.IDs) != base.Rows:
		return Table{}, fmt.Errorf("neighbors: %d IDs for a base of %d rows: %w", len(o.IDs), base.Rows, vec.ErrDim)
	case o.Metric > vec.Manhattan:
		return Table{}, fmt.Errorf("neighbors: no metric %v", o.Metric)
	}
	s := &search{Options: o, queries: queries, base: base}
	s.table = Table{K: o.K, IDs: make([]uint32, queries.Rows*o.K), Distances: make([]float32, queries.Rows*o.K)}
	if err := s.measureNorms(ctx); err != nil {
		return Table{}, err
	}
	if err := s.run(ctx); err != nil {
		return Table{}, err
	}
	return s.table, nil
}

const (
	maxQueries  = 480     // in a block: as many as stay in the level 2 cache at d = 784
	fewQueries  = 6       // in a block so small that packing it does not pay
	chunkRows   = 128     // of base multiplied with a block of queries at a time
	scanValues  = 1 << 16 // of base measured with a block of queries at a time
	minSegment  = 4096    // rows of base that are worth a goroutine
	tasksPerCPU = 3
)

// search is one call of Exact.
type search struct {
	Options
	queries, base vec.Matrix
	table         Table
	qNorms        []float32 // squared, of all queries
	bNorms        []float32
	extreme       bool // values so large or small that products say nothing
	screen        screen

	mu        sync.Mutex
	pairs     float64 // done
	lastShown int
}

// block is some of the queries. Tasks that see a segment of the base each share it.
type block struct {
	lo, hi int
	mu     sync.Mutex
	tops   []*vec.TopK
	left   int // segments still to come
}

func (s *search) run(ctx context.Context) error {
	if s.queries.Rows == 0 {
		return ctx.Err()
	}
	procs := runtime.GOMAXPROCS(0)
	count := (s.queries.Rows + maxQueries - 1) / maxQueries
	segments := min((tasksPerCPU*procs+count-1)/count, (s.base.Rows+minSegment-1)/minSegment)
	if procs == 1 || count >= tasksPerCPU*procs {
		segments = 1
	}
	blocks := make([]*block, count)
	for i := range blocks {
		blocks[i] = &block{lo: i * s.queries.Rows / count, hi: (i + 1) * s.queries.Rows / count, left: segments}
	}
	s.prepareScreen()
	return vec.Blocks(ctx, count*segments, 1, func(task, _ int) error {
		b, segment := blocks[task/segments], task%segments
		tops := make([]*vec.TopK, b.hi-b.lo)
		lo, hi := segment*s.base.Rows/segments, (segment+1)*s.base.Rows/segments
		for i := range tops {
			tops[i] = vec.NewTopK(min(s.K, hi-lo))
		}
		look := s.look
		if !s.extreme && s.Metric != vec.Manhattan && len(tops) > fewQueries {
			look = s.lookByProduct
		}
		if err := look(ctx, b.lo, tops, lo, hi); err != nil {
			return err
		}
		return s.finish(b, tops)
	})
}

// finish takes in what one task found; the last of a block writes the table.
func (s *search) finish(b *block, tops []*vec.TopK) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left--
	switch {
	case b.tops == nil && b.left == 0:
		b.tops = tops
	case b.tops == nil:
		b.tops = make([]*vec.TopK, len(tops))
		for i := range b.tops {
			b.tops[i] = vec.NewTopK(s.K)
		}
		fallthrough
	default:
		for i, t := range tops {
			b.tops[i].Merge(t)
		}
	}
	if b.left > 0 {
		return nil
	}
	for i, t := range b.tops {
		if t.Len() < s.K && s.Keep != nil {
			return fmt.Errorf("neighbors: k is %d, %d rows of the base are to be kept: %w", s.K, t.Len(), vec.ErrTooFew)
		}
		if t.Len() < s.K {
			return fmt.Errorf("neighbors: distances of query %d under %v overflow; scale the vectors down: %w", b.lo+i, s.Metric, vec.ErrNotFinite)
		}
		ids, distances := s.table.Row(b.lo + i)
		t.Append(ids[:0], distances[:0])
	}
	b.tops = nil
	return nil
}

// show tells how much is done, in queries' worth of pairs.
func (s *search) show(pairs int) {
	if s.Progress == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairs += float64(pairs)
	if done := int(s.pairs / float64(s.base.Rows)); done > s.lastShown {
		s.lastShown = done
		s.Progress(done, s.queries.Rows)
	}
}

// look measures the queries from first on, one for each of tops, against rows lo to hi of base.
func (s *search) look(ctx context.Context, first int, tops []*vec.TopK, lo, hi int) error {
	rows := max(1, min(scanValues/(1+s.base.Cols), hi-lo))
	dist, at := make([]float32, rows), make([]uint32, 0, rows)
	for ; lo < hi; lo += rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(lo+rows, hi)
		for j, top := range tops {
			d := dist[:end-lo]
			s.measure(d, first+j, lo)
			at = vec.AtMost(at[:0], d, top.Bound())
			for _, i := range at {
				if row := lo + int(i); s.wanted(first+j, row) {
					top.Push(d[i], s.id(row))
				}
			}
		}
		s.show((end - lo) * len(tops))
	}
	return nil
}

func (s *search) wanted(query, row int) bool {
	return !(s.ExcludeSelf && query == row) && (s.Keep == nil || s.Keep(row))
}

func (s *search) id(row int) uint32 {
	if s.IDs != nil {
		return s.IDs[row]
	}
	return uint32(row)
}

// measure writes the distances of one query to the len(dst) rows of base from row on: bit for bit what
// vec.Metric.Distance returns.
func (s *search) measure(dst []float32, query, row int) {
	q, rows := s.queries.Row(query), s.base.Slice(row, row+len(dst)).Data
	switch s.Metric {
	case vec.Euclidean:
		vec.SquaredL2s(dst, q, rows)
		return
	case vec.Manhattan:
		vec.L1s(dst, q, rows)
		return
	}
	vec.Dots(dst, q, rows)
	switch {
	case s.Metric == vec.InnerProduct:
		for i, v := range dst {
			dst[i] = -v
		}
	case s.Normalized:
		for i, v := range dst {
			dst[i] = 1 - v
		}
	default:
		for i, v := range dst {
			n := math.Sqrt(float64(s.qNorms[query]) * float64(s.bNorms[row+i]))
			if dst[i] = 1; n != 0 {
				dst[i] = float32(1 - float64(v)/n)
			}
		}
	}
}

// measureNorms computes the squared length of each vector, by which it sees bad values too.
func (s *search) measureNorms(ctx context.Context) (err error) {
	if s.qNorms, err = s.norms(ctx, s.queries, "queries"); err != nil {
		return err
	}
	if n := len(s.base.Data); n > 0 && len(s.queries.Data) == n && &s.queries.Data[0] == &s.base.Data[0] {
		s.bNorms = s.qNorms
		return nil
	}
	s.bNorms, err = s.norms(ctx, s.base, "base")
	return err
}

func (s *search) norms(ctx context.Context, x vec.Matrix, name string) ([]float32, error) {
	if len(x.Data) != x.Rows*x.Cols {
		return nil, fmt.Errorf("neighbors: %s: %w", name, x.Check())
	}
	norms := make([]float32, x.Rows)
	var odd bool
	var mu sync.Mutex
	if err := vec.Blocks(ctx, x.Rows, 1+scanValues/(1+x.Cols), func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			v := x.Row(i)
			norms[i] = vec.Dot(v, v)
			if norms[i] >= minNorm && norms[i] <= maxNorm || norms[i] == 0 && allZero(v) {
				continue
			}
			mu.Lock()
			odd = true
			mu.Unlock()
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if odd {
		if err := x.Check(); err != nil {
			return nil, fmt.Errorf("neighbors: %s: %w", name, err)
		}
		s.extreme = true
	}
	return norms, nil
}

func allZero(v []float32) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}
