// Package ivf is the index of inverted lists: vectors are kept by the nearest of some hundred or thousand centroids, and a
// search looks only into the lists whose centroids are nearest to the query. It is built in a fraction of a graph's time,
// has no links to keep, and measures codes in long runs, fastest those that lie in blocks: product quantisation in 4 bits.
//
//	lists, err := ivf.Train(ctx, sample, ivf.Options{Lists: 1024, Metric: vec.Cosine})
//	ix, err := ivf.New(codec, lists)
//	err = ix.Add(ctx, nil, x) // and again, as vectors come: they need not fit into memory together
//	res, err := ix.Search(ctx, q, index.Query{K: 10, Effort: 16}) // of 16 lists
package ivf

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/cluster"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Index holds the codes of each list in one run of memory. It is safe for concurrent use: searches run side by side; an Add
// or Delete waits for those under way before it publishes what it changed.
type Index struct {
	lists *Lists
	codec quantize.Codec
	size  int             // of a code
	as    quantize.Layout // of each list's codes
	rough []byte          // the centroids as codes, to see at a glance which are near; nil where codes do not help

	mu    sync.RWMutex // guards what follows; writers hold writer too, and may read without mu
	store []list
	where map[uint32]place // of each ID; nil until wanted
	count int

	writer sync.Mutex
	last   int64          // largest ID in use, -1 if there is none, or unknown
	file   *artifact.File // whose bytes store is a view of, until the first change

	scanners sync.Pool
}

const unknown = -2

// roughLists is how many lists there are at least where a first look at their codes pays.
const roughLists = 256

// list is the vectors nearest to one centroid.
type list struct {
	ids   []uint32
	codes []byte
	// extra is, of residuals r̂ under Euclidean, |r̂|²+2c·r̂ with c the centroid: with it |q-c-r̂|² is |q-c|² + extra -
	// 2q·r̂, in which the product alone needs the code, and a query needs one scorer for all lists.
	extra []float32
}

type place struct{ list, row uint32 }

// New returns an empty index that stores vectors, or if lists says so residuals, as codes of c. A codec of another
// dimension gives vec.ErrDim.
func New(c quantize.Codec, lists *Lists) (*Index, error) {
	if c.Dim() != lists.Dim() {
		return nil, fmt.Errorf("ivf: the codec has %d dimensions, the lists have %d: %w", c.Dim(), lists.Dim(), vec.ErrDim)
	}
	ix := &Index{lists: lists, codec: c, size: c.CodeSize(), as: quantize.NewLayout(c), store: make([]list, lists.Len()), where: map[uint32]place{}, last: -1}
	if ix.as.Blocks() && !lists.residual && lists.Len() >= roughLists {
		var code []byte
		for i := range lists.Len() {
			code = c.Encode(code[:0], lists.centroids.Row(i))
			ix.rough = ix.as.Append(ix.rough, i, code)
		}
	}
	ix.scanners.New = func() any { return newScanner(ix) }
	return ix, nil
}

// Codec returns the codec of the stored vectors.
func (ix *Index) Codec() quantize.Codec { return ix.codec }

// Lists returns the lists that the index was made with.
func (ix *Index) Lists() *Lists { return ix.lists }

// Dim is the dimension of the vectors.
func (ix *Index) Dim() int { return ix.codec.Dim() }

// Metric is what nearness means.
func (ix *Index) Metric() vec.Metric { return ix.lists.metric }

// Len is the number of vectors stored.
func (ix *Index) Len() int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.count
}

// Sizes returns the number of vectors in each list.
func (ix *Index) Sizes() []int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	sizes := make([]int, len(ix.store))
	for i, l := range ix.store {
		sizes[i] = len(l.ids)
	}
	return sizes
}

// SizeBytes is the memory of codes, IDs and centroids.
func (ix *Index) SizeBytes() int64 {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	n := 4*int64(len(ix.lists.centroids.Data)) + int64(len(ix.rough))
	for _, l := range ix.store {
		n += int64(len(l.codes)) + 4*int64(len(l.ids)) + 4*int64(len(l.extra))
	}
	return n
}

const addRows = 4096 // assigned, encoded and published at a time

// Add is as in [index.Index].
func (ix *Index) Add(ctx context.Context, ids []uint32, x vec.Matrix) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ids != nil && len(ids) != x.Rows {
		return fmt.Errorf("ivf: add: %d IDs for %d vectors: %w", len(ids), x.Rows, index.ErrID)
	}
	if x.Rows == 0 {
		return nil
	}
	if err := ix.check(x); err != nil {
		return fmt.Errorf("ivf: add: %w", err)
	}
	ix.writer.Lock()
	defer ix.writer.Unlock()
	if ids == nil {
		var err error
		if ids, err = index.NextIDs(x.Rows, ix.largest()); err != nil {
			return fmt.Errorf("ivf: add: %w", err)
		}
	}
	ix.thaw()
	for lo := 0; lo < x.Rows; lo += addRows {
		hi := min(lo+addRows, x.Rows)
		e, err := ix.encode(ctx, x.Slice(lo, hi))
		if err != nil {
			return err
		}
		ix.publish(ids[lo:hi], e)
	}
	return nil
}

// check returns why x cannot be added or searched for.
func (ix *Index) check(x vec.Matrix) error { return index.Check(x, ix.Dim(), ix.Metric()) }

// encoded is rows made ready for their lists.
type encoded struct {
	list  []uint32
	codes []byte
	extra []float32 // as in list, or nil
}

func (ix *Index) encode(ctx context.Context, x vec.Matrix) (e encoded, err error) {
	if ix.Metric() == vec.Cosine {
		x = normalized(x)
	}
	if e.list, err = ix.lists.assign(ctx, x); err != nil {
		return e, err
	}
	e.codes = make([]byte, x.Rows*ix.size)
	if ix.hasExtra() {
		e.extra = make([]float32, x.Rows)
	}
	return e, vec.Blocks(ctx, x.Rows, 256, func(lo, hi int) error {
		residual := make([]float32, x.Cols)
		for i := lo; i < hi; i++ {
			v, code := x.Row(i), e.codes[i*ix.size:(i+1)*ix.size]
			if ix.lists.residual {
				c := ix.lists.centroids.Row(int(e.list[i]))
				copy(residual, v)
				vec.AddScaled(residual, c, -1)
				v = residual
			}
			ix.codec.Encode(code[:0], v)
			if e.extra != nil {
				r := ix.codec.Decode(residual, code)
				e.extra[i] = vec.Dot(r, r) + 2*vec.Dot(ix.lists.centroids.Row(int(e.list[i])), r)
			}
		}
		return nil
	})
}

func (ix *Index) hasExtra() bool { return ix.lists.residual && ix.Metric() == vec.Euclidean }

func normalized(x vec.Matrix) vec.Matrix {
	unit := vec.NewMatrix(x.Rows, x.Cols)
	for i := range x.Rows {
		vec.Normalize(unit.Row(i), x.Row(i))
	}
	return unit
}

// publish stores rows under ids.
func (ix *Index) publish(ids []uint32, e encoded) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for i, id := range ids {
		if at, used := ix.where[id]; used {
			ix.remove(at)
		}
		l := &ix.store[e.list[i]]
		row := len(l.ids)
		ix.where[id] = place{e.list[i], uint32(row)}
		l.ids = append(l.ids, id)
		ix.count++
		if e.extra != nil {
			l.extra = append(l.extra, e.extra[i])
		}
		l.codes = ix.as.Append(l.codes, row, e.codes[i*ix.size:(i+1)*ix.size])
		if ix.last != unknown {
			ix.last = max(ix.last, int64(id))
		}
	}
}

// remove takes a row out of its list, where the last takes its place.
func (ix *Index) remove(at place) {
	l := &ix.store[at.list]
	row, end := int(at.row), len(l.ids)-1
	delete(ix.where, l.ids[row])
	if row < end {
		l.ids[row] = l.ids[end]
		ix.where[l.ids[row]] = at
		if l.extra != nil {
			l.extra[row] = l.extra[end]
		}
		ix.as.Put(l.codes, row, ix.as.Code(l.codes, end))
	}
	l.ids = l.ids[:end]
	l.extra = l.extra[:min(end, len(l.extra))]
	l.codes = ix.as.Drop(l.codes, end+1)
	ix.count--
}

// Delete is as in [index.Index].
func (ix *Index) Delete(ids ...uint32) int {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	ix.locate()
	if !slices.ContainsFunc(ids, func(id uint32) bool { _, used := ix.where[id]; return used }) {
		return 0
	}
	ix.thaw()
	ix.mu.Lock()
	defer ix.mu.Unlock()
	n := 0
	for _, id := range ids {
		at, used := ix.where[id]
		if !used {
			continue
		}
		n++
		ix.remove(at)
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
		for _, l := range ix.store {
			for _, id := range l.ids {
				ix.last = max(ix.last, int64(id))
			}
		}
	}
	return ix.last
}

// locate sees to it that ix.where knows each ID. Its caller holds writer.
func (ix *Index) locate() {
	if ix.where != nil {
		return
	}
	where := make(map[uint32]place, ix.count)
	for i, l := range ix.store {
		for row, id := range l.ids {
			where[id] = place{uint32(i), uint32(row)}
		}
	}
	ix.mu.Lock()
	ix.where = where
	ix.mu.Unlock()
}

// Vector is as in [index.Index].
func (ix *Index) Vector(id uint32) ([]float32, bool) {
	ix.mu.RLock()
	if ix.where == nil {
		ix.mu.RUnlock()
		ix.writer.Lock()
		ix.locate()
		ix.writer.Unlock()
		ix.mu.RLock()
	}
	defer ix.mu.RUnlock()
	at, used := ix.where[id]
	if !used {
		return nil, false
	}
	v := ix.codec.Decode(nil, ix.as.Code(ix.store[at.list].codes, int(at.row)))
	if ix.lists.residual {
		vec.AddScaled(v, ix.lists.centroids.Row(int(at.list)), 1)
	}
	return v, true
}

// Lists are the centroids of an index's lists. They are immutable and safe for concurrent use.
type Lists struct {
	centroids vec.Matrix // of length 1 under cosine
	metric    vec.Metric
	residual  bool
}

// Options say what Train makes. The zero Options are for Euclidean distance, and vectors stored as they are.
type Options struct {
	Lists  int        // 0 is 2√n, n being the rows trained on
	Metric vec.Metric // of the index

	// Residual is for codes of what a vector differs in from its centroid, which is less: the codec must be fitted on
	// [Lists.Residuals]. It costs 4 bytes a vector under Euclidean, under Manhattan new tables for each list.
	Residual bool

	Seed     uint64                // same seed, same lists
	Progress func(done, total int) // iterations, if not nil
}

const (
	perList    = 64 // rows to train on for each list
	iterations = 12
)

// Train finds centroids for lists of vectors like the rows of x, n×d, by k-means, spherical under cosine, on at most 64
// rows a list. A sample of what will be stored is enough. Fewer rows than lists give vec.ErrTooFew, values that are not
// finite vec.ErrNotFinite, a zero row under cosine vec.ErrZero. A metric that vec does not have panics.
func Train(ctx context.Context, x vec.Matrix, o Options) (*Lists, error) {
	if o.Metric > vec.Manhattan {
		panic("ivf: no " + o.Metric.String())
	}
	if o.Lists == 0 {
		o.Lists = max(1, int(2*math.Sqrt(float64(x.Rows))))
		o.Lists = min(o.Lists, max(1, x.Rows))
	}
	r, err := cluster.KMeans(ctx, x, cluster.Options{K: o.Lists, Iterations: iterations, Tolerance: 1e-3, Sample: perList,
		Seed: o.Seed, Spherical: o.Metric == vec.Cosine, Progress: o.Progress})
	if err != nil {
		return nil, fmt.Errorf("ivf: train: %w", err)
	}
	return &Lists{r.Centroids, o.Metric, o.Residual}, nil
}

// Len is the number of lists.
func (l *Lists) Len() int { return l.centroids.Rows }

// Dim is the dimension of the vectors.
func (l *Lists) Dim() int { return l.centroids.Cols }

// Centroids returns a view of the centroids, one a row; it must not be written to.
func (l *Lists) Centroids() vec.Matrix { return l.centroids }

// Residuals returns the rows of x less their centroids, as an index with Options.Residual encodes them: what its codec is
// to be fitted on. Under cosine rows are taken to length 1 first. Rows of another dimension give vec.ErrDim, values that
// are not finite vec.ErrNotFinite.
func (l *Lists) Residuals(ctx context.Context, x vec.Matrix) (vec.Matrix, error) {
	if err := x.Check(); err != nil {
		return vec.Matrix{}, fmt.Errorf("ivf: residuals: %w", err)
	}
	if l.metric == vec.Cosine {
		x = normalized(x)
	}
	at, _, err := cluster.Assign(ctx, x, l.centroids)
	if err != nil {
		return vec.Matrix{}, fmt.Errorf("ivf: residuals: %w", err)
	}
	r := x.Clone()
	for i, c := range at {
		vec.AddScaled(r.Row(i), l.centroids.Row(int(c)), -1)
	}
	return r, nil
}

// assign returns the list of each row of x, the one whose centroid is nearest by Euclidean distance whatever the metric.
func (l *Lists) assign(ctx context.Context, x vec.Matrix) ([]uint32, error) {
	const few = 4 // rows for which to make matrices ready does not pay
	if x.Rows > few {
		at, _, err := cluster.Assign(ctx, x, l.centroids)
		return at, err
	}
	at, d, zero := make([]uint32, x.Rows), make([]float32, l.Len()), make([]float32, l.Len())
	for i := range at {
		vec.SquaredL2s(d, x.Row(i), l.centroids.Data)
		at[i] = uint32(vec.ArgMinSum(d, zero, 1))
	}
	return at, nil
}
