// Package indextest checks that an index keeps the promises of [index.Index]. Each member of the family runs it:
//
//	func TestIndex(t *testing.T) {
//		indextest.Run(t, func(t *testing.T, dim int, m vec.Metric) index.Index {
//			return flat.New(scalar.Float32(dim), m)
//		}, indextest.Options{})
//	}
//
// For each metric it checks that
//   - an empty index has no hits, no errors, and can be saved;
//   - nil IDs follow the largest in use, an ID in use is replaced, the last row of an ID stays;
//   - what was deleted is counted, never found again, and can be stored again;
//   - hits come nearest first, ties by smaller ID, none twice, each with the distance of its vector;
//   - recall@10 against brute force is at least [Options.Recall];
//   - Keep leaves out what it should and nothing else, and is not asked from another goroutine;
//   - K beyond Len returns all, K below 1 is refused;
//   - bad vectors, queries and IDs are refused with the error promised, and nothing changed;
//   - a cancelled context is obeyed;
//   - vectors, IDs and queries are neither changed nor kept;
//   - the same search gives the same result twice;
//   - after random adds, replacements and deletes it holds what a map would hold;
//   - a saved index answers as the one it came from, can be changed, is the same file when saved again, and a file
//     that is cut short or damaged gives an error or the same answers;
//   - searches that overlap adds and deletes see each vector whole. Run this one with -race.
package indextest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/vec"
)

// Options say what to expect of the index. The zero Options expect an exact one.
type Options struct {
	// Metrics are those to run with; nil means all.
	Metrics []vec.Metric
	// Recall is the least recall@10, averaged over 100 queries; 0 means 1.
	Recall float64
	// Effort goes into every query.
	Effort int
	// Tolerance is how far a distance may be from the true one, as a part of the greatest that it could be:
	// (|q|+|v|)² for Euclidean, 1 for Cosine, |q||v| for InnerProduct, |q|₁+|v|₁ for Manhattan. 0 means 1e-5, for
	// rounding; an index over lossy codes needs more.
	Tolerance float64
	// Read and Open load a saved index. What is nil is not tested. An index from Open that is an io.Closer is closed.
	Read func(io.Reader, vec.Metric) (index.Index, error)
	Open func(path string, m vec.Metric) (index.Index, error)
}

// dim is the dimension of most of the tests.
const dim = 24

// Vectors returns n vectors of the kind that Run stores and queries, from a mixture of eight Gaussians: a codec that
// must be fitted can be fitted to some.
func Vectors(n, dim int, seed uint64) vec.Matrix {
	centres := rand.New(rand.NewPCG(1, 2))
	means := vec.NewMatrix(8, dim)
	for i := range means.Data {
		means.Data[i] = float32(centres.NormFloat64())
	}
	r := rand.New(rand.NewPCG(seed, 3))
	x := vec.NewMatrix(n, dim)
	for i := range n {
		mean := means.Row(r.IntN(means.Rows))
		for j, v := range x.Row(i) {
			x.Row(i)[j] = v + mean[j] + float32(r.NormFloat64())/2
		}
	}
	return x
}

// Run checks the indexes that create returns, each empty, of the dimension and metric asked for.
func Run(t *testing.T, create func(t *testing.T, dim int, m vec.Metric) index.Index, o Options) {
	t.Helper()
	if o.Metrics == nil {
		o.Metrics = []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct, vec.Manhattan}
	}
	if o.Recall == 0 {
		o.Recall = 1
	}
	if o.Tolerance == 0 {
		o.Tolerance = 1e-5
	}
	for _, m := range o.Metrics {
		t.Run(m.String(), func(t *testing.T) {
			for _, p := range promises {
				t.Run(p.name, func(t *testing.T) {
					s := &suite{Options: o, metric: m, create: func(dim int) index.Index { return create(t, dim, m) }, dir: t.TempDir}
					if err := p.check(s); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

// promises return the first way in which they are broken.
var promises = []struct {
	name  string
	check func(*suite) error
}{
	{"empty", (*suite).empty},
	{"ids", (*suite).ids},
	{"delete", (*suite).deletes},
	{"order", (*suite).order},
	{"recall", (*suite).recall},
	{"keep", (*suite).keep},
	{"k", (*suite).k},
	{"refuse", (*suite).refuse},
	{"cancel", (*suite).cancel},
	{"untouched", (*suite).untouched},
	{"twice", (*suite).twice},
	{"model", (*suite).model},
	{"save", (*suite).save},
	{"damage", (*suite).damage},
	{"concurrent", (*suite).concurrent},
}

type suite struct {
	Options
	metric vec.Metric
	create func(dim int) index.Index
	dir    func() string
}

var background = context.Background()

// exact says that the index is to find the true neighbours, not only near ones.
func (s *suite) exact() bool { return s.Recall >= 1 }

// filled returns an index of n vectors under the IDs 0..n-1, and the vectors.
func (s *suite) filled(n int) (index.Index, vec.Matrix, error) {
	ix, x := s.create(dim), Vectors(n, dim, uint64(n))
	return ix, x, ix.Add(background, nil, x)
}

func (s *suite) search(ix index.Index, v []float32, k int) ([]index.Hit, error) {
	r, err := ix.Search(background, v, index.Query{K: k, Effort: s.Effort})
	return r.Hits, err
}

// near says whether got is the distance of q and v, within the tolerance.
func (s *suite) near(got float32, q, v []float32) error {
	want := s.metric.Distance(q, v)
	scale := 1.0
	switch nq, nv := float64(vec.Norm(q)), float64(vec.Norm(v)); s.metric {
	case vec.Euclidean:
		scale = (nq + nv) * (nq + nv)
	case vec.InnerProduct:
		scale = nq * nv
	case vec.Manhattan:
		zero := make([]float32, len(q))
		scale = float64(vec.L1(q, zero) + vec.L1(v, zero))
	}
	if !(math.Abs(float64(got)-float64(want)) <= s.Tolerance*scale) {
		return fmt.Errorf("distance is %v, want %v within %.2g", got, want, s.Tolerance*scale)
	}
	return nil
}

// sorted checks that hits come in order and none twice.
func sorted(hits []index.Hit) error {
	seen := map[uint32]bool{}
	for i, h := range hits {
		if seen[h.ID] {
			return fmt.Errorf("ID %d came twice", h.ID)
		}
		seen[h.ID] = true
		if i > 0 && (h.Distance < hits[i-1].Distance || h.Distance == hits[i-1].Distance && h.ID < hits[i-1].ID || h.Distance != h.Distance) {
			return fmt.Errorf("hit %d is %v, after %v", i, h, hits[i-1])
		}
	}
	return nil
}

// holds checks that ix holds exactly the vectors of want: all come back, with their distance to q.
func (s *suite) holds(ix index.Index, want map[uint32][]float32, q []float32) error {
	if ix.Len() != len(want) {
		return fmt.Errorf("it holds %d vectors, want %d", ix.Len(), len(want))
	}
	hits, err := s.search(ix, q, len(want)+5)
	if err != nil {
		return err
	}
	if err := sorted(hits); err != nil {
		return err
	}
	if len(hits) != len(want) {
		return fmt.Errorf("a search for K = Len+5 has %d hits, Len is %d", len(hits), len(want))
	}
	for _, h := range hits {
		v, ok := want[h.ID]
		if !ok {
			return fmt.Errorf("ID %d came back, it is not in use", h.ID)
		}
		if err := s.near(h.Distance, q, v); err != nil {
			return fmt.Errorf("ID %d: %w", h.ID, err)
		}
	}
	for id, v := range want {
		kept, ok := ix.Vector(id)
		if !ok {
			return fmt.Errorf("ID %d has no Vector", id)
		}
		if err := s.near(s.metric.Distance(q, kept), q, v); err != nil {
			return fmt.Errorf("what Vector gives of ID %d: %w", id, err)
		}
		if _, ok := want[^id]; !ok {
			if _, ok := ix.Vector(^id); ok {
				return fmt.Errorf("ID %d has a Vector, it is not in use", ^id)
			}
		}
	}
	return nil
}

func (s *suite) empty() error {
	ix := s.create(dim)
	if ix.Len() != 0 || ix.Dim() != dim || ix.Metric() != s.metric || ix.SizeBytes() < 0 {
		return fmt.Errorf("empty: Len %d, Dim %d, Metric %v, SizeBytes %d; want 0, %d, %v, 0 or more",
			ix.Len(), ix.Dim(), ix.Metric(), ix.SizeBytes(), dim, s.metric)
	}
	if err := ix.Add(background, nil, vec.Matrix{}); err != nil {
		return fmt.Errorf("add of no rows: %w", err)
	}
	if n := ix.Delete(0, 7); n != 0 {
		return fmt.Errorf("a delete from an empty index returned %d", n)
	}
	q := Vectors(1, dim, 1).Row(0)
	if err := s.holds(ix, nil, q); err != nil {
		return err
	}
	if s.Read != nil {
		back, _, err := s.reload(ix)
		if err != nil {
			return err
		}
		if err := s.holds(back, nil, q); err != nil {
			return fmt.Errorf("saved empty: %w", err)
		}
	}
	before := ix.SizeBytes()
	if err := ix.Add(background, nil, Vectors(50, dim, 2)); err != nil {
		return err
	}
	if after := ix.SizeBytes(); after <= before {
		return fmt.Errorf("SizeBytes was %d empty, %d with 50 vectors", before, after)
	}
	return nil
}

func (s *suite) ids() error {
	ix, x := s.create(dim), Vectors(12, dim, 3)
	want := map[uint32][]float32{}
	add := func(ids []uint32, rows vec.Matrix, given ...uint32) error {
		if err := ix.Add(background, ids, rows); err != nil {
			return err
		}
		for i, id := range given {
			want[id] = rows.Row(i)
		}
		return s.holds(ix, want, x.Row(0))
	}
	if err := add(nil, x.Slice(0, 2), 0, 1); err != nil {
		return fmt.Errorf("nil IDs in an empty index: %w", err)
	}
	if err := add([]uint32{1 << 31, 7}, x.Slice(2, 4), 1<<31, 7); err != nil {
		return fmt.Errorf("chosen IDs: %w", err)
	}
	if err := add(nil, x.Slice(4, 6), 1<<31+1, 1<<31+2); err != nil {
		return fmt.Errorf("nil IDs after the largest in use: %w", err)
	}
	if err := add([]uint32{7, 1}, x.Slice(6, 8), 7, 1); err != nil {
		return fmt.Errorf("IDs in use: %w", err)
	}
	if err := add([]uint32{9, 9, 9, 7}, x.Slice(8, 12), 9, 9, 9, 7); err != nil {
		return fmt.Errorf("an ID three times, and one in use: %w", err)
	}
	return nil
}

func (s *suite) deletes() error {
	ix, x, err := s.filled(60)
	if err != nil {
		return err
	}
	want := map[uint32][]float32{}
	for i := range x.Rows {
		want[uint32(i)] = x.Row(i)
	}
	for id := range uint32(20) {
		delete(want, id*3)
		if n := ix.Delete(id*3, 1000, id*3); n != 1 {
			return fmt.Errorf("delete of %d, 1000 (not in use) and %d again returned %d, want 1", id*3, id*3, n)
		}
	}
	if n := ix.Delete(3, 6); n != 0 {
		return fmt.Errorf("delete of IDs deleted before returned %d", n)
	}
	if err := s.holds(ix, want, x.Row(3)); err != nil {
		return fmt.Errorf("after deletes: %w", err)
	}
	want[3] = x.Row(6)
	if err := ix.Add(background, []uint32{3}, x.Slice(6, 7)); err != nil {
		return err
	}
	if err := s.holds(ix, want, x.Row(3)); err != nil {
		return fmt.Errorf("after a delete and an add: %w", err)
	}
	for id := range want {
		if n := ix.Delete(id); n != 1 {
			return fmt.Errorf("delete of %d returned %d, want 1", id, n)
		}
	}
	if err := s.holds(ix, nil, x.Row(0)); err != nil {
		return fmt.Errorf("after the last was deleted: %w", err)
	}
	if err := ix.Add(background, nil, x.Slice(0, 1)); err != nil {
		return err
	}
	if err := s.holds(ix, map[uint32][]float32{0: x.Row(0)}, x.Row(1)); err != nil {
		return fmt.Errorf("an add after the last was deleted: %w", err)
	}
	return nil
}

func (s *suite) order() error {
	// Each vector five times, under IDs far apart: ties at every distance.
	const distinct, copies = 40, 5
	ix, x := s.create(dim), Vectors(distinct, dim, 5)
	perm := rand.New(rand.NewPCG(5, 5)).Perm(distinct * copies)
	for _, i := range perm {
		if err := ix.Add(background, []uint32{uint32(i)}, x.Slice(i%distinct, i%distinct+1)); err != nil {
			return err
		}
	}
	queries := Vectors(20, dim, 6)
	for i := range queries.Rows {
		q := queries.Row(i)
		hits, err := s.search(ix, q, 12)
		if err != nil {
			return err
		}
		if err := sorted(hits); err != nil {
			return err
		}
		if len(hits) != 12 {
			return fmt.Errorf("%d hits of 12", len(hits))
		}
		for j, h := range hits {
			if err := s.near(h.Distance, q, x.Row(int(h.ID)%distinct)); err != nil {
				return fmt.Errorf("ID %d: %w", h.ID, err)
			}
			// The copies of one vector come as 0, 40, 80…, also where K cuts a tie.
			if want := hits[j-j%copies].ID%distinct + uint32(j%copies*distinct); s.exact() && h.ID != want {
				return fmt.Errorf("query %d: hit %d is ID %d, want %d: ties go to the smaller", i, j, h.ID, want)
			}
		}
	}
	return nil
}

func (s *suite) recall() error {
	n, queries := 2000, Vectors(100, dim, 8)
	if testing.Short() {
		n = 500
	}
	ix, x, err := s.filled(n)
	if err != nil {
		return err
	}
	const k = 10
	found := 0
	all := make([]float32, n)
	for i := range queries.Rows {
		q := queries.Row(i)
		for j := range n {
			all[j] = s.metric.Distance(q, x.Row(j))
		}
		slices.Sort(all)
		r, err := ix.Search(background, q, index.Query{K: k, Effort: s.Effort})
		if err != nil {
			return err
		}
		if len(r.Hits) != k || r.Distances < k {
			return fmt.Errorf("query %d: %d hits of %d, after %d distances", i, len(r.Hits), k, r.Distances)
		}
		for _, h := range r.Hits {
			// By the true distance: an equal neighbour is as good, and an index over codes is judged by what it found.
			if d := s.metric.Distance(q, x.Row(int(h.ID))); d <= all[k-1]+1e-5*abs(all[k-1]) {
				found++
			}
		}
	}
	if got := float64(found) / float64(k*queries.Rows); got < s.Recall {
		return fmt.Errorf("recall@%d is %.4f over %d queries, want %.4f or more", k, got, queries.Rows, s.Recall)
	}
	return nil
}

func abs(x float32) float32 { return max(x, -x) }

func (s *suite) keep() error {
	ix, x, err := s.filled(200)
	if err != nil {
		return err
	}
	q := Vectors(1, dim, 9).Row(0)
	for name, c := range map[string]struct {
		keep func(uint32) bool
		n    int
	}{
		"none":  {func(uint32) bool { return false }, 0},
		"one":   {func(id uint32) bool { return id == 137 }, 1},
		"third": {func(id uint32) bool { return id%3 == 0 }, 67},
		"all":   {func(uint32) bool { return true }, 200},
	} {
		var asking atomic.Int32
		keep := func(id uint32) bool {
			if asking.Add(1) != 1 {
				panic("indextest: Keep was asked from two goroutines at once")
			}
			defer asking.Add(-1)
			return c.keep(id)
		}
		r, err := ix.Search(background, q, index.Query{K: 200, Effort: s.Effort, Keep: keep})
		if err != nil {
			return fmt.Errorf("keep %s: %w", name, err)
		}
		if err := sorted(r.Hits); err != nil {
			return fmt.Errorf("keep %s: %w", name, err)
		}
		if len(r.Hits) != c.n {
			return fmt.Errorf("keep %s: %d hits, want %d", name, len(r.Hits), c.n)
		}
		for _, h := range r.Hits {
			if !c.keep(h.ID) {
				return fmt.Errorf("keep %s: ID %d came back", name, h.ID)
			}
			if err := s.near(h.Distance, q, x.Row(int(h.ID))); err != nil {
				return fmt.Errorf("keep %s: ID %d: %w", name, h.ID, err)
			}
		}
	}
	return nil
}

func (s *suite) k() error {
	ix, x, err := s.filled(100)
	if err != nil {
		return err
	}
	for _, k := range []int{0, -1, math.MinInt} {
		if _, err := s.search(ix, x.Row(0), k); !errors.Is(err, index.ErrQuery) {
			return fmt.Errorf("a search with K = %d gives %v, want index.ErrQuery", k, err)
		}
	}
	for _, k := range []int{1, 2, 99, 100, 101, 1 << 20, math.MaxInt} {
		hits, err := s.search(ix, x.Row(0), k)
		if err != nil {
			return fmt.Errorf("with K = %d: %w", k, err)
		}
		if len(hits) != min(k, 100) {
			return fmt.Errorf("a search with K = %d of 100 vectors gives %d hits", k, len(hits))
		}
	}
	return nil
}

func (s *suite) refuse() error {
	ix, x, err := s.filled(30)
	if err != nil {
		return err
	}
	if err := ix.Add(background, []uint32{math.MaxUint32 - 1}, x.Slice(0, 1)); err != nil {
		return err
	}
	want := map[uint32][]float32{math.MaxUint32 - 1: x.Row(0)}
	for i := range x.Rows {
		want[uint32(i)] = x.Row(i)
	}
	// Good rows come first, so that an index that stores as it goes is caught.
	rows := func(n int) vec.Matrix { return Vectors(n, dim, 10) }
	with := func(v float32) vec.Matrix {
		m := rows(3)
		m.Row(2)[dim-1] = v
		return m
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	zero := rows(3)
	clear(zero.Row(2))
	type refusal struct {
		name string
		ids  []uint32
		x    vec.Matrix
		err  error
	}
	cases := []refusal{
		{"too narrow", nil, Vectors(2, dim-1, 1), vec.ErrDim},
		{"too wide", []uint32{1, 2}, Vectors(2, dim+1, 1), vec.ErrDim},
		{"fewer values than it says", nil, vec.Matrix{Rows: 2, Cols: dim, Data: x.Data[:dim]}, vec.ErrDim},
		{"NaN", []uint32{1, 100, 101}, with(nan), vec.ErrNotFinite},
		{"infinite", nil, with(-inf), vec.ErrNotFinite},
		{"more IDs than rows", []uint32{1, 2, 3}, rows(2), index.ErrID},
		{"fewer IDs than rows", []uint32{1}, rows(2), index.ErrID},
		{"no ID left", nil, rows(2), index.ErrID},
	}
	if s.metric == vec.Cosine {
		cases = append(cases, refusal{"zero vector", []uint32{1, 100, 101}, zero, vec.ErrZero})
	}
	before, err := saved(ix)
	if err != nil {
		return err
	}
	for _, c := range cases {
		if err := ix.Add(background, c.ids, c.x); !errors.Is(err, c.err) {
			return fmt.Errorf("add, %s: error is %v, want %v", c.name, err, c.err)
		}
		if err := s.holds(ix, want, x.Row(1)); err != nil {
			return fmt.Errorf("after a refused add, %s: %w", c.name, err)
		}
		if after, err := saved(ix); err != nil || !bytes.Equal(before, after) {
			return fmt.Errorf("after a refused add, %s: the index saves otherwise than before (error %v)", c.name, err)
		}
		if errors.Is(c.err, index.ErrID) || c.x.Check() != nil && errors.Is(c.err, vec.ErrDim) {
			continue
		}
		if _, err := s.search(ix, c.x.Row(c.x.Rows-1), 1); !errors.Is(err, c.err) {
			return fmt.Errorf("search, %s: error is %v, want %v", c.name, err, c.err)
		}
	}
	if _, err := s.search(ix, nil, 1); !errors.Is(err, vec.ErrDim) {
		return fmt.Errorf("search for nil: error is %v, want vec.ErrDim", err)
	}
	return nil
}

func (s *suite) cancel() error {
	ix, x, err := s.filled(100)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := ix.Search(ctx, x.Row(0), index.Query{K: 3, Effort: s.Effort}); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("search with a cancelled context: error is %v", err)
	}
	y := Vectors(100, dim, 11)
	if err := ix.Add(ctx, nil, y); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("add with a cancelled context: error is %v", err)
	}
	if ix.Len() > 200 {
		return fmt.Errorf("it holds %d vectors after 100 adds and 100 cancelled ones", ix.Len())
	}
	hits, err := s.search(ix, x.Row(0), 200)
	if err != nil || len(hits) != ix.Len() {
		return fmt.Errorf("after a cancelled add: %d hits of %d, error %v", len(hits), ix.Len(), err)
	}
	for _, h := range hits {
		v := x
		if h.ID >= 100 {
			v = y
		}
		if err := s.near(h.Distance, x.Row(0), v.Row(int(h.ID)%100)); err != nil {
			return fmt.Errorf("after a cancelled add: ID %d: %w", h.ID, err)
		}
	}
	return nil
}

func (s *suite) untouched() error {
	ix, x := s.create(dim), Vectors(50, dim, 12)
	ids := make([]uint32, x.Rows)
	for i := range ids {
		ids[i] = uint32(1000 - i)
	}
	q := Vectors(1, dim, 13).Row(0)
	x0, ids0, q0 := x.Clone(), slices.Clone(ids), slices.Clone(q)
	if err := ix.Add(background, ids, x); err != nil {
		return err
	}
	before, err := s.search(ix, q, 10)
	if err != nil {
		return err
	}
	dead := []uint32{1000, 5}
	ix.Delete(dead...)
	if !slices.Equal(x.Data, x0.Data) || !slices.Equal(ids, ids0) || !slices.Equal(q, q0) || dead[0] != 1000 || dead[1] != 5 {
		return errors.New("vectors, IDs or the query were changed")
	}
	if err := ix.Add(background, []uint32{1000}, x.Slice(0, 1)); err != nil {
		return err
	}
	clear(x.Data)
	clear(ids)
	after, err := s.search(ix, q, 10)
	if err != nil {
		return err
	}
	// An index that is not exact may find others after the delete: what it finds must be what was stored.
	if s.exact() && !slices.Equal(before, after) {
		return fmt.Errorf("answers changed with the caller's slices: %v, then %v", before, after)
	}
	for _, h := range after {
		if h.ID > 1000 || h.ID <= 950 {
			return fmt.Errorf("ID %d came back, it was never stored", h.ID)
		}
		if err := s.near(h.Distance, q, x0.Row(int(1000-h.ID))); err != nil {
			return fmt.Errorf("after the caller's slices changed: ID %d: %w", h.ID, err)
		}
	}
	return nil
}

func (s *suite) twice() error {
	ix, _, err := s.filled(500)
	if err != nil {
		return err
	}
	queries := Vectors(50, dim, 14)
	first := make([]index.Result, queries.Rows)
	for round := range 2 {
		for i := range queries.Rows {
			r, err := ix.Search(background, queries.Row(i), index.Query{K: 10, Effort: s.Effort})
			if err != nil {
				return err
			}
			if round == 0 {
				first[i] = r
			} else if !slices.Equal(r.Hits, first[i].Hits) || r.Distances != first[i].Distances {
				return fmt.Errorf("query %d: %v, then %v", i, first[i], r)
			}
		}
	}
	return nil
}

// model compares the index with a map, over random changes.
func (s *suite) model() error {
	const seed = 20
	r := rand.New(rand.NewPCG(seed, 0))
	pool := Vectors(300, dim, 15)
	ix, want := s.create(dim), map[uint32][]float32{}
	for step := range 120 {
		if g, ok := ix.(index.Grower); ok && step%20 == 10 {
			g.Grow(step) // changes nothing that can be seen
		}
		switch n := 1 + r.IntN(8); r.IntN(5) {
		case 0, 1, 2:
			ids, rows := make([]uint32, n), vec.NewMatrix(n, dim)
			for i := range ids {
				ids[i] = uint32(r.IntN(60)) // few enough that most are replaced
				v := pool.Row(r.IntN(pool.Rows))
				copy(rows.Row(i), v)
				want[ids[i]] = v
			}
			if err := ix.Add(background, ids, rows); err != nil {
				return fmt.Errorf("seed %d, step %d: %w", seed, step, err)
			}
		default:
			ids, there := make([]uint32, n), 0
			for i := range ids {
				ids[i] = uint32(r.IntN(60))
				if _, ok := want[ids[i]]; ok {
					there++
					delete(want, ids[i])
				}
			}
			if got := ix.Delete(ids...); got != there {
				return fmt.Errorf("seed %d, step %d: delete of %d returned %d, want %d", seed, step, ids, got, there)
			}
		}
		if err := s.holds(ix, want, pool.Row(r.IntN(pool.Rows))); err != nil {
			return fmt.Errorf("seed %d, step %d: %w", seed, step, err)
		}
	}
	return nil
}

func saved(ix index.Index) ([]byte, error) {
	var b bytes.Buffer
	n, err := ix.WriteTo(&b)
	if err == nil && n != int64(b.Len()) {
		err = fmt.Errorf("WriteTo wrote %d bytes and returned %d", b.Len(), n)
	}
	return b.Bytes(), err
}

// reload returns the index that Read makes of ix's bytes, and these.
func (s *suite) reload(ix index.Index) (index.Index, []byte, error) {
	b, err := saved(ix)
	if err != nil {
		return nil, nil, err
	}
	back, err := s.Read(bytes.NewReader(b), s.metric)
	return back, b, err
}

// agree compares two indexes by their answers.
func (s *suite) agree(a, b index.Index) error {
	if a.Len() != b.Len() || a.Dim() != b.Dim() || a.Metric() != b.Metric() {
		return fmt.Errorf("its Len, Dim, Metric are %d, %d, %v, were %d, %d, %v", b.Len(), b.Dim(), b.Metric(), a.Len(), a.Dim(), a.Metric())
	}
	queries := Vectors(20, dim, 16)
	for i := range queries.Rows {
		want, err := a.Search(background, queries.Row(i), index.Query{K: 10, Effort: s.Effort})
		if err != nil {
			return err
		}
		got, err := b.Search(background, queries.Row(i), index.Query{K: 10, Effort: s.Effort})
		if err != nil {
			return err
		}
		if !slices.Equal(got.Hits, want.Hits) || got.Distances != want.Distances {
			return fmt.Errorf("query %d: answer is %v, was %v", i, got, want)
		}
	}
	return nil
}

// worn returns an index that has seen replacements and deletes, and what it holds.
func (s *suite) worn() (index.Index, map[uint32][]float32, error) {
	ix, x, err := s.filled(150)
	if err != nil {
		return nil, nil, err
	}
	y := Vectors(10, dim, 17)
	ids := []uint32{0, 10, 20, 30, 40, 50, 60, 70, 80, 1 << 30}
	if err := ix.Add(background, ids, y); err != nil {
		return nil, nil, err
	}
	want := map[uint32][]float32{}
	for i := range x.Rows {
		want[uint32(i)] = x.Row(i)
	}
	for i, id := range ids {
		want[id] = y.Row(i)
	}
	for _, id := range []uint32{3, 149, 77, 40} {
		ix.Delete(id)
		delete(want, id)
	}
	return ix, want, nil
}

func (s *suite) save() error {
	ix, want, err := s.worn()
	if err != nil {
		return err
	}
	q, y := Vectors(1, dim, 18).Row(0), Vectors(3, dim, 19)
	check := func(how string, back index.Index) error {
		if err := s.agree(ix, back); err != nil {
			return fmt.Errorf("%s: %w", how, err)
		}
		first, err := saved(ix)
		if err != nil {
			return err
		}
		if again, err := saved(back); err != nil || !bytes.Equal(first, again) {
			return fmt.Errorf("%s and saved again, the bytes differ (error %v)", how, err)
		}
		// What was loaded can be changed, and the one it came from does not change with it.
		if err := back.Add(background, []uint32{1, 3, 1<<30 + 9}, y); err != nil {
			return fmt.Errorf("%s: %w", how, err)
		}
		if n := back.Delete(2, 3); n != 2 {
			return fmt.Errorf("%s: delete returned %d, want 2", how, n)
		}
		changed := map[uint32][]float32{}
		for id, v := range want {
			changed[id] = v
		}
		changed[1], changed[1<<30+9] = y.Row(0), y.Row(2)
		delete(changed, 2)
		if err := s.holds(back, changed, q); err != nil {
			return fmt.Errorf("%s and changed: %w", how, err)
		}
		if err := s.holds(ix, want, q); err != nil {
			return fmt.Errorf("%s: the index it came from, afterwards: %w", how, err)
		}
		return nil
	}
	if s.Read != nil {
		b, err := saved(ix)
		if err != nil {
			return err
		}
		const after = "what follows"
		r := bytes.NewReader(append(b, after...))
		back, err := s.Read(r, s.metric)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if left, _ := io.ReadAll(r); string(left) != after {
			return fmt.Errorf("after Read there are %d bytes left of the stream, want the %d that follow the index", len(left), len(after))
		}
		if err := check("read", back); err != nil {
			return err
		}
	}
	if s.Open != nil {
		b, err := saved(ix)
		if err != nil {
			return err
		}
		path := filepath.Join(s.dir(), "index")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return err
		}
		back, err := s.Open(path, s.metric)
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		if err := check("opened", back); err != nil {
			return err
		}
		if c, ok := back.(io.Closer); ok {
			if err := c.Close(); err != nil {
				return fmt.Errorf("close: %w", err)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, b) {
			return fmt.Errorf("the file changed with the index opened from it (error %v)", err)
		}
		if _, err := s.Open(path+".missing", s.metric); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("open of a missing file: error is %v, want os.ErrNotExist", err)
		}
	}
	return nil
}

func (s *suite) damage() error {
	if s.Read == nil {
		return nil
	}
	ix, _, err := s.worn()
	if err != nil {
		return err
	}
	b, err := saved(ix)
	if err != nil {
		return err
	}
	for at := 0; at < len(b); at += max(1, min(61, len(b)-1-at)) {
		if _, err := s.Read(bytes.NewReader(b[:at]), s.metric); err == nil {
			return fmt.Errorf("cut after %d of %d bytes: no error", at, len(b))
		}
		bad := slices.Clone(b)
		bad[at] ^= 0x10
		back, err := s.Read(bytes.NewReader(bad), s.metric)
		if err != nil {
			continue
		}
		if err := s.agree(ix, back); err != nil { // padding may change, meaning may not
			return fmt.Errorf("byte %d changed, no error, and: %w", at, err)
		}
	}
	return nil
}

// concurrent searches while vectors come, change and go. Each ID has two vectors it may stand for.
func (s *suite) concurrent() error {
	n := 400
	if testing.Short() {
		n = 150
	}
	ix := s.create(dim)
	versions := [2]vec.Matrix{Vectors(n, dim, 21), Vectors(n, dim, 22)}
	if err := ix.Add(background, nil, versions[0].Slice(0, n/2)); err != nil {
		return err
	}
	var (
		writers, readers sync.WaitGroup
		done             atomic.Bool
		once             sync.Once
		first            error
	)
	report := func(err error) {
		if err != nil {
			once.Do(func() { first = err })
		}
	}
	for w := range 2 { // each writer has its own IDs, so that the end is known
		writers.Go(func() {
			for i := w; i < n; i += 2 {
				for v := range versions {
					report(ix.Add(background, []uint32{uint32(i)}, versions[v].Slice(i, i+1)))
				}
				if i%5 == 0 {
					ix.Delete(uint32(i))
				}
			}
		})
	}
	for r := range 2 {
		readers.Go(func() {
			queries := Vectors(16, dim, uint64(30+r))
			for i := 0; i == 0 || !done.Load(); i++ {
				q := queries.Row(i % queries.Rows)
				hits, err := s.search(ix, q, 10)
				report(err)
				report(sorted(hits))
				for _, h := range hits {
					if int(h.ID) >= n {
						report(fmt.Errorf("ID %d came back, it was never stored", h.ID))
						return
					}
					old := s.near(h.Distance, q, versions[0].Row(int(h.ID)))
					if err := s.near(h.Distance, q, versions[1].Row(int(h.ID))); old != nil && err != nil {
						report(fmt.Errorf("ID %d, while it changed: %w before, %w after", h.ID, old, err))
					}
				}
				ix.Len()
				ix.SizeBytes()
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	if first != nil {
		return first
	}
	want := map[uint32][]float32{}
	for i := range n {
		if i%5 != 0 {
			want[uint32(i)] = versions[1].Row(i)
		}
	}
	return s.holds(ix, want, versions[0].Row(0))
}
