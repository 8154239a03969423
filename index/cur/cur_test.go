package cur

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/vec"
)

// lowRank returns queries×items scores of a rank, plus noise of that standard deviation; without it, scores have 1.
func lowRank(queries, items, rank int, noise float64, seed uint64) vec.Matrix {
	rng := rand.New(rand.NewPCG(seed, 1))
	draw := func(rows int) vec.Matrix {
		m := vec.NewMatrix(rows, rank)
		for i := range m.Data {
			m.Data[i] = float32(rng.NormFloat64() / math.Sqrt(math.Sqrt(float64(rank))))
		}
		return m
	}
	s := vec.MulT(vec.Matrix{}, draw(queries), draw(items))
	for i := range s.Data {
		s.Data[i] += float32(noise * rng.NormFloat64())
	}
	return s
}

// table scores query i with row i, and keeps count.
type table struct {
	scores vec.Matrix
	batch  int // most items allowed in a call; 0: any number

	mu    sync.Mutex
	asked map[[2]int]int // how often, by query and item
	calls int
}

func (s *table) Score(ctx context.Context, q int, ids []uint32) ([]float32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[[2]int]int{}
	}
	if len(ids) == 0 || s.batch > 0 && len(ids) > s.batch {
		return nil, errors.New("a batch of the wrong size")
	}
	s.calls++
	out := make([]float32, len(ids))
	for i, id := range ids {
		s.asked[[2]int{q, int(id)}]++
		out[i] = s.scores.Row(q)[id]
	}
	return out, nil
}

func (s *table) once(t *testing.T, want int) {
	t.Helper()
	if len(s.asked) != want {
		t.Errorf("%d scores were asked for, want %d", len(s.asked), want)
	}
	for pair, n := range s.asked {
		if n != 1 {
			t.Errorf("query %d was scored with item %d %d times", pair[0], pair[1], n)
		}
	}
}

// split makes an index of all but the last row, for which it returns the scores.
func split(t testing.TB, all vec.Matrix, o Options) (*Index[int], []float32) {
	t.Helper()
	ix, err := New[int](&table{scores: all}, all.Slice(0, all.Rows-1), o)
	if err != nil {
		t.Fatal(err)
	}
	return ix, all.Row(all.Rows - 1)
}

// predicted returns what the index makes of the query's scores with its first k items, and the error of that as a
// share of the scores' norm.
func predicted(t testing.TB, ix *Index[int], query []float32, k int) ([]float32, float64) {
	t.Helper()
	ids := ix.order[:k]
	known := make([]float32, k)
	for i, id := range ids {
		known[i] = query[id]
	}
	got, err := ix.Estimate(t.Context(), ids, known)
	if err != nil {
		t.Fatal(err)
	}
	var off, norm float64
	for i, v := range query {
		off += math.Pow(float64(got[i])-float64(v), 2)
		norm += math.Pow(float64(v), 2)
	}
	return got, math.Sqrt(off / norm)
}

// exact returns the true best k.
func exact(scores []float32, k int) []Hit {
	hits := make([]Hit, len(scores))
	for i, v := range scores {
		hits[i] = Hit{uint32(i), v}
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return hits[:k]
}

// TestExact: where anchors are more than the rank, the prediction is exact, and so is the search.
func TestExact(t *testing.T) {
	const rank, anchors = 5, 12
	all := lowRank(anchors+1, 2000, rank, 0, 1)
	for _, uncentered := range []bool{false, true} {
		ix, query := split(t, all, Options{Ridge: 1e-10, Uncentered: uncentered})
		if _, off := predicted(t, ix, query, anchors); !(off < 2e-6) { // seen 8e-8 and 9e-8
			t.Errorf("uncentered %v: relative error %g", uncentered, off)
		}
		if _, off := predicted(t, ix, query, rank-1); !(off > 0.1) { // seen 0.38
			t.Errorf("uncentered %v: relative error %g with fewer anchors than rank", uncentered, off)
		}
		res, err := ix.Search(t.Context(), anchors, Query{K: 10, Budget: anchors + 10, Anchors: anchors, Rounds: 1})
		if err != nil || !reflect.DeepEqual(res.Hits, exact(query, 10)) {
			t.Errorf("uncentered %v: found %v, %v, want %v", uncentered, res.Hits, err, exact(query, 10))
		}
	}
}

// TestPseudoInverse holds the prediction against e·A⁺·R with A⁺ from singular values, both where A is wide and tall.
func TestPseudoInverse(t *testing.T) {
	const queries, items = 20, 60
	all := lowRank(queries+1, items, 40, 0.1, 2)
	ix, query := split(t, all, Options{Ridge: 1e-9, Uncentered: true})
	for _, k := range []int{1, 8, 30} {
		got, _ := predicted(t, ix, query, k)
		a := mat.NewDense(queries, k, nil)
		e := mat.NewDense(1, k, nil)
		for j, id := range ix.order[:k] {
			e.Set(0, j, float64(query[id]))
			for i := range queries {
				a.Set(i, j, float64(all.Row(i)[id]))
			}
		}
		r := mat.NewDense(queries, items, nil)
		for i := range queries {
			for j := range items {
				r.Set(i, j, float64(all.Row(i)[j]))
			}
		}
		inverse := pseudoInverse(t, a)
		var want mat.Dense
		want.Product(e, inverse, r)
		for i := range items {
			// The observed are returned as they are, which for tall A the pseudo-inverse does not give.
			if !slices.Contains(ix.order[:k], uint32(i)) && !(math.Abs(float64(got[i])-want.At(0, i)) < 5e-6) { // seen up to 3e-7
				t.Errorf("k=%d: item %d is predicted to score %v, want %v", k, i, got[i], want.At(0, i))
			}
		}
	}
}

// pseudoInverse returns A⁺ after checking Penrose's four conditions.
func pseudoInverse(t *testing.T, a *mat.Dense) *mat.Dense {
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDThin) {
		t.Fatal("no convergence")
	}
	var u, v, p mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	values := svd.Values(nil)
	for i, s := range values {
		values[i] = 1 / s
	}
	p.Product(&v, mat.NewDiagDense(len(values), values), u.T())
	var apa, pap, ap, pa mat.Dense
	apa.Product(a, &p, a)
	pap.Product(&p, a, &p)
	ap.Mul(a, &p)
	pa.Mul(&p, a)
	if !mat.EqualApprox(&apa, a, 1e-8) || !mat.EqualApprox(&pap, &p, 1e-8) || !mat.EqualApprox(&ap, ap.T(), 1e-8) || !mat.EqualApprox(&pa, pa.T(), 1e-8) {
		t.Fatal("not a pseudo-inverse")
	}
	return &p
}

// TestAnchorQueries: an anchor query is predicted by itself, with as many items as there are anchor queries.
func TestAnchorQueries(t *testing.T) {
	all := lowRank(15, 300, 50, 0.2, 3)
	ix, err := New[int](nil, all, Options{Ridge: 1e-10})
	if err != nil {
		t.Fatal(err)
	}
	for q := range all.Rows {
		if _, off := predicted(t, ix, all.Row(q), 20); !(off < 2e-6) { // seen up to 1.2e-7
			t.Errorf("query %d: relative error %g", q, off)
		}
	}
}

// TestNearlySquare: where items are as many as anchor queries, the pseudo-inverse blows noise up, and the ridge does not.
func TestNearlySquare(t *testing.T) {
	const queries = 100
	all := lowRank(queries+1, 1000, 20, 0.3, 4)
	damped, query := split(t, all, Options{Uncentered: true, Ridge: 0.05})
	plain, _ := split(t, all, Options{Uncentered: true, Ridge: 1e-9})
	_, off := predicted(t, damped, query, queries)
	_, blown := predicted(t, plain, query, queries)
	if !(off < 0.5 && blown > 3*off) { // seen 0.36 and 3.1; the noise itself is 0.29
		t.Errorf("relative error %.2f with a ridge, %.2f without", off, blown)
	}
}

func TestInvariance(t *testing.T) {
	const queries, items, k = 30, 200, 25
	all := lowRank(queries+1, items, 40, 0.1, 5)
	ix, query := split(t, all, Options{})
	want, _ := predicted(t, ix, query, k)
	ids := ix.order[:k]

	check := func(name string, change func(q, i int) (int, int, float32, float32), tolerance float64) {
		t.Helper()
		// Score of query q and item i becomes scale·score+shift, at q', i'.
		other := vec.NewMatrix(queries+1, items)
		moved := make([]uint32, items)
		for q := range all.Rows {
			for i := range items {
				q2, i2, scale, shift := change(q, i)
				other.Row(q2)[i2] = scale*all.Row(q)[i] + shift
				moved[i] = uint32(i2)
			}
		}
		changed, scores := split(t, other, Options{})
		to, known := make([]uint32, k), make([]float32, k)
		for j, id := range ids {
			to[j] = moved[id]
			known[j] = scores[to[j]]
		}
		got, err := changed.Estimate(t.Context(), to, known)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range want {
			_, i2, scale, shift := change(0, i)
			if !(math.Abs(float64(got[i2])-float64(scale*v+shift)) <= tolerance) {
				t.Errorf("%s: item %d: %v, want %v", name, i, got[i2], scale*v+shift)
			}
		}
	}
	check("scale", func(q, i int) (int, int, float32, float32) { return q, i, 4, 0 }, 0)                                   // a power of two, without rounding
	check("shift", func(q, i int) (int, int, float32, float32) { return q, i, 1, float32(i % 7) }, 2e-5)                   // seen 2e-6
	check("items in another order", func(q, i int) (int, int, float32, float32) { return q, (i * 7) % items, 1, 0 }, 1e-6) // seen 0
	check("queries in another order", func(q, i int) (int, int, float32, float32) {
		if q < queries {
			q = (q * 7) % queries
		}
		return q, i, 1, 0
	}, 5e-6) // seen 5e-7
}

// TestSearch draws searches: the budget is spent to the last call, no item is scored twice, hits are the best of what
// was scored, and all of it when the budget is.
func TestSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "items")
		queries := rapid.IntRange(1, 12).Draw(t, "queries")
		all := lowRank(queries+1, n, 3, 0.3, rapid.Uint64().Draw(t, "seed"))
		if rapid.Bool().Draw(t, "ties") {
			for i := range all.Data {
				all.Data[i] = float32(math.Round(float64(all.Data[i])))
			}
		}
		batch := rapid.IntRange(1, 20).Draw(t, "batch")
		s := &table{scores: all, batch: batch}
		ix, err := New[int](s, all.Slice(0, queries), Options{Batch: batch, Uncentered: rapid.Bool().Draw(t, "uncentered")})
		if err != nil {
			t.Fatal(err)
		}
		q := Query{K: rapid.IntRange(1, 70).Draw(t, "k"), Budget: rapid.IntRange(0, 70).Draw(t, "budget"),
			Anchors: rapid.IntRange(0, 70).Draw(t, "anchors"), Rounds: rapid.IntRange(0, 9).Draw(t, "rounds")}
		q.Candidates = rapid.SliceOfN(rapid.Uint32Range(0, uint32(n-1)), 0, 40).Draw(t, "candidates")
		res, err := ix.Search(context.Background(), queries, q)
		budget := q.Budget
		if budget == 0 {
			budget = max(200, 2*min(q.K, n))
		}
		if budget >= n {
			budget, q.Anchors = n, n
		}
		if budget < min(q.K, n) || q.Anchors > budget {
			if !errors.Is(err, index.ErrQuery) || len(s.asked) > 0 {
				t.Fatalf("%+v of %d items: %v after %d scores", q, n, err, len(s.asked))
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		room := budget - cmp.Or(q.Anchors, budget/10)
		for _, id := range q.Candidates[:min(room, len(q.Candidates))] {
			if s.asked[[2]int{queries, int(id)}] == 0 {
				t.Fatalf("candidate %d was not scored", id)
			}
		}
		var scored []float32
		for pair, times := range s.asked {
			if times != 1 {
				t.Fatalf("item %d was scored %d times", pair[1], times)
			}
			scored = append(scored, all.Row(queries)[pair[1]])
		}
		if res.Calls != budget || len(scored) != budget || len(res.Hits) != min(q.K, n) {
			t.Fatalf("%+v of %d items: %d calls said, %d made, %d hits", q, n, res.Calls, len(scored), len(res.Hits))
		}
		slices.SortFunc(scored, func(a, b float32) int { return cmp.Compare(b, a) })
		for i, h := range res.Hits {
			if h.Score != scored[i] || h.Score != all.Row(queries)[h.ID] {
				t.Fatalf("hit %d is %v, want a score of %v", i, h, scored[i])
			}
		}
		if budget == n && !reflect.DeepEqual(res.Hits, exact(all.Row(queries), min(q.K, n))) {
			t.Fatalf("with all scored: %v", res.Hits)
		}
	})
}

// TestRounds: what is found on the way helps to find the rest.
func TestRounds(t *testing.T) {
	all := lowRank(220, 2000, 60, 0.1, 6)
	recall := func(rounds int) (mean float64) {
		ix, err := New[int](&table{scores: all}, all.Slice(0, 200), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for q := 200; q < all.Rows; q++ {
			res, err := ix.Search(t.Context(), q, Query{K: 50, Budget: 150, Anchors: 50, Rounds: rounds})
			if err != nil {
				t.Fatal(err)
			}
			bound := exact(all.Row(q), 50)[49].Score
			for _, h := range res.Hits {
				if h.Score >= bound {
					mean += 1. / 50 / 20
				}
			}
		}
		return mean
	}
	if one, five := recall(1), recall(5); !(five > one+0.1) { // seen 0.72 and 0.99
		t.Errorf("recall@50 of %.3f in one round, %.3f in five", one, five)
	}
}

func TestBuild(t *testing.T) {
	all := lowRank(7, 50, 3, 0.1, 7)
	s := &table{scores: all, batch: 16}
	last := 0
	ix, err := Build[int](t.Context(), s, []int{0, 1, 2, 3, 4, 5}, 50, Options{Batch: 16, Progress: func(done, total int) {
		if done <= last || total != 300 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}})
	if err != nil || last != 300 || s.calls != 6*4 {
		t.Fatalf("%v after %d scores in %d calls", err, last, s.calls)
	}
	s.once(t, 300)
	same, err := New[int](s, all.Slice(0, 6), Options{Batch: 16})
	if err != nil || !reflect.DeepEqual(same.scores, ix.scores) || ix.Len() != 50 || ix.Anchors() != 6 || ix.SizeBytes() != 4*50*8 {
		t.Errorf("%v: %d items, %d anchors, %d bytes", err, ix.Len(), ix.Anchors(), ix.SizeBytes())
	}
}

// TestBadScorer: whatever a scorer does wrong comes out as an error, of Build and of Search alike.
func TestBadScorer(t *testing.T) {
	all := lowRank(9, 40, 3, 0.1, 8)
	broken := errors.New("the model went away")
	good := &table{scores: all}
	for name, c := range map[string]struct {
		spoil func(s []float32) ([]float32, error)
		want  []error
		text  string
	}{
		"fails":    {func([]float32) ([]float32, error) { return nil, broken }, []error{broken}, "scoring 4 items"},
		"too few":  {func(s []float32) ([]float32, error) { return s[1:], nil }, []error{ErrScorer}, "gave 3 scores for 4 items"},
		"too many": {func(s []float32) ([]float32, error) { return append(s, 0), nil }, []error{ErrScorer}, "gave 5 scores for 4 items"},
		"NaN": {func(s []float32) ([]float32, error) { s[2] = float32(math.NaN()); return s, nil },
			[]error{ErrScorer, vec.ErrNotFinite}, "the score NaN"},
		"infinite": {func(s []float32) ([]float32, error) { s[0] = float32(math.Inf(-1)); return s, nil },
			[]error{ErrScorer, vec.ErrNotFinite}, "the score -Inf"},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			calls := 0
			bad := ScorerFunc[int](func(ctx context.Context, q int, ids []uint32) ([]float32, error) {
				s, err := good.Score(ctx, q, ids)
				mu.Lock()
				defer mu.Unlock()
				if calls++; calls == 3 {
					return c.spoil(s)
				}
				return s, err
			})
			check := func(what string, err error) {
				t.Helper()
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("%s: %v, want %q in it", what, err, c.text)
				}
				for _, w := range c.want {
					if !errors.Is(err, w) {
						t.Errorf("%s: %v is not %v", what, err, w)
					}
				}
			}
			ix, err := Build[int](t.Context(), bad, []int{0, 1, 2, 3}, 40, Options{Batch: 4})
			check("build", err)
			if ix != nil {
				t.Error("there is an index")
			}
			if ix, err = New[int](bad, all.Slice(0, 8), Options{Batch: 4}); err != nil {
				t.Fatal(err)
			}
			calls = 0
			res, err := ix.Search(t.Context(), 8, Query{K: 5, Budget: 20, Anchors: 12, Rounds: 2})
			check("search", err)
			if res.Hits != nil || res.Calls != 8 {
				t.Errorf("search: %+v, want 8 calls and no hits", res)
			}
			if res, err = ix.Search(t.Context(), 8, Query{K: 5, Budget: 20}); err != nil || len(res.Hits) != 5 {
				t.Errorf("the next search: %+v, %v", res, err)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	all := lowRank(4, 100, 3, 0.1, 9)
	why := errors.New("why")
	for _, polite := range []bool{true, false} {
		var calls int
		var cancel context.CancelCauseFunc
		s := ScorerFunc[int](func(c context.Context, q int, ids []uint32) ([]float32, error) {
			if calls++; calls == 2 {
				cancel(why)
				if polite {
					<-c.Done()
					return nil, c.Err()
				}
			}
			return slices.Clone(all.Row(q)[:len(ids)]), nil
		})
		check := func(what string, f func(ctx context.Context) error) {
			t.Helper()
			calls = 0
			ctx, end := context.WithCancelCause(t.Context())
			defer end(nil)
			cancel = end
			if err := f(ctx); !errors.Is(err, context.Canceled) || calls != 2 {
				t.Errorf("%s, polite %v: %v after %d calls", what, polite, err, calls)
			}
		}
		check("build", func(ctx context.Context) error {
			_, err := Build[int](ctx, s, []int{0, 1, 2}, 100, Options{Batch: 10, Workers: 1})
			return err
		})
		ix, err := New[int](s, all.Slice(0, 3), Options{Batch: 10})
		if err != nil {
			t.Fatal(err)
		}
		check("search", func(ctx context.Context) error {
			res, err := ix.Search(ctx, 3, Query{K: 5, Budget: 50, Rounds: 3, Anchors: 20})
			if res.Hits != nil {
				t.Errorf("hits %v", res.Hits)
			}
			return err
		})
	}
}

func TestBadInput(t *testing.T) {
	ok := vec.NewMatrix(2, 3)
	nan := vec.NewMatrix(2, 3)
	nan.Data[4] = float32(math.NaN())
	for name, c := range map[string]struct {
		m    vec.Matrix
		o    Options
		want error
	}{
		"no queries":     {vec.NewMatrix(0, 3), Options{}, vec.ErrTooFew},
		"no items":       {vec.NewMatrix(3, 0), Options{}, vec.ErrTooFew},
		"NaN":            {nan, Options{}, vec.ErrNotFinite},
		"shape":          {vec.Matrix{Rows: 2, Cols: 3, Data: ok.Data[:5]}, Options{}, vec.ErrDim},
		"too far apart":  {vec.Matrix{Rows: 3, Cols: 1, Data: []float32{math.MaxFloat32, math.MaxFloat32, -math.MaxFloat32}}, Options{}, vec.ErrNotFinite},
		"ridge":          {vec.Matrix{Rows: 2, Cols: 1, Data: []float32{1e20, -1e20}}, Options{Ridge: 1e300}, vec.ErrNotFinite},
		"negative ridge": {ok, Options{Ridge: -1}, nil},
		"NaN ridge":      {ok, Options{Ridge: math.NaN()}, nil},
		"batch":          {ok, Options{Batch: -1}, nil},
		"workers":        {ok, Options{Workers: -1}, nil},
	} {
		if ix, err := New[int](nil, c.m, c.o); err == nil || ix != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := &table{scores: ok}
	for _, err := range []error{
		second(Scores[int](t.Context(), s, nil, 3, Options{})),
		second(Scores[int](t.Context(), s, []int{0}, 0, Options{})),
		second(Scores[int](t.Context(), s, []int{0}, -1, Options{})),
	} {
		if !errors.Is(err, vec.ErrTooFew) {
			t.Error(err)
		}
	}
	ix, err := New[int](s, ok, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []Query{{}, {K: -1}, {K: 1, Budget: -1}, {K: 1, Anchors: -1}, {K: 1, Rounds: -1}, {K: 3, Budget: 2}, {K: 1, Budget: 2, Anchors: 3}} {
		if _, err := ix.Search(t.Context(), 0, q); !errors.Is(err, index.ErrQuery) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := ix.Search(t.Context(), 0, Query{K: 1, Candidates: []uint32{0, 3}}); !errors.Is(err, index.ErrID) {
		t.Error(err)
	}
	if s.calls > 0 {
		t.Errorf("%d calls for what was refused", s.calls)
	}
	for _, c := range []struct {
		ids    []uint32
		scores []float32
		want   error
	}{
		{[]uint32{1}, nil, vec.ErrDim}, {[]uint32{3}, []float32{1}, index.ErrID}, {[]uint32{1, 1}, []float32{1, 1}, index.ErrID},
		{[]uint32{1}, []float32{float32(math.Inf(1))}, vec.ErrNotFinite},
	} {
		if _, err := ix.Estimate(t.Context(), c.ids, c.scores); !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c, err, c.want)
		}
	}
}

func second[A any](_ A, err error) error { return err }

// TestDegenerate: equal scores, one item, one anchor query, scores as large and as small as float32 has.
func TestDegenerate(t *testing.T) {
	huge := lowRank(4, 30, 2, 0.1, 10)
	for i := range huge.Data {
		huge.Data[i] = float32(math.Copysign(math.MaxFloat32/4, float64(huge.Data[i])))
	}
	tiny := huge.Clone()
	for i := range tiny.Data {
		tiny.Data[i] = float32(math.Copysign(1e-45, float64(huge.Data[i])))
	}
	equal := vec.NewMatrix(4, 30)
	for i := range equal.Data {
		equal.Data[i] = 7
	}
	for name, all := range map[string]vec.Matrix{"huge": huge, "tiny": tiny, "equal": equal, "zero": vec.NewMatrix(4, 30),
		"one item": lowRank(4, 1, 1, 0, 1), "one anchor query": lowRank(2, 30, 2, 0, 1)} {
		for _, uncentered := range []bool{false, true} {
			ix, query := split(t, all, Options{Uncentered: uncentered})
			n := ix.Len()
			res, err := ix.Search(t.Context(), all.Rows-1, Query{K: 100, Budget: 1000})
			if err != nil || !reflect.DeepEqual(res.Hits, exact(query, n)) {
				t.Errorf("%s: %v, %v", name, res.Hits, err)
			}
			if n == 1 {
				continue
			}
			if res, err := ix.Search(t.Context(), all.Rows-1, Query{K: 3, Budget: 11}); err != nil || res.Calls != 11 || len(res.Hits) != 3 {
				t.Errorf("%s: %+v, %v", name, res, err)
			}
			got, _ := predicted(t, ix, query, 10)
			for i, v := range got {
				if !finite(v) {
					t.Errorf("%s: item %d is predicted to score %v", name, i, v)
				}
			}
		}
	}
}

// TestConcurrent: searches side by side find what one alone does, whatever they make of the shared factor first, and
// whatever the number of processors.
func TestConcurrent(t *testing.T) {
	all := lowRank(40, 500, 20, 0.2, 11)
	s := &table{scores: all}
	fresh := func() *Index[int] {
		ix, err := New[int](s, all.Slice(0, 30), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return ix
	}
	search := func(ix *Index[int], q int) Result {
		res, err := ix.Search(t.Context(), q, Query{K: 10, Budget: 30 + 10*(q%5)})
		if err != nil {
			t.Error(err)
		}
		return res
	}
	shared := fresh()
	got := make([]Result, all.Rows)
	var wg sync.WaitGroup
	for q := range got {
		wg.Go(func() { got[q] = search(shared, q) })
	}
	wg.Wait()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for q := range got {
		if want := search(fresh(), q); !reflect.DeepEqual(got[q], want) {
			t.Errorf("query %d: %v among others, %v alone", q, got[q], want)
		}
	}
}

func written(t testing.TB, ix *Index[int]) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := ix.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes written, %d said, %v", b.Len(), n, err)
	}
	return b.Bytes()
}

func TestFile(t *testing.T) {
	all := lowRank(6, 40, 3, 0.2, 12)
	ix, _ := split(t, all, Options{Ridge: 0.02, Seed: 5, Batch: 7})
	file := written(t, ix)
	r := bytes.NewReader(append(slices.Clone(file), "more"...))
	back, err := Read[int](r, &table{scores: all, batch: 7})
	if err != nil || r.Len() != len("more") {
		t.Fatalf("%v, with %d bytes left", err, r.Len())
	}
	q := Query{K: 5, Budget: 20}
	want, err := ix.Search(t.Context(), 5, q)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := back.Search(t.Context(), 5, q); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read again it finds %v, %v, want %v", got, err, want)
	}
	if !bytes.Equal(written(t, back), file) {
		t.Error("read and written again, it is another file")
	}
	for i := range file {
		bad := slices.Clone(file)
		bad[i] ^= 0x10
		for name, b := range map[string][]byte{"changed": bad, "cut": file[:i]} {
			got, err := Read[int](bytes.NewReader(b), nil)
			var corrupt *artifact.CorruptError
			if err == nil && bytes.Equal(written(t, got), file) {
				continue // a byte between sections, of which nothing depends
			}
			if !errors.As(err, &corrupt) {
				t.Fatalf("%s at %d: %v", name, i, err)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	write := func(h header, scores, mean []float32, order []uint32) {
		var b bytes.Buffer
		if _, err := artifact.Write(&b, kind, version, artifact.JSON("meta", h), artifact.Numbers("scores", scores),
			artifact.Numbers("mean", mean), artifact.Numbers("order", order)); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	scores, mean, order := []float32{1, -1, 2, -2}, []float32{3, 4}, []uint32{1, 0}
	write(header{2, 2, 0.01, false, 1, 8}, scores, mean, order)
	write(header{2, 2, -1, false, 1, 8}, scores, mean, order)
	write(header{2, 2, 1e308, false, 1, 8}, []float32{math.MaxFloat32, 0, 0, 0}, mean, order)
	write(header{2, 2, 0.01, false, 1, -8}, scores, mean, order)
	write(header{2, 2, 0.01, false, 1, 8}, scores, mean, []uint32{1, 1})
	write(header{2, 2, 0.01, false, 1, 8}, scores, mean, []uint32{1, 2})
	write(header{2, 2, 0.01, false, 1, 8}, scores, []float32{3, float32(math.NaN())}, order)
	write(header{2, 2, 0.01, false, 1, 8}, []float32{1, float32(math.Inf(1)), 2, 3}, mean, order)
	write(header{2, 3, 0.01, false, 1, 8}, scores, mean, order)
	write(header{0, 0, 0.01, false, 1, 8}, nil, nil, nil)
	write(header{2, 1 << 62, 0.01, false, 1, 8}, nil, mean, order)
	write(header{-1, -4, 0.01, false, 1, 8}, scores, mean, order)
	f.Add([]byte("latent"))
	zeros := ScorerFunc[int](func(_ context.Context, _ int, ids []uint32) ([]float32, error) { return make([]float32, len(ids)), nil })
	f.Fuzz(func(t *testing.T, b []byte) {
		ix, err := Read[int](bytes.NewReader(b), zeros)
		if err != nil {
			var corrupt *artifact.CorruptError
			if !errors.As(err, &corrupt) {
				t.Errorf("the error is %v, want a CorruptError", err)
			}
			return
		}
		if again, err := Read[int](bytes.NewReader(written(t, ix)), nil); err != nil || again.Len() != ix.Len() {
			t.Errorf("written and read again: %v", err)
		}
		if res, err := ix.Search(t.Context(), 0, Query{K: 1}); err != nil || len(res.Hits) != 1 {
			t.Errorf("it finds %v, %v", res, err)
		}
	})
}
