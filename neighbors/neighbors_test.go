package neighbors_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

var (
	background = context.Background()
	metrics    = []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct, vec.Manhattan}
)

// naive is the definition: all distances, sorted.
func naive(queries, base vec.Matrix, o neighbors.Options) neighbors.Table {
	t := neighbors.Table{K: o.K}
	type near struct {
		d  float32
		id uint32
	}
	for i := range queries.Rows {
		var all []near
		for j := range base.Rows {
			if o.ExcludeSelf && i == j || o.Keep != nil && !o.Keep(j) {
				continue
			}
			id := uint32(j)
			if o.IDs != nil {
				id = o.IDs[j]
			}
			d := o.Metric.Distance(queries.Row(i), base.Row(j))
			if o.Normalized && o.Metric == vec.Cosine {
				d = 1 - vec.Dot(queries.Row(i), base.Row(j))
			}
			all = append(all, near{d, id})
		}
		slices.SortFunc(all, func(a, b near) int { return cmp.Or(cmp.Compare(a.d, b.d), cmp.Compare(a.id, b.id)) })
		for _, n := range all[:o.K] {
			t.IDs, t.Distances = append(t.IDs, n.id), append(t.Distances, n.d)
		}
	}
	return t
}

// kinds are ways to make data that are hard in different ways.
var kinds = map[string]func(r *rand.Rand, v []float32){
	"gauss": func(r *rand.Rand, v []float32) {
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
	},
	"lattice": func(r *rand.Rand, v []float32) { // ties everywhere
		for i := range v {
			v[i] = float32(r.IntN(3) - 1)
		}
	},
	"far": func(r *rand.Rand, v []float32) { // 1e5 away from the origin, 1 apart
		for i := range v {
			v[i] = 1e5 + float32(r.NormFloat64())
		}
	},
	"two clumps": func(r *rand.Rand, v []float32) { // no centre helps
		c := float32(r.IntN(2))*2e4 - 1e4
		for i := range v {
			v[i] = c + float32(r.NormFloat64())/100
		}
	},
	"scales": func(r *rand.Rand, v []float32) {
		s := math.Exp(10 * r.NormFloat64())
		for i := range v {
			v[i] = float32(s * r.NormFloat64())
		}
	},
	"tiny": func(r *rand.Rand, v []float32) { // squares underflow
		for i := range v {
			v[i] = 1e-22 * float32(r.NormFloat64())
		}
	},
	"huge": func(r *rand.Rand, v []float32) { // squares overflow, now and then
		for i := range v {
			v[i] = 4e18 * float32(r.Float64())
		}
	},
	"pixels": func(r *rand.Rand, v []float32) { // whole numbers, many zeros
		for i := range v {
			v[i] = max(0, float32(r.IntN(400)-145))
		}
	},
}

func fill(m vec.Matrix, r *rand.Rand, kind string) vec.Matrix {
	for i := range m.Rows {
		kinds[kind](r, m.Row(i))
		if r.IntN(20) == 0 && kind != "huge" {
			clear(m.Row(i))
		}
		if i > 0 && r.IntN(10) == 0 {
			copy(m.Row(i), m.Row(r.IntN(i)))
		}
	}
	return m
}

func check(t interface{ Fatalf(string, ...any) }, got, want neighbors.Table) {
	if got.K != want.K || len(got.IDs) != len(want.IDs) || len(got.Distances) != len(want.Distances) {
		t.Fatalf("shape is %d, %d, %d, want %d, %d, %d", got.K, len(got.IDs), len(got.Distances), want.K, len(want.IDs), len(want.Distances))
	}
	for i := range want.IDs {
		if got.IDs[i] != want.IDs[i] || got.Distances[i] != want.Distances[i] {
			t.Fatalf("query %d, neighbour %d: %d at %v, want %d at %v", i/want.K, i%want.K, got.IDs[i], got.Distances[i], want.IDs[i], want.Distances[i])
		}
	}
}

// TestExact compares with the definition, to the bit.
func TestExact(t *testing.T) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				d := rapid.SampledFrom([]int{1, 2, 3, 8, 17, 40}).Draw(t, "d")
				n := rapid.IntRange(2, 200).Draw(t, "n")
				o := neighbors.Options{
					Metric:      rapid.SampledFrom(metrics).Draw(t, "metric"),
					ExcludeSelf: rapid.Bool().Draw(t, "exclude self"),
				}
				base := fill(vec.NewMatrix(n, d), r, kind)
				queries := base
				if !o.ExcludeSelf {
					queries = fill(vec.NewMatrix(rapid.SampledFrom([]int{0, 1, 6, 7, 60}).Draw(t, "queries"), d), r, kind)
					if queries.Rows > 0 {
						copy(queries.Row(0), base.Row(n-1))
					}
				}
				o.K = rapid.SampledFrom([]int{1, min(n-1, 10), n - 1}).Draw(t, "k")
				if rapid.Bool().Draw(t, "ids") {
					for _, id := range r.Perm(n) {
						o.IDs = append(o.IDs, uint32(7*id))
					}
				}
				if rapid.Bool().Draw(t, "keep") && o.K < n/3 {
					o.Keep = func(row int) bool { return row%2 == 0 }
				}
				if o.Metric == vec.Cosine && kind != "tiny" && kind != "huge" && rapid.Bool().Draw(t, "normalized") {
					o.Normalized = true
					for _, m := range []vec.Matrix{base, queries} {
						for i := range m.Rows {
							vec.Normalize(m.Row(i), m.Row(i))
						}
					}
				}
				q0, b0 := queries.Clone(), base.Clone()
				got, err := neighbors.Exact(background, queries, base, o)
				if err != nil {
					t.Fatal(err)
				}
				check(t, got, naive(queries, base, o))
				if !slices.Equal(queries.Data, q0.Data) || !slices.Equal(base.Data, b0.Data) {
					t.Fatal("the arguments were changed")
				}
			})
		})
	}
}

// TestExactInParts meets several blocks of queries and several segments of the base, for any number of processors.
func TestExactInParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, s := range [][2]int{{1, 9000}, {20, 9000}, {500, 600}} {
		base, queries := fill(vec.NewMatrix(s[1], 6), r, "pixels"), fill(vec.NewMatrix(s[0], 6), r, "pixels")
		for _, m := range metrics {
			o := neighbors.Options{K: 12, Metric: m}
			want := naive(queries, base, o)
			for _, procs := range []int{1, 2, 8} {
				calls, last := 0, 0
				o.Progress = func(done, total int) {
					if done <= last || total != queries.Rows {
						t.Errorf("progress %d of %d after %d", done, total, last)
					}
					calls, last = calls+1, done
				}
				old := runtime.GOMAXPROCS(procs)
				got, err := neighbors.Exact(background, queries, base, o)
				runtime.GOMAXPROCS(old)
				if err != nil {
					t.Fatal(err)
				}
				check(t, got, want)
				if last != queries.Rows {
					t.Errorf("progress ended at %d of %d", last, queries.Rows)
				}
			}
		}
	}
}

// TestScreens sees that products spare nearly all measurements: Keep is asked about each pair that is measured.
func TestScreens(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, kind := range []string{"gauss", "far", "pixels"} {
		base, queries := vec.NewMatrix(5000, 64), vec.NewMatrix(200, 64)
		for _, m := range []vec.Matrix{base, queries} {
			for i := range m.Rows {
				kinds[kind](r, m.Row(i))
			}
		}
		for _, m := range []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct} {
			if kind == "far" && m != vec.Euclidean {
				continue // all directions are one, to float32
			}
			var measured atomic.Int64
			o := neighbors.Options{K: 10, Metric: m, Keep: func(int) bool { measured.Add(1); return true }}
			old := runtime.GOMAXPROCS(1)
			_, err := neighbors.Exact(background, queries, base, o)
			runtime.GOMAXPROCS(old)
			if err != nil {
				t.Fatal(err)
			}
			// A perfect screen lets 10·(1+ln(5000/10)) = 72 of 5000 pass, on average: 1.4 %.
			if share := float64(measured.Load()) / (5000 * 200); share > 0.03 { // seen 0.014 to 0.016
				t.Errorf("%s under %v: %.4f of all pairs were measured", kind, m, share)
			}
		}
	}
}

func TestExactRefuses(t *testing.T) {
	x := fill(vec.NewMatrix(20, 4), rand.New(rand.NewPCG(3, 3)), "gauss")
	with := func(row int, v float32) vec.Matrix {
		m := x.Clone()
		m.Row(row)[2] = v
		return m
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for name, c := range map[string]struct {
		queries, base vec.Matrix
		o             neighbors.Options
		want          error
	}{
		"k = 0":                   {x, x, neighbors.Options{}, vec.ErrTooFew},
		"k > n":                   {x, x, neighbors.Options{K: 21}, vec.ErrTooFew},
		"k = n without itself":    {x, x, neighbors.Options{K: 20, ExcludeSelf: true}, vec.ErrTooFew},
		"empty base":              {x, vec.Matrix{Cols: 4}, neighbors.Options{K: 1}, vec.ErrTooFew},
		"widths":                  {x, vec.NewMatrix(20, 5), neighbors.Options{K: 1}, vec.ErrDim},
		"fewer values than said":  {x, vec.Matrix{Rows: 20, Cols: 4, Data: x.Data[:70]}, neighbors.Options{K: 1}, vec.ErrDim},
		"fewer IDs":               {x, x, neighbors.Options{K: 1, IDs: make([]uint32, 19)}, vec.ErrDim},
		"NaN in base":             {x, with(7, nan), neighbors.Options{K: 1}, vec.ErrNotFinite},
		"infinity in queries":     {with(19, inf), x, neighbors.Options{K: 1, Metric: vec.Cosine}, vec.ErrNotFinite},
		"too few kept":            {x, x, neighbors.Options{K: 5, Keep: func(row int) bool { return row < 4 }}, vec.ErrTooFew},
		"no such metric":          {x, x, neighbors.Options{K: 1, Metric: 9}, nil},
		"products not numbers":    {overflowing().Slice(1, 2), overflowing(), neighbors.Options{K: 2, Metric: vec.InnerProduct}, vec.ErrNotFinite},
		"infinite distances pass": {with(0, 3e38), x, neighbors.Options{K: 20}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := neighbors.Exact(background, c.queries, c.base, c.o)
			if name == "infinite distances pass" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := neighbors.Exact(ctx, x, x, neighbors.Options{K: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error is %v", err)
	}
}

// overflowing has two rows whose product is an infinity less another.
func overflowing() vec.Matrix {
	m := vec.NewMatrix(2, 4)
	for i := range m.Data {
		m.Data[i] = 1e38
	}
	m.Row(0)[1] = -1e38
	return m
}

func BenchmarkExact(b *testing.B) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, s := range [][3]int{{1000, 20_000, 784}, {1000, 60_000, 100}, {1, 60_000, 100}} {
		queries, base := vec.NewMatrix(s[0], s[2]), vec.NewMatrix(s[1], s[2])
		kinds["gauss"](r, queries.Data)
		kinds["gauss"](r, base.Data)
		for _, m := range metrics[:2] {
			b.Run(fmt.Sprintf("%v/queries=%d/n=%d/d=%d", m, s[0], s[1], s[2]), func(b *testing.B) {
				for b.Loop() {
					if _, err := neighbors.Exact(background, queries, base, neighbors.Options{K: 10, Metric: m}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(2*float64(s[0])*float64(s[1])*float64(s[2])*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

func ExampleExact() {
	base, _ := vec.FromRows([][]float32{{0, 0}, {3, 4}, {1, 1}})
	t, err := neighbors.Exact(context.Background(), base, base, neighbors.Options{K: 1, ExcludeSelf: true})
	fmt.Println(t.IDs, t.Distances, err)
	// Output: [2 2 0] [2 13 2] <nil>
}
