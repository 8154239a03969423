package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/vec"
)

var background = context.Background()

// mixture draws n rows about the given number of centres, which are some ten standard deviations apart.
func mixture(r *rand.Rand, n, d, centres int) (x, means vec.Matrix, truth []int) {
	means, x = vec.NewMatrix(centres, d), vec.NewMatrix(n, d)
	for i := range means.Data {
		means.Data[i] = float32(10 * r.NormFloat64())
	}
	truth = make([]int, n)
	for i := range n {
		truth[i] = r.IntN(centres)
		for j, m := range means.Row(truth[i]) {
			x.Row(i)[j] = m + float32(r.NormFloat64())
		}
	}
	return x, means, truth
}

func kmeans(t testing.TB, x vec.Matrix, o Options) *Result {
	t.Helper()
	res, err := KMeans(background, x, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func squared(a, b []float32) (s float64) {
	for i, v := range a {
		s += (float64(v) - float64(b[i])) * (float64(v) - float64(b[i]))
	}
	return s
}

// unit returns the rows scaled to length 1.
func unit(x vec.Matrix) vec.Matrix {
	x = x.Clone()
	for i := range x.Rows {
		vec.Normalize(x.Row(i), x.Row(i))
	}
	return x
}

// The promises that hold for any data: the nearest centroid, by brute force in float64; centroids that are means;
// inertia that never rises; sizes and inertia that are what assignments say.
func TestLloyd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		d := rapid.IntRange(1, 20).Draw(t, "d")
		k := rapid.IntRange(1, min(n, 40)).Draw(t, "k")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		x := vec.NewMatrix(n, d)
		offset := float32(rapid.SampledFrom([]float64{0, 100}).Draw(t, "offset"))
		coarse := rapid.Bool().Draw(t, "coarse") // few values, so that many rows are equal
		for i := range x.Data {
			x.Data[i] = float32(r.NormFloat64()) + offset
			if coarse {
				x.Data[i] = float32(r.IntN(2)) + 1
			}
		}
		o := Options{K: k, Iterations: 200, Seed: r.Uint64(), Init: Init(r.IntN(4)), Spherical: rapid.Bool().Draw(t, "spherical")}
		res, err := KMeans(background, x, o)
		if err != nil {
			t.Fatal(err)
		}
		y := x
		if o.Spherical {
			y = unit(x)
		}
		// Of rounding: products and sums of d+16 terms as large as the squares of the values.
		slack := float64(d+16) * 0x1p-23 * 2
		scale := 1.0
		for i := range n {
			scale = max(scale, 2*squared(y.Row(i), make([]float32, d)))
		}
		for i := 1; i < len(res.History); i++ {
			if !(res.History[i] <= res.History[i-1]+slack*scale*float64(n)) {
				t.Fatalf("inertia rose: %v", res.History)
			}
		}
		if got := len(res.History); got != res.Iterations+1 {
			t.Fatalf("history has %d entries after %d iterations", got, res.Iterations)
		}
		sizes, inertia := make([]int, k), 0.0
		for i := range n {
			a := int(res.Assign[i])
			sizes[a]++
			own := squared(y.Row(i), res.Centroids.Row(a))
			inertia += own
			for j := range k {
				if other := squared(y.Row(i), res.Centroids.Row(j)); !(own <= other+slack*scale) {
					t.Fatalf("row %d is at %v from its centroid %d, at %v from %d", i, own, a, other, j)
				}
			}
		}
		if !slices.Equal(sizes, res.Sizes) || !(math.Abs(inertia-res.Inertia) <= slack*scale*float64(n)) {
			t.Fatalf("sizes %v and inertia %v, want %v and %v", res.Sizes, res.Inertia, sizes, inertia)
		}
		if res.Iterations == 200 {
			return // it may not stand still yet
		}
		for j := range k { // a fixed point: every centroid is the mean of its rows
			mean := make([]float64, d)
			for i, a := range res.Assign {
				if int(a) == j {
					for c, v := range y.Row(i) {
						mean[c] += float64(v)
					}
				}
			}
			if sizes[j] == 0 {
				continue
			}
			length := 0.0
			for c := range mean {
				mean[c] /= float64(sizes[j])
				length += mean[c] * mean[c]
			}
			if o.Spherical && length < 1e-3 {
				continue // hardly any direction
			}
			for c, m := range mean {
				if o.Spherical {
					m /= math.Sqrt(length)
				}
				if got := float64(res.Centroids.Row(j)[c]); !(math.Abs(got-m) <= 1e-3*math.Sqrt(scale)) && !coarse {
					t.Fatalf("value %d of centroid %d is %v, the mean of its %d rows %v", c, j, got, sizes[j], m)
				}
			}
		}
	})
}

func TestFindsTheClusters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	x, means, truth := mixture(r, 4000, 16, 10)
	for name, o := range map[string]Options{
		"plusplus": {Init: PlusPlus}, "parallel": {Init: Parallel}, "sample": {Sample: 60},
		"batch": {Batch: 400, Iterations: 50}, "tolerance": {Tolerance: 1e-3},
	} {
		o.K = 10
		res := kmeans(t, x, o)
		of := map[uint32]int{}
		for i, a := range res.Assign {
			if c, ok := of[a]; ok && c != truth[i] {
				t.Fatalf("%s: rows of two centres are in cluster %d", name, a)
			}
			of[a] = truth[i]
		}
		for a, c := range of {
			// The mean of some 400 rows of variance 1, or with Sample 60: seen up to 0.7.
			if d := squared(res.Centroids.Row(int(a)), means.Row(c)); d > 1.2 {
				t.Errorf("%s: a centroid is at squared distance %v from its centre", name, d)
			}
		}
		// Each row is at a squared distance of 16 on average.
		if got := res.Inertia / 4000; !(got > 15.5 && got < 16.5) { // seen 15.9 to 16.2
			t.Errorf("%s: inertia %v a row, want about 16", name, got)
		}
	}
}

// Data far from the origin: without the shift, float32 products would see none of the differences.
func TestFarFromTheOrigin(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	x, _, truth := mixture(r, 500, 8, 4)
	for i := range x.Data {
		x.Data[i] += 20_000
	}
	res := kmeans(t, x, Options{K: 4})
	of := map[uint32]int{}
	for i, a := range res.Assign {
		if c, ok := of[a]; ok && c != truth[i] {
			t.Fatalf("rows of two centres are in cluster %d", a)
		}
		of[a] = truth[i]
	}
}

func TestSameSeedSameResult(t *testing.T) {
	x, _, _ := mixture(rand.New(rand.NewPCG(3, 3)), 3000, 12, 30)
	for _, o := range []Options{{K: 1}, {K: 50}, {K: 50, Init: Parallel}, {K: 20, Init: Random}, {K: 20, Batch: 200}, {K: 30, Spherical: true}, {K: 10, Sample: 50}} {
		o.Seed, o.Iterations = 7, 5
		var want *Result
		for _, procs := range []int{1, 4} {
			old := runtime.GOMAXPROCS(procs)
			got := kmeans(t, x, o)
			runtime.GOMAXPROCS(old)
			if want != nil && (!slices.Equal(got.Centroids.Data, want.Centroids.Data) || !slices.Equal(got.Assign, want.Assign) || got.Inertia != want.Inertia) {
				t.Errorf("%+v: another result on %d processors", o, procs)
			}
			want = got
		}
		o.Seed = 8
		if got := kmeans(t, x, o); o.K > 1 && slices.Equal(got.Centroids.Data, want.Centroids.Data) {
			t.Errorf("%+v: the same result from another seed", o)
		}
	}
}

func TestExtremes(t *testing.T) {
	x, _, _ := mixture(rand.New(rand.NewPCG(4, 4)), 60, 5, 3)
	res := kmeans(t, x, Options{K: 60})
	if res.Inertia != 0 || slices.Min(res.Sizes) != 1 {
		t.Errorf("a cluster for each row: inertia %v, sizes %v", res.Inertia, res.Sizes)
	}
	res = kmeans(t, x, Options{K: 1})
	for j := range 5 {
		mean := 0.0
		for i := range 60 {
			mean += float64(x.Row(i)[j]) / 60
		}
		if got := float64(res.Centroids.Row(0)[j]); !(math.Abs(got-mean) < 1e-5) {
			t.Errorf("one cluster: value %d is %v, the mean %v", j, got, mean)
		}
	}
	same := vec.NewMatrix(20, 3) // one value, twenty times
	if res = kmeans(t, same, Options{K: 5}); res.Inertia != 0 || res.Sizes[res.Assign[0]] != 20 {
		t.Errorf("equal rows: inertia %v, sizes %v", res.Inertia, res.Sizes)
	}
	// Random centroids coincide in part, so that some clusters begin empty; there is a row for each in the end.
	few := vec.NewMatrix(40, 1)
	for i := range few.Data {
		few.Data[i] = float32(i / 10)
	}
	for seed := range uint64(20) {
		if res = kmeans(t, few, Options{K: 4, Init: Random, Seed: seed}); res.Inertia != 0 || slices.Min(res.Sizes) != 10 {
			t.Errorf("four values ten times each: inertia %v, sizes %v", res.Inertia, res.Sizes)
		}
	}
}

func TestRefuses(t *testing.T) {
	x, _, _ := mixture(rand.New(rand.NewPCG(5, 5)), 10, 3, 2)
	with := func(v float32) vec.Matrix {
		m := x.Clone()
		m.Data[4] = v
		return m
	}
	zero := x.Clone()
	clear(zero.Row(3))
	huge := vec.Matrix{Rows: 2, Cols: 1, Data: []float32{-1e38, 1e38}}
	for _, c := range []struct {
		name string
		x    vec.Matrix
		o    Options
		want error
	}{
		{"NaN", with(float32(math.NaN())), Options{K: 2}, vec.ErrNotFinite},
		{"Inf", with(float32(math.Inf(1))), Options{K: 2}, vec.ErrNotFinite},
		{"too few rows", x, Options{K: 11}, vec.ErrTooFew},
		{"no rows", vec.Matrix{}, Options{K: 1}, vec.ErrTooFew},
		{"no columns", vec.Matrix{Rows: 3}, Options{K: 1}, vec.ErrTooFew},
		{"shape", vec.Matrix{Rows: 3, Cols: 3, Data: make([]float32, 8)}, Options{K: 1}, vec.ErrDim},
		{"zero row", zero, Options{K: 2, Spherical: true}, vec.ErrZero},
		{"squares overflow", huge, Options{K: 1}, vec.ErrNotFinite},
		{"K", x, Options{}, nil},
		{"Start of another dimension", x, Options{Start: vec.NewMatrix(2, 4)}, vec.ErrDim},
		{"Start of another number", x, Options{K: 3, Start: vec.NewMatrix(2, 3)}, vec.ErrDim},
		{"Start with NaN", x, Options{Start: with(float32(math.NaN()))}, vec.ErrNotFinite},
		{"Iterations", x, Options{K: 1, Iterations: -1}, nil},
		{"Sample", x, Options{K: 1, Sample: -1}, nil},
		{"Batch", x, Options{K: 1, Batch: -1}, nil},
		{"Tolerance", x, Options{K: 1, Tolerance: math.NaN()}, nil},
		{"Init", x, Options{K: 1, Init: 9}, nil},
	} {
		if _, err := KMeans(background, c.x, c.o); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := KMeans(ctx, x, Options{K: 2}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, _, err := Assign(background, x, vec.NewMatrix(2, 4)); !errors.Is(err, vec.ErrDim) {
		t.Errorf("centroids of another dimension: %v", err)
	}
	if _, _, err := Assign(background, x, vec.Matrix{Cols: 3}); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("no centroids: %v", err)
	}
}

// More centroids than are multiplied at a time.
func TestAssign(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	x, _, _ := mixture(r, 500, 7, 5)
	c, _, _ := mixture(r, 1100, 7, 1100)
	assign, distances, err := Assign(background, x, c)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.Rows {
		best, at := math.Inf(1), 0
		for j := range c.Rows {
			if d := squared(x.Row(i), c.Row(j)); d < best {
				best, at = d, j
			}
		}
		if int(assign[i]) != at || !(math.Abs(float64(distances[i])-best) <= 1e-5*best) {
			t.Fatalf("row %d is given to %d at %v, want %d at %v", i, assign[i], distances[i], at, best)
		}
	}
}

// Begun where another ended, it stays there.
func TestStart(t *testing.T) {
	x, _, _ := mixture(rand.New(rand.NewPCG(9, 9)), 300, 4, 3)
	first := kmeans(t, x, Options{K: 5, Iterations: 100})
	again := kmeans(t, x, Options{Start: first.Centroids})
	if again.Iterations > 1 || !slices.Equal(again.Assign, first.Assign) {
		t.Errorf("%d iterations from a fixed point", again.Iterations)
	}
}

func TestProgress(t *testing.T) {
	x, _, _ := mixture(rand.New(rand.NewPCG(7, 7)), 300, 4, 3)
	for _, batch := range []int{0, 50} {
		last := -1
		kmeans(t, x, Options{K: 3, Batch: batch, Iterations: 4, Progress: func(done, total int) {
			if done != last+1 && last >= 0 || total != 4 || done > total {
				t.Errorf("%d of %d after %d", done, total, last)
			}
			last = done
		}})
		if last < 1 {
			t.Errorf("progress ends at %d", last)
		}
	}
}

func BenchmarkKMeans(b *testing.B) {
	for _, c := range []struct{ n, d, k int }{{65_536, 8, 256}, {4096, 8, 16}, {20_000, 784, 256}} {
		x, _, _ := mixture(rand.New(rand.NewPCG(8, 8)), c.n, c.d, 300)
		b.Run(fmt.Sprintf("n=%d/d=%d/k=%d/iterations=5", c.n, c.d, c.k), func(b *testing.B) {
			for b.Loop() {
				kmeans(b, x, Options{K: c.k, Iterations: 5})
			}
			b.ReportMetric(2*7*float64(c.n)*float64(c.d)*float64(c.k)/b.Elapsed().Seconds()*float64(b.N)/1e9, "GFLOP/s")
		})
	}
}
