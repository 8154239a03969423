// Package flat is the index that looks at every vector: exact over the vectors themselves, and over codes as exact as
// these. It is the truth that other indexes are tested against, and up to some ten thousand vectors the fastest.
//
//	ix := flat.New(scalar.Float32(768), vec.Cosine)
//	err := ix.Add(ctx, nil, x)
//	res, err := ix.Search(ctx, q, index.Query{K: 10})
package flat

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/internal/pages"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Index holds codes in one run of memory, without gaps. It is safe for concurrent use: searches run side by side; an Add
// or Delete waits for those under way before it publishes what it changed.
type Index struct {
	codec   quantize.Codec
	metric  vec.Metric
	size    int // of a code
	as      quantize.Layout
	isFloat bool // codes are the vectors themselves, as they lie in memory

	mu    sync.RWMutex // guards codes, ids, plain and rows; writers hold writer too, and may read without mu
	codes []byte
	ids   []uint32       // of the caller, one a row
	plain bool           // IDs are 0, 1, …, each that of its row; then rows is nil
	rows  map[uint32]int // row of each ID; nil until wanted

	writer sync.Mutex
	last   int64          // largest ID in use, -1 if there is none, or unknown
	file   *artifact.File // whose bytes codes and ids are a view of, until the first change

	scanners sync.Pool
}

const unknown = -2

// New returns an empty index that stores vectors as codes of c. A metric that vec does not have panics.
func New(c quantize.Codec, m vec.Metric) *Index {
	if m > vec.Manhattan {
		panic("flat: no " + m.String())
	}
	ix := &Index{codec: c, metric: m, size: c.CodeSize(), as: quantize.NewLayout(c), isFloat: quantize.KeepsFloats(c), plain: true, last: -1}
	ix.scanners.New = func() any {
		q := make([]float32, c.Dim())
		return &scanner{q: q, scorer: c.Scorer(m, q), dist: make([]float32, scanRows)}
	}
	return ix
}

// Codec returns the codec of the stored vectors.
func (ix *Index) Codec() quantize.Codec { return ix.codec }

// Dim is the dimension of the vectors.
func (ix *Index) Dim() int { return ix.codec.Dim() }

// Metric is what nearness means.
func (ix *Index) Metric() vec.Metric { return ix.metric }

// Len is the number of vectors stored.
func (ix *Index) Len() int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return len(ix.ids)
}

// SizeBytes is the memory of codes and IDs.
func (ix *Index) SizeBytes() int64 {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return int64(len(ix.codes)) + 4*int64(len(ix.ids))
}

const addRows = 4096 // encoded and published at a time

// Add is as in [index.Index].
func (ix *Index) Add(ctx context.Context, ids []uint32, x vec.Matrix) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ids != nil && len(ids) != x.Rows {
		return fmt.Errorf("flat: add: %d IDs for %d vectors: %w", len(ids), x.Rows, index.ErrID)
	}
	if x.Rows == 0 {
		return nil
	}
	if err := ix.check(x); err != nil {
		return fmt.Errorf("flat: add: %w", err)
	}
	ix.writer.Lock()
	defer ix.writer.Unlock()
	if ids == nil {
		var err error
		if ids, err = index.NextIDs(x.Rows, ix.largest()); err != nil {
			return fmt.Errorf("flat: add: %w", err)
		}
	}
	ix.thaw()
	codes := make([]byte, min(x.Rows, addRows)*ix.size)
	for lo := 0; lo < x.Rows; lo += addRows {
		hi := min(lo+addRows, x.Rows)
		if err := ix.encode(ctx, codes, x.Slice(lo, hi)); err != nil {
			return err
		}
		ix.publish(ids[lo:hi], codes)
	}
	return nil
}

// Grow is as in [index.Grower].
func (ix *Index) Grow(n int) {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	ix.thaw()
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.grow(n)
}

func (ix *Index) grow(n int) {
	ix.codes = pages.Grown(ix.codes, ix.as.Bytes(len(ix.ids)+n))[:len(ix.codes)]
}

// check returns why x cannot be added or searched for.
func (ix *Index) check(x vec.Matrix) error { return index.Check(x, ix.Dim(), ix.Metric()) }

// encode writes the codes of the rows of x one after another.
func (ix *Index) encode(ctx context.Context, codes []byte, x vec.Matrix) error {
	return vec.Blocks(ctx, x.Rows, 256, func(lo, hi int) error {
		var unit []float32
		if ix.metric == vec.Cosine {
			unit = make([]float32, x.Cols)
		}
		for i := lo; i < hi; i++ {
			v := x.Row(i)
			if unit != nil {
				vec.Normalize(unit, v)
				v = unit
			}
			ix.codec.Encode(codes[i*ix.size:i*ix.size:(i+1)*ix.size], v)
		}
		return nil
	})
}

// publish stores codes under ids.
func (ix *Index) publish(ids []uint32, codes []byte) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.grow(len(ids))
	for i, id := range ids {
		code := codes[i*ix.size : (i+1)*ix.size]
		if row, used := ix.row(id); used {
			ix.as.Put(ix.codes, row, code)
			continue
		}
		if ix.plain && int(id) != len(ix.ids) {
			ix.plain, ix.rows = false, rowsOf(ix.ids)
		}
		if !ix.plain {
			ix.rows[id] = len(ix.ids)
		}
		ix.codes = ix.as.Append(ix.codes, len(ix.ids), code)
		ix.ids = append(ix.ids, id)
		if ix.last != unknown {
			ix.last = max(ix.last, int64(id))
		}
	}
}

// Delete is as in [index.Index]. The last vector takes the place of the one deleted.
func (ix *Index) Delete(ids ...uint32) int {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	ix.locate()
	if !slices.ContainsFunc(ids, func(id uint32) bool { _, used := ix.row(id); return used }) {
		return 0
	}
	ix.thaw()
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.plain {
		ix.plain, ix.rows = false, rowsOf(ix.ids)
	}
	n := 0
	for _, id := range ids {
		row, used := ix.rows[id]
		if !used {
			continue
		}
		n++
		delete(ix.rows, id)
		end := len(ix.ids) - 1
		if row < end {
			ix.ids[row] = ix.ids[end]
			ix.rows[ix.ids[row]] = row
			ix.as.Put(ix.codes, row, ix.as.Code(ix.codes, end))
		}
		ix.codes = ix.as.Drop(ix.codes, end+1)
		ix.ids = ix.ids[:end]
		if int64(id) == ix.last {
			ix.last = unknown
		}
	}
	return n
}

// largest returns the largest ID in use, or -1.
func (ix *Index) largest() int64 {
	if ix.last == unknown {
		ix.last = -1
		for _, id := range ix.ids {
			ix.last = max(ix.last, int64(id))
		}
	}
	return ix.last
}

// row is where an ID is, if it is in use. IDs must be located.
func (ix *Index) row(id uint32) (int, bool) {
	if ix.plain {
		return int(id), int(id) < len(ix.ids)
	}
	row, used := ix.rows[id]
	return row, used
}

func (ix *Index) located() bool { return ix.plain || ix.rows != nil }

// locate sees to it that row can tell where each ID is. Its caller holds writer.
func (ix *Index) locate() {
	if ix.located() {
		return
	}
	plain, rows := true, map[uint32]int(nil)
	for row, id := range ix.ids {
		plain = plain && int(id) == row
	}
	if !plain {
		rows = rowsOf(ix.ids)
	}
	ix.mu.Lock()
	ix.plain, ix.rows = plain, rows
	ix.mu.Unlock()
}

func rowsOf(ids []uint32) map[uint32]int {
	rows := make(map[uint32]int, len(ids))
	for row, id := range ids {
		rows[id] = row
	}
	return rows
}

// readLocated locks for reading, with IDs located.
func (ix *Index) readLocated() {
	ix.mu.RLock()
	if !ix.located() {
		ix.mu.RUnlock()
		ix.writer.Lock()
		ix.locate()
		ix.writer.Unlock()
		ix.mu.RLock()
	}
}

// Vector is as in [index.Index].
func (ix *Index) Vector(id uint32) ([]float32, bool) {
	ix.readLocated()
	defer ix.mu.RUnlock()
	row, used := ix.row(id)
	if !used {
		return nil, false
	}
	return ix.codec.Decode(nil, ix.as.Code(ix.codes, row)), true
}

// Search is as in [index.Index]. It measures all vectors, large stores on all processors. Query.Keep is asked only
// about those that would be hits, and must not call the index.
func (ix *Index) Search(ctx context.Context, v []float32, q index.Query) (index.Result, error) {
	if err := ctx.Err(); err != nil {
		return index.Result{}, err
	}
	if q.K < 1 {
		return index.Result{}, fmt.Errorf("flat: search for %d neighbours; 1 or more make sense: %w", q.K, index.ErrQuery)
	}
	if err := ix.check(vec.Matrix{Rows: 1, Cols: len(v), Data: v}); err != nil {
		return index.Result{}, fmt.Errorf("flat: search: %w", err)
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	n := len(ix.ids)
	if n == 0 {
		return index.Result{}, nil
	}
	k := min(q.K, n)
	s := ix.scanner(v, k)
	defer ix.scanners.Put(s)
	size := n
	if procs := runtime.GOMAXPROCS(0); procs > 1 && q.Keep == nil { // Keep belongs to this goroutine
		size = ix.as.Whole(max((n+procs-1)/procs, shareBytes/ix.size+1))
	}
	if size >= n {
		var keep func(row int) bool
		if q.Keep != nil {
			keep = func(row int) bool { return q.Keep(ix.ids[row]) }
		}
		if err := s.scan(ctx, ix, 0, n, keep); err != nil {
			return index.Result{}, err
		}
	} else {
		var merge sync.Mutex
		if err := vec.Blocks(ctx, n, size, func(lo, hi int) error {
			part := ix.scanner(v, min(k, hi-lo))
			defer ix.scanners.Put(part)
			err := part.scan(ctx, ix, lo, hi, nil)
			merge.Lock()
			defer merge.Unlock()
			s.top.Merge(part.top)
			return err
		}); err != nil {
			return index.Result{}, err
		}
	}
	return index.Result{Hits: s.hits(), Distances: n}, nil
}

// SearchBatch is Search for each row of queries, with the same answers, several times faster: as matrix products if the
// codes are float32, and otherwise with each block of codes measured for many queries while it is in the cache.
// Query.Keep is asked once about every ID. The first bad query fails them all.
func (ix *Index) SearchBatch(ctx context.Context, queries vec.Matrix, q index.Query) ([]index.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.K < 1 {
		return nil, fmt.Errorf("flat: search for %d neighbours; 1 or more make sense: %w", q.K, index.ErrQuery)
	}
	results := make([]index.Result, queries.Rows)
	if queries.Rows == 0 {
		return results, nil
	}
	if err := ix.check(queries); err != nil {
		return nil, fmt.Errorf("flat: search: %w", err)
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	n := len(ix.ids)
	k := min(q.K, n)
	var keep func(row int) bool
	if q.Keep != nil {
		kept, count := make([]bool, n), 0
		for row, id := range ix.ids {
			if kept[row] = q.Keep(id); kept[row] {
				count++
			}
		}
		k = min(k, count)
		keep = func(row int) bool { return kept[row] }
	}
	if k == 0 {
		return results, nil
	}
	if base, ok := ix.floats(); ok {
		return results, ix.multiply(ctx, results, queries, base, k, keep)
	}
	// Few enough queries that the processors share them evenly, many enough that codes are read rarely.
	size := max(1, min(32, queries.Rows/(4*runtime.GOMAXPROCS(0))))
	err := vec.Blocks(ctx, queries.Rows, size, func(lo, hi int) error {
		var group []*scanner
		for i := lo; i < hi; i++ {
			group = append(group, ix.scanner(queries.Row(i), k))
		}
		rows := ix.as.Whole(cacheBytes/ix.size + 1)
		for at := 0; at < n; at += rows {
			for _, s := range group {
				if err := s.scan(ctx, ix, at, min(at+rows, n), keep); err != nil {
					return err
				}
			}
		}
		for i, s := range group {
			results[lo+i] = index.Result{Hits: s.hits(), Distances: n}
			ix.scanners.Put(s)
		}
		return nil
	})
	return results, err
}

// floats returns the codes as the matrix they are, if they are.
func (ix *Index) floats() (vec.Matrix, bool) {
	p := unsafe.Pointer(unsafe.SliceData(ix.codes))
	if !ix.isFloat || uintptr(p)%unsafe.Alignof(float32(0)) != 0 {
		return vec.Matrix{}, false
	}
	return vec.Matrix{Rows: len(ix.ids), Cols: ix.Dim(), Data: unsafe.Slice((*float32)(p), len(ix.codes)/4)}, true
}

// multiply is SearchBatch over the vectors themselves.
func (ix *Index) multiply(ctx context.Context, results []index.Result, queries, base vec.Matrix, k int, keep func(row int) bool) error {
	if ix.metric == vec.Cosine {
		unit := vec.NewMatrix(queries.Rows, queries.Cols)
		for i := range queries.Rows {
			vec.Normalize(unit.Row(i), queries.Row(i))
		}
		queries = unit
	}
	t, err := neighbors.Exact(ctx, queries, base, neighbors.Options{K: k, Metric: ix.metric, Normalized: true, IDs: ix.ids, Keep: keep})
	if err != nil {
		return err
	}
	hits := make([]index.Hit, len(t.IDs))
	for i, id := range t.IDs {
		hits[i] = index.Hit{ID: id, Distance: t.Distances[i]}
	}
	for i := range results {
		results[i] = index.Result{Hits: hits[i*k : (i+1)*k : (i+1)*k], Distances: base.Rows}
	}
	return nil
}

// Nearest returns the k nearest to v of the stored vectors that ids name, nearest first; IDs not in use are left out. Of v and
// k it asks what Search does.
func (ix *Index) Nearest(v []float32, k int, ids []uint32) ([]index.Hit, error) {
	res, err := ix.NearestBounded(v, k, ids, nil)
	return res.Hits, err
}

// NearestBounded is Nearest where the distance of ids[i] is known not to be less than bounds[i], as by [Index.Bounds] of an
// index over codes: those that could not be among the k nearest any more are not read. Let the likely ones come first.
func (ix *Index) NearestBounded(v []float32, k int, ids []uint32, bounds []float32) (index.Result, error) {
	if k < 1 {
		return index.Result{}, fmt.Errorf("flat: nearest %d of some; 1 or more make sense: %w", k, index.ErrQuery)
	}
	if bounds != nil && len(bounds) != len(ids) {
		return index.Result{}, fmt.Errorf("flat: nearest: %d bounds for %d IDs: %w", len(bounds), len(ids), index.ErrID)
	}
	if err := ix.check(vec.Matrix{Rows: 1, Cols: len(v), Data: v}); err != nil {
		return index.Result{}, fmt.Errorf("flat: nearest: %w", err)
	}
	if len(ids) == 0 {
		return index.Result{}, nil
	}
	ix.readLocated()
	defer ix.mu.RUnlock()
	s := ix.scanner(v, min(k, len(ids)))
	defer ix.scanners.Put(s)
	size := scanRows
	if bounds != nil {
		size = boundRows
	}
	measured := 0
	for lo := 0; lo < len(ids); lo += size {
		s.ids, s.at = s.ids[:0], s.at[:0]
		worst := s.top.Bound()
		for i, id := range ids[lo:min(lo+size, len(ids))] {
			if bounds != nil && bounds[lo+i] > worst {
				continue
			}
			if row, used := ix.row(id); used {
				s.ids, s.at = append(s.ids, id), append(s.at, uint32(row))
			}
		}
		dist := s.dist[:len(s.at)]
		ix.as.DistancesAt(s.scorer, dist, ix.codes, s.at)
		s.top.PushAll(dist, s.ids)
		measured += len(s.at)
	}
	return index.Result{Hits: s.hits(), Distances: measured}, nil
}

// Bounds returns what the true distances from v to the vectors of ids are hardly ever less than, as the codec tells it: epsilon
// standard deviations below the distances that Search finds, and -Inf for an ID not in use. It returns nil if the codec cannot
// tell. Of v it asks what Search does.
func (ix *Index) Bounds(v []float32, ids []uint32, epsilon float32) ([]float32, error) {
	if err := ix.check(vec.Matrix{Rows: 1, Cols: len(v), Data: v}); err != nil {
		return nil, fmt.Errorf("flat: bounds: %w", err)
	}
	ix.readLocated()
	defer ix.mu.RUnlock()
	s := ix.scanners.Get().(*scanner)
	defer ix.scanners.Put(s)
	scorer, ok := s.scorer.(quantize.BoundScorer)
	if !ok || ix.as.Blocks() {
		return nil, nil
	}
	ix.reset(s, v, 1)
	bounds, at := make([]float32, len(ids)), []uint32{0}
	var distance [1]float32
	for i, id := range ids {
		row, used := ix.row(id)
		if !used {
			bounds[i] = float32(math.Inf(-1))
			continue
		}
		at[0] = uint32(row)
		scorer.BoundsAt(distance[:], bounds[i:i+1], ix.codes, at, epsilon)
	}
	return bounds, nil
}

const (
	scanRows   = 512     // measured at a time, whole blocks
	boundRows  = 32      // measured at a time where bounds say which
	shareBytes = 1 << 20 // of codes, below which a scan is not worth a goroutine
	cacheBytes = 1 << 18 // of codes that many queries scan in turn
)

// scanner holds what one scan needs.
type scanner struct {
	q      []float32
	scorer quantize.Scorer
	dist   []float32
	at     []uint32
	ids    []uint32
	top    *vec.TopK
}

// scanner returns one ready for v.
func (ix *Index) scanner(v []float32, k int) *scanner {
	s := ix.scanners.Get().(*scanner)
	ix.reset(s, v, k)
	return s
}

func (ix *Index) reset(s *scanner, v []float32, k int) {
	if ix.metric == vec.Cosine {
		vec.Normalize(s.q, v)
	} else {
		copy(s.q, v)
	}
	s.scorer.Reset(s.q)
	s.top = s.top.For(k)
}

// scan measures rows lo to hi.
func (s *scanner) scan(ctx context.Context, ix *Index, lo, hi int, keep func(row int) bool) error {
	for ; lo < hi; lo += scanRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(lo+scanRows, hi)
		dist, ids := s.dist[:end-lo], ix.ids[lo:end]
		ix.as.Distances(s.scorer, s.dist, ix.codes, lo, end)
		if keep == nil {
			s.top.PushAll(dist, ids)
			continue
		}
		s.at = vec.AtMost(s.at[:0], dist, s.top.Bound())
		for _, i := range s.at {
			if dist[i] <= s.top.Bound() && keep(lo+int(i)) {
				s.top.Push(dist[i], ids[i])
			}
		}
	}
	return nil
}

func (s *scanner) hits() []index.Hit {
	n := s.top.Len()
	ids, distances := s.top.Append(make([]uint32, 0, n), make([]float32, 0, n))
	hits := make([]index.Hit, len(ids))
	for i := range hits {
		hits[i] = index.Hit{ID: ids[i], Distance: distances[i]}
	}
	return hits
}
