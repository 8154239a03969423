package nested

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

var _ index.Searcher = (*Index)(nil)

func normal(n, d int, seed uint64) vec.Matrix {
	rng := rand.New(rand.NewPCG(seed, 7))
	x := vec.NewMatrix(n, d)
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

func head(x vec.Matrix, k int) vec.Matrix {
	out := vec.NewMatrix(x.Rows, k)
	for i := range x.Rows {
		copy(out.Row(i), x.Row(i))
	}
	return out
}

// TestExact checks that with all vectors kept the search is exact, and SearchPrefix that of the prefixes, by every metric
// and whatever the stages.
func TestExact(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		n, d := rapid.IntRange(1, 60).Draw(t, "n"), rapid.IntRange(3, 40).Draw(t, "d")
		a := rapid.IntRange(1, d-2).Draw(t, "a")
		b := rapid.IntRange(a+1, d-1).Draw(t, "b")
		metric := rapid.SampledFrom([]vec.Metric{vec.Cosine, vec.InnerProduct, vec.Euclidean}).Draw(t, "metric")
		k := rapid.IntRange(1, n).Draw(t, "k")
		x, q := normal(n, d, rapid.Uint64().Draw(t, "seed")), normal(1, d, 9)
		ix, err := New(x, Options{Dims: []int{a, b}, Metric: metric})
		if err != nil {
			t.Fatal(err)
		}
		for _, dim := range ix.Dims() {
			truth, err := neighbors.Exact(ctx, head(q, dim), head(x, dim), neighbors.Options{K: k, Metric: metric})
			if err != nil {
				t.Fatal(err)
			}
			res, err := ix.SearchPrefix(ctx, q.Row(0), dim, index.Query{K: k})
			if err != nil {
				t.Fatal(err)
			}
			same(t, truth, res)
			if dim == d {
				res, err := ix.Search(ctx, q.Row(0), index.Query{K: k, Effort: n})
				if err != nil {
					t.Fatal(err)
				}
				same(t, truth, res)
			}
		}
	})
}

// TestFarFromOrigin checks that l2 is exact where vectors are much nearer to each other than to the origin. As
// sum − 2·product + length in float32, of 2,000×16 normal values at an offset of 300 a search found 0.954 of the ten
// nearest, and at 3,000 0.032.
func TestFarFromOrigin(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.SampledFrom([]float32{0, 300, 3000}).Draw(t, "offset")
		n, d := rapid.IntRange(100, 600).Draw(t, "n"), rapid.IntRange(3, 24).Draw(t, "d")
		x := normal(n+5, d, rapid.Uint64().Draw(t, "seed"))
		for i := range x.Data {
			x.Data[i] += offset
		}
		base, queries := x.Slice(0, n), x.Slice(n, n+5)
		ix, err := New(base, Options{Dims: []int{rapid.IntRange(1, d-1).Draw(t, "prefix")}, Metric: vec.Euclidean})
		if err != nil {
			t.Fatal(err)
		}
		for _, dim := range ix.Dims() {
			truth, err := neighbors.Exact(ctx, head(queries, dim), head(base, dim), neighbors.Options{K: 10, Metric: vec.Euclidean})
			if err != nil {
				t.Fatal(err)
			}
			for i := range queries.Rows {
				_, want := truth.Row(i)
				res, err := ix.SearchPrefix(ctx, queries.Row(i), dim, index.Query{K: 10})
				if err != nil || len(res.Hits) != 10 || index.Recall(res.Hits, want) != 1 {
					t.Fatalf("offset %g, first %d of %d: %v (%v), want distances %v", offset, dim, d, res.Hits, err, want)
				}
				if dim < d {
					continue
				}
				res, err = ix.Search(ctx, queries.Row(i), index.Query{K: 10, Effort: n})
				if err != nil || len(res.Hits) != 10 || index.Recall(res.Hits, want) != 1 {
					t.Fatalf("offset %g, all %d: %v (%v), want distances %v", offset, d, res.Hits, err, want)
				}
				for _, h := range res.Hits { // its distance is the true one, not one that only looks near
					if want := vec.SquaredL2(queries.Row(i), base.Row(int(h.ID))); math.Abs(float64(h.Distance-want)) > 1e-5*float64(want) {
						t.Fatalf("offset %g: ID %d at %g, is at %g", offset, h.ID, h.Distance, want)
					}
				}
			}
		}
	})
}

// same compares by distance, as near ties may change places by rounding: sums of at most 40 products of some units.
func same(t *rapid.T, truth neighbors.Table, res index.Result) {
	_, want := truth.Row(0)
	if len(res.Hits) != len(want) {
		t.Fatalf("%d hits, want %d", len(res.Hits), len(want))
	}
	for i, h := range res.Hits {
		if math.Abs(float64(h.Distance-want[i])) > 1e-4*(1+math.Abs(float64(want[i]))) {
			t.Fatalf("hit %d at %g, want %g", i, h.Distance, want[i])
		}
	}
}

// TestStages checks that more effort finds no fewer, and that a search costs what it says.
func TestStages(t *testing.T) {
	ctx := context.Background()
	x := normal(3000, 32, 1)
	for i := range x.Rows {
		for j := range x.Cols { // the first say most
			x.Row(i)[j] /= float32(j + 1)
		}
	}
	queries := x.Slice(2900, 3000)
	ix, err := New(x.Slice(0, 2900), Options{Dims: []int{4, 12}, Metric: vec.Euclidean})
	if err != nil {
		t.Fatal(err)
	}
	truth, err := neighbors.Exact(ctx, queries, x.Slice(0, 2900), neighbors.Options{K: 10})
	if err != nil {
		t.Fatal(err)
	}
	last := 0.0
	for _, effort := range []int{10, 40, 160, 2900} {
		var recall float64
		for i := range queries.Rows {
			res, err := ix.Search(ctx, queries.Row(i), index.Query{K: 10, Effort: effort})
			if err != nil {
				t.Fatal(err)
			}
			_, want := truth.Row(i)
			recall += index.Recall(res.Hits, want) / float64(queries.Rows)
			if effort == 10 && res.Distances != (2900*4+10*8+10*20+31)/32 {
				t.Fatalf("cost %d", res.Distances)
			}
		}
		if recall < last {
			t.Errorf("effort %d finds %.3f, less effort %.3f", effort, recall, last)
		}
		last = recall
	}
	if last < 1-1e-9 {
		t.Errorf("with all kept it finds %.4f", last)
	}
	res, err := ix.Search(ctx, queries.Row(0), index.Query{K: 5, Keep: func(id uint32) bool { return id%2 == 1 }})
	if err != nil || len(res.Hits) != 5 {
		t.Fatalf("%v, %v", res, err)
	}
	for _, h := range res.Hits {
		if h.ID%2 != 1 {
			t.Errorf("ID %d was not to be kept", h.ID)
		}
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	x := normal(5, 8, 2)
	bad := x.Clone()
	bad.Data[3] = float32(math.NaN())
	zero := x.Clone()
	clear(zero.Row(2))
	for _, c := range []struct {
		x    vec.Matrix
		o    Options
		want error
	}{
		{x, Options{Dims: []int{8}}, vec.ErrDim},
		{x, Options{Dims: []int{3, 3}}, vec.ErrDim},
		{bad, Options{}, vec.ErrNotFinite},
		{zero, Options{Metric: vec.Cosine}, vec.ErrZero},
	} {
		if _, err := New(c.x, c.o); !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c.o, err, c.want)
		}
	}
	if _, err := New(x, Options{Metric: vec.Manhattan}); err == nil {
		t.Error("l1 was taken")
	}
	ix, err := New(x, Options{Dims: []int{2}, Metric: vec.Cosine})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		v    []float32
		k    int
		want error
	}{
		{x.Row(0), 0, index.ErrQuery}, {x.Row(0)[:3], 1, vec.ErrDim}, {bad.Row(0), 1, vec.ErrNotFinite}, {make([]float32, 8), 1, vec.ErrZero},
	} {
		if _, err := ix.Search(ctx, c.v, index.Query{K: c.k}); !errors.Is(err, c.want) {
			t.Errorf("%v, k %d: %v, want %v", c.v, c.k, err, c.want)
		}
	}
	if _, err := ix.SearchPrefix(ctx, x.Row(0), 5, index.Query{K: 1}); !errors.Is(err, vec.ErrDim) {
		t.Errorf("a prefix that is not there: %v", err)
	}
	if res, err := ix.Search(ctx, x.Row(0), index.Query{K: 50}); err != nil || len(res.Hits) != 5 {
		t.Errorf("more than there are: %v, %v", res, err)
	}
	empty, err := New(vec.Matrix{Cols: 8}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := empty.Search(ctx, x.Row(0), index.Query{K: 1}); err != nil || len(res.Hits) != 0 {
		t.Errorf("empty: %v, %v", res, err)
	}
}
