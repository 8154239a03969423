package dimension_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/vec"
)

var ctx = context.Background()

type estimator struct {
	name string
	f    func(context.Context, vec.Matrix, dimension.Options) (dimension.Estimate, error)
}

var estimators = []estimator{{"TwoNN", dimension.TwoNN}, {"MLE", dimension.MLE}, {"MOM", dimension.MOM},
	{"Correlation", dimension.Correlation}, {"DANCo", dimension.DANCo}, {"FisherS", dimension.FisherS}}

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*math.Abs(want)) {
		t.Errorf("%s: %.9g, want %.9g within %.0e", what, got, want, tol)
	}
}

// Distances j/k, or their mth roots, have a closed form: k/(k ln k - ln k!) in Amsaleg's count, (k-1)/k of it in ours.
func TestHill(t *testing.T) {
	for _, c := range []struct {
		k    int
		want float64
	}{{20, 1.080833}, {100, 1.022964}} {
		for _, m := range []float64{1, 2, 7.5} {
			r, squared := make([]float64, c.k), make([]float64, c.k)
			for j := range r {
				r[j] = math.Pow(float64(j+1)/float64(c.k), 1/m)
				squared[j] = r[j] * r[j]
			}
			lgamma, _ := math.Lgamma(float64(c.k + 1))
			k := float64(c.k)
			near(t, "r = (j/k)^(1/m)", dimension.Hill(r), m*(k-1)/(k*math.Log(k)-lgamma), 1e-12)
			near(t, "the figure for it", dimension.Hill(r), m*c.want, 1e-6)
			near(t, "squared distances halve it", dimension.Hill(squared), dimension.Hill(r)/2, 1e-12)
		}
	}
	if d := dimension.Hill([]float64{2, 2, 2}); !math.IsInf(d, 1) {
		t.Errorf("equal distances: %g", d)
	}
}

// Estimates do not change with a shift, a scale or a rotation, nor if rows are repeated or in another order.
func TestInvariance(t *testing.T) {
	const n, d = 300, 4
	x := cubeOf(d).points(n, 3)
	rng := rand.New(rand.NewPCG(5, 5))
	moved := map[string]vec.Matrix{"shifted": x.Clone(), "scaled by a power of two": x.Clone(), "scaled": x.Clone(), "rotated": x.Clone(), "tiny": x.Clone(), "huge": x.Clone()}
	for i := range n {
		a, b := 0.3, 1.1
		for j, v := range x.Row(i) {
			moved["shifted"].Row(i)[j] = v + float32(8*j)
			moved["scaled by a power of two"].Row(i)[j] = v / 1024
			moved["scaled"].Row(i)[j] = v * 1.7
			moved["tiny"].Row(i)[j] = v * 1e-30 // whose squares are 0 in float32
			moved["huge"].Row(i)[j] = v * 1e30  // and infinite here
		}
		r := moved["rotated"].Row(i)
		r[0], r[1] = float32(math.Cos(a))*r[0]-float32(math.Sin(a))*r[1], float32(math.Sin(a))*r[0]+float32(math.Cos(a))*r[1]
		r[1], r[3] = float32(math.Cos(b))*r[1]-float32(math.Sin(b))*r[3], float32(math.Sin(b))*r[1]+float32(math.Cos(b))*r[3]
	}
	var twice []int
	for i := range n {
		twice = append(twice, i, i)
	}
	rng.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
	moved["repeated and shuffled"] = x.Gather(twice)
	for _, e := range estimators {
		want, err := e.f(ctx, x, dimension.Options{})
		if err != nil {
			t.Fatal(e.name, err)
		}
		for how, y := range moved {
			if e.name == "DANCo" && how != "shifted" && how != "rotated" {
				continue // it is slow, and uses the distances of the others
			}
			got, err := e.f(ctx, y, dimension.Options{})
			if err != nil {
				t.Fatal(e.name, how, err)
			}
			near(t, e.name+" "+how, got.Value, want.Value, 2e-3) // rounding of float32: 6e-5 seen, DANCo 1e-3 from its steps
			if got.N != n || got.Of != y.Rows {
				t.Errorf("%s %s: from %d of %d rows", e.name, how, got.N, got.Of)
			}
		}
	}
}

func TestLID(t *testing.T) {
	x := ballOf(3).points(200, 1)
	lid, err := dimension.LID(ctx, x, dimension.Options{K: 12, Sample: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 7, 199} { // against the definition
		var r []float64
		for j := range x.Rows {
			if j != i {
				var s float64
				for c, v := range x.Row(j) {
					s += math.Pow(float64(v)-float64(x.Row(i)[c]), 2)
				}
				r = append(r, math.Sqrt(s))
			}
		}
		slices.Sort(r)
		near(t, "LID", lid[i], dimension.Hill(r[:12]), 1e-5)
	}
	// MLE is their harmonic mean.
	var inverse float64
	for _, v := range lid {
		inverse += 1 / v / float64(len(lid))
	}
	mle, err := dimension.MLE(ctx, x, dimension.Options{K: 12})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "harmonic mean", 1/inverse, mle.Value, 1e-12)
	// Copies have the value of what they copy, and do not change that of others.
	var rows []int
	for i := range 200 {
		rows = append(rows, i)
	}
	again, err := dimension.LID(ctx, x.Gather(append(rows, 7, 7, 3)), dimension.Options{K: 12})
	if err != nil {
		t.Fatal(err)
	}
	for i, j := range append(rows, 7, 7, 3) {
		near(t, "LID with copies", again[i], lid[j], 1e-5)
	}
}

// The standard error is what the estimates of independent draws scatter by.
func TestStdErr(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	const draws = 150
	for _, e := range estimators {
		if e.name == "DANCo" {
			continue // see TestTable: its balls are slow to draw this often
		}
		for _, m := range []manifold{cubeOf(2), gaussianOf(6)} {
			var sum, squares, errs float64
			for seed := range uint64(draws) {
				got, err := e.f(ctx, m.points(200, seed), dimension.Options{K: 10})
				if err != nil {
					t.Fatal(err)
				}
				sum, squares, errs = sum+got.Value, squares+got.Value*got.Value, errs+got.StdErr
				near(t, "Lo", got.Lo, max(0, got.Value-1.96*got.StdErr), 1e-12)
				near(t, "Hi", got.Hi, got.Value+1.96*got.StdErr, 1e-12)
			}
			sd := math.Sqrt((squares - sum*sum/draws) / (draws - 1))
			t.Logf("%s of %s: %.3f, scatter %.3f, standard error %.3f", e.name, m.name, sum/draws, sd, errs/draws)
			if ratio := errs / draws / sd; !(ratio > 0.75 && ratio < 1.35) {
				t.Errorf("%s of %s scatters by %.3f, its standard error is %.3f", e.name, m.name, sd, errs/draws)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	nan := cubeOf(3).points(100, 1)
	nan.Row(41)[2] = float32(math.NaN())
	same := vec.NewMatrix(100, 3)
	corners := vec.NewMatrix(60, 60) // all at distance √2
	for i := range 60 {
		corners.Row(i)[i] = 1
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, e := range estimators {
		for _, c := range []struct {
			name string
			ctx  context.Context
			x    vec.Matrix
			o    dimension.Options
			want error
		}{
			{"NaN", ctx, nan, dimension.Options{}, vec.ErrNotFinite},
			{"no rows", ctx, vec.Matrix{}, dimension.Options{}, vec.ErrTooFew},
			{"no columns", ctx, vec.Matrix{Rows: 5}, dimension.Options{}, vec.ErrTooFew},
			{"one row", ctx, cubeOf(3).points(1, 1), dimension.Options{}, vec.ErrTooFew},
			{"two rows", ctx, cubeOf(3).points(2, 1), dimension.Options{}, vec.ErrTooFew},
			{"equal rows", ctx, same, dimension.Options{}, vec.ErrTooFew},
			{"all equally far", ctx, corners, dimension.Options{}, dimension.ErrNoScale},
			{"stopped", ended, cubeOf(3).points(100, 1), dimension.Options{}, context.Canceled},
		} {
			if _, err := e.f(c.ctx, c.x, c.o); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, want %v", e.name, c.name, err, c.want)
			} else {
				t.Log(err)
			}
		}
		if e.name != "TwoNN" && e.name != "FisherS" { // which look at no K
			if _, err := e.f(ctx, cubeOf(3).points(100, 1), dimension.Options{K: 100}); !errors.Is(err, vec.ErrTooFew) {
				t.Errorf("%s with K = 100 of 100: %v", e.name, err)
			}
			if _, err := e.f(ctx, cubeOf(3).points(100, 1), dimension.Options{K: 1}); err == nil {
				t.Errorf("%s with K = 1: no error", e.name)
			}
		}
	}
	if _, err := dimension.Measure(ctx, nan, dimension.Options{}); !errors.Is(err, vec.ErrNotFinite) {
		t.Errorf("Measure of NaN: %v", err)
	}
	if _, err := dimension.Measure(ended, cubeOf(3).points(100, 1), dimension.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Measure stopped: %v", err)
	}
	if _, err := dimension.Measure(ctx, cubeOf(3).points(1, 1), dimension.Options{}); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("Measure of one row: %v", err)
	}
	r, err := dimension.Measure(ctx, same, dimension.Options{})
	if err != nil || r.Dimension != 0 || r.Distinct != 1 || r.Spectrum.Participation != 0 || len(r.Estimates) != 0 {
		t.Errorf("Measure of equal rows: %+v, %v", r, err)
	}
	r, err = dimension.Measure(ctx, corners, dimension.Options{})
	if err != nil || r.Dimension != 0 || r.LID.Infinite != 60 {
		t.Errorf("Measure of corners: %+v, %v", r, err)
	}
	t.Log(r.Summary, r.Notes)
	r, err = dimension.Measure(ctx, cubeOf(3).points(12, 1), dimension.Options{K: 20})
	if err != nil || r.Distinct != 12 || r.Dimension != 0 || r.Spectrum == nil || !strings.Contains(r.Notes[0], "neighbourhoods of 20") {
		t.Errorf("Measure of fewer rows than neighbours: %+v, %v", r, err)
	}
	if _, err = dimension.Measure(ctx, cubeOf(3).points(12, 1), dimension.Options{K: 1}); err == nil {
		t.Error("Measure with K = 1: no error")
	}
}

// One broken row among ordinary ones makes no copies of these, and moves no estimate by much.
func TestBrokenRow(t *testing.T) {
	x := cubeOf(3).points(400, 1)
	want, err := dimension.Measure(ctx, x, dimension.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []float32{1e4, 1e10, 1e30, -3e38} {
		y := x.Clone()
		y.Row(17)[1] = v
		got, err := dimension.Measure(ctx, y, dimension.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Distinct != 400 || strings.Contains(strings.Join(got.Notes, " "), "counted once") {
			t.Errorf("a row of %g: %d distinct rows, notes %q", v, got.Distinct, got.Notes)
		}
		near(t, "dimension beside it", got.Dimension, want.Dimension, .05)
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
		y.Row(18)[1] = v
		copy(y.Row(19), y.Row(20))
		if got, err = dimension.Measure(ctx, y, dimension.Options{}); err != nil || got.Distinct != 399 || !strings.Contains(strings.Join(got.Notes, " "), "1 of 400 rows are copies") {
			t.Errorf("two such rows and a copy: %d distinct, %v: %v", got.Distinct, got.Notes, err)
		}
	}
	// What rounding makes equal is not called a copy.
	y := vec.NewMatrix(100, 1)
	for i := range 100 {
		y.Data[i] = 1000 + float32(i)
	}
	y.Data[0], y.Data[1] = 0, 1e-10
	got, err := dimension.Measure(ctx, y, dimension.Options{})
	if notes := strings.Join(got.Notes, " "); err != nil || strings.Contains(notes, "copies") || !strings.Contains(notes, "1 of 100 rows differ") {
		t.Errorf("%q, %v", notes, err)
	}
}

// Whatever the data, if it is finite, Measure answers with a report that can be written as JSON, or with too few rows.
func TestMeasureAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, d := rapid.IntRange(0, 12).Draw(t, "n"), rapid.IntRange(0, 5).Draw(t, "d")
		if rapid.IntRange(0, 9).Draw(t, "more") == 0 {
			n += 60
		}
		x := vec.NewMatrix(n, d)
		levels := rapid.SliceOfN(rapid.Float32(), 1, 6).Draw(t, "levels")
		for i := range x.Data {
			x.Data[i] = rapid.SampledFrom(levels).Draw(t, "x")
		}
		before := x.Clone()
		r, err := dimension.Measure(ctx, x, dimension.Options{})
		if !slices.Equal(before.Data, x.Data) {
			t.Error("the data was changed")
		}
		if err != nil {
			if !errors.Is(err, vec.ErrTooFew) || n > 1 {
				t.Fatal(err)
			}
			return
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		var back dimension.Report
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(*r, back) {
			t.Fatalf("%+v comes back from JSON as %+v, %v", *r, back, err)
		}
		if !(r.Dimension >= 0 && r.Lo <= r.Dimension && r.Dimension <= r.Hi) || r.Summary == "" {
			t.Fatalf("%g (%g to %g): %q", r.Dimension, r.Lo, r.Hi, r.Summary)
		}
	})
}

// A report depends on the data and the seed, not on the processors; progress rises to its end.
func TestMeasureRepeats(t *testing.T) {
	x := sphereOf(3).points(400, 1)
	var last int
	o := dimension.Options{Sample: 250, Seed: 4, Progress: func(done, total int) {
		if done < last || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}}
	a, err := dimension.Measure(ctx, x, o)
	if err != nil {
		t.Fatal(err)
	}
	if last != 100 {
		t.Errorf("progress ended at %d", last)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	o.Progress = nil
	b, err := dimension.Measure(ctx, x, o)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("with one processor %+v, with more %+v", b, a)
	}
	if a.Rows != 400 || a.Sampled != 250 || a.Distinct != 250 || a.Seed != 4 || a.Estimates[0].N != 250 || a.Estimates[0].Of != 400 || a.Spectrum.N != 400 {
		t.Errorf("the sample is not named: %+v", a)
	}
	sum := 0
	for _, c := range a.LID.Counts {
		sum += c
	}
	if sum != a.LID.N || a.LID.N != 250 || len(a.LID.Edges) != len(a.LID.Counts)+1 {
		t.Errorf("histogram: %+v", a.LID)
	}
	o.Seed = 5
	if c, err := dimension.Measure(ctx, x, o); err != nil || c.Estimates[0].Value == a.Estimates[0].Value {
		t.Errorf("another seed, the same sample: %v", err)
	}
}

func TestDecimate(t *testing.T) {
	curve, err := dimension.Decimate(ctx, cubeOf(2).points(450, 1), dimension.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(curve) != 3 || curve[0].N != 450 || curve[1].N != 225 || curve[1].Blocks != 2 || curve[2].N != 112 || curve[2].Blocks != 4 || curve[2].Fraction != 0.25 {
		t.Fatalf("450, 2 blocks of 225, 4 of 112: %+v", curve)
	}
	for i, s := range curve {
		if !(math.Abs(s.Value-2) < 0.4) { // 1.87 to 2.12 seen
			t.Errorf("a square has %.2f dimensions at scale %d", s.Value, i)
		}
		// The second neighbour of n points in a unit square is about √(2/πn)·0.94 away: median of a gamma law, 1.68/(πn).
		near(t, "distance", s.Distance, math.Sqrt(1.68/math.Pi/float64(s.N)), 0.15)
	}
	// Noise shows at the smallest scales.
	noisy := manifold{"", 1, 6, func(rng *rand.Rand, x []float64) {
		gauss(rng, x)
		for j := range x {
			x[j] *= 0.001
		}
		x[0] += rng.Float64()
	}}
	curve, err = dimension.Decimate(ctx, noisy.points(1600, 1), dimension.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if first, last := curve[0].Value, curve[len(curve)-1].Value; !(first > 1.5*last) { // 2.9 to 1.2 seen
		t.Errorf("a line in noise: %.2f at the smallest scale, %.2f at the largest", first, last)
	}
}
