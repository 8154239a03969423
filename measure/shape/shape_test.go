package shape_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/measure/internal/made"
	"github.com/latent-go/latent/measure/shape"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

var ctx = context.Background()

func measure(t *testing.T, x vec.Matrix, o shape.Options) *shape.Report {
	t.Helper()
	r, err := shape.Measure(ctx, x, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func matrix(t *testing.T, rows ...[]float32) vec.Matrix {
	t.Helper()
	x, err := vec.FromRows(rows)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var gaussian, near = made.Normal, made.Near

func TestByHand(t *testing.T) {
	r := measure(t, matrix(t, []float32{3, 4, 0, 7}, []float32{0, 0, 0, 0}, []float32{3, 4, 0, 7}, []float32{-3, 4, 0, -7}, []float32{3, 4, 0, 7}), shape.Options{})
	if c := r.Copies; c.Distinct != 3 || c.Equal != 2 || c.Largest != 3 || c.Row != 0 || c.Near != 0 || c.Sampled != 3 {
		t.Errorf("copies: %+v", c)
	}
	if c := r.Columns; c.Constant != 1 || c.Zero != 1 || !slices.Equal(c.First, []int{2}) {
		t.Errorf("columns: %+v", c)
	}
	l := math.Sqrt(74)
	if n := r.Norms; n.Zeros != 1 || n.Min != 0 || n.Median != l || n.Max != l {
		t.Errorf("norms: %+v", n)
	}
	near(t, "mean norm", r.Norms.Mean, 4*l/5, 1e-12)
	near(t, "sd of norms", r.Norms.SD, l/math.Sqrt(5), 1e-12)
	// Pairs of the four that have a direction: three of cosine 1, three of (16-9-49)/74.
	near(t, "mean cosine", r.Spread.MeanCosine, (3+3*(-42./74))/6, 1e-12)
	// The mean is (6, 16, 0, 14)/5, the mean square 4·74/5.
	near(t, "share of the mean", r.Spread.MeanShare, (36.+256+196)/25/(4*74./5), 1e-12)
	if r.Hubness == nil || r.Hubness.K != 2 || r.Hubness.Max != 2 || r.Hubness.Antihubs != 0 || r.Hubness.Skewness != 0 {
		t.Errorf("three rows have two neighbours each, all alike: %+v", r.Hubness)
	}
	for i, word := range []string{"Zero vectors", "repeat", "Constant", "Norms vary"} {
		if !strings.Contains(r.Warnings[i], word) {
			t.Errorf("warning %d is %q, not of %s", i, r.Warnings[i], word)
		}
	}
}

// The mean cosine by its closed form is that over all pairs, and the spread of a known covariance is what it must be.
func TestSpread(t *testing.T) {
	x := gaussian(40, 5, 1)
	for i := range x.Rows {
		x.Row(i)[2] += 3
	}
	var sum float64
	for i := range x.Rows {
		for j := range x.Rows {
			if i != j {
				sum += 1 - float64(vec.Cosine.Distance(x.Row(i), x.Row(j)))
			}
		}
	}
	near(t, "mean cosine", measure(t, x, shape.Options{}).Spread.MeanCosine, sum/(40*39), 1e-6)

	// Variances 16, 4, 1, 1, 1, 1: 16/24 of it on top, 24²/(6·276) of isotropy.
	x = gaussian(4000, 6, 2)
	for i := range x.Rows {
		x.Row(i)[0] *= 4
		x.Row(i)[1] *= 2
	}
	s := measure(t, x, shape.Options{Sample: 100}).Spread
	near(t, "top share", s.TopShare, 16./24, 0.02) // 0.657 seen, sampling
	near(t, "isotropy", s.Isotropy, 24.*24/(6*276), 0.02)
	if s.N != 2000 {
		t.Errorf("from %d rows", s.N)
	}
	// Without bias: 60 rows of white noise in 200 columns have 60 directions, but the data has 200.
	var mean float64
	const draws = 40
	for seed := range uint64(draws) {
		mean += measure(t, gaussian(60, 200, seed), shape.Options{}).Spread.Isotropy / draws
	}
	near(t, "isotropy of few rows", mean, 1, 0.04) // less than 1 since values above it are cut off
	// Shares do not change with scale, whatever it is.
	a := measure(t, x.Slice(0, 500), shape.Options{Sample: 50})
	for i := range x.Data {
		x.Data[i] *= 0x1p-100
	}
	b := measure(t, x.Slice(0, 500), shape.Options{Sample: 50})
	near(t, "top share", b.Spread.TopShare, a.Spread.TopShare, 1e-9)
	near(t, "isotropy", b.Spread.Isotropy, a.Spread.Isotropy, 1e-9)
	near(t, "mean cosine", b.Spread.MeanCosine, a.Spread.MeanCosine, 1e-9)
}

func TestHubs(t *testing.T) {
	// Of five rows with one neighbour each, three name row 4 and two row 0: N = 2 0 0 0 3, mean 1.
	h := shape.Hubs(neighbors.Table{K: 1, IDs: []uint32{4, 0, 4, 4, 0}}, 5)
	variance, third := (1.+3+4)/5, (1.-3+8)/5
	near(t, "skewness", h.Skewness, third/math.Pow(variance, 1.5), 1e-12)
	near(t, "antihubs", h.Antihubs, 0.6, 1e-12)
	if h.Max != 3 || h.Row != 4 || h.K != 1 || h.N != 5 {
		t.Errorf("%+v", h)
	}
	// Hubness rises with dimension.
	low, high := measure(t, gaussian(600, 3, 1), shape.Options{}), measure(t, gaussian(600, 100, 1), shape.Options{})
	t.Logf("skewness %.2f in 3 dimensions, %.2f in 100", low.Hubness.Skewness, high.Hubness.Skewness)
	if !(low.Hubness.Skewness < 0.6 && high.Hubness.Skewness > 2) { // -0.32 and 3.62 seen
		t.Errorf("skewness %.2f in 3 dimensions, %.2f in 100", low.Hubness.Skewness, high.Hubness.Skewness)
	}
	if !slices.ContainsFunc(high.Warnings, func(w string) bool { return strings.HasPrefix(w, "Hubs") }) {
		t.Errorf("no warning of hubs: %q", high.Warnings)
	}
}

func TestNearCopies(t *testing.T) {
	x := gaussian(300, 20, 1)
	for i := range 100 {
		copy(x.Row(200+i), x.Row(i))
		x.Row(200 + i)[0] += 0.001
	}
	r := measure(t, x, shape.Options{})
	if r.Copies.Near != 200 || r.Copies.Equal != 0 {
		t.Errorf("200 of 300 rows are near another: %+v", r.Copies)
	}
	near(t, "a hundredth of the distance", r.Copies.NearDistance, 0.01*math.Sqrt(2*20), 0.005)
}

func TestUnitVectorsInACone(t *testing.T) {
	x := gaussian(500, 8, 1)
	for i := range x.Rows {
		x.Row(i)[0] += 6
		vec.Normalize(x.Row(i), x.Row(i))
	}
	r := measure(t, x, shape.Options{Metric: vec.Cosine})
	if all := strings.Join(r.Warnings, "\n"); !strings.Contains(all, "have length 1:") || !strings.Contains(all, "common direction") {
		t.Errorf("warnings: %q", r.Warnings)
	}
}

func TestBadInput(t *testing.T) {
	x := gaussian(10, 3, 1)
	x.Row(4)[1], x.Row(7)[0] = float32(math.NaN()), float32(math.Inf(1))
	_, err := shape.Measure(ctx, x, shape.Options{})
	if !errors.Is(err, vec.ErrNotFinite) || !strings.Contains(err.Error(), "2 of 10 rows") || !strings.Contains(err.Error(), "row 4, column 1") {
		t.Error(err)
	}
	if _, err := shape.Measure(ctx, vec.Matrix{}, shape.Options{}); !errors.Is(err, vec.ErrTooFew) {
		t.Error(err)
	}
	if _, err := shape.Measure(ctx, vec.Matrix{Rows: 2, Cols: 2, Data: make([]float32, 3)}, shape.Options{}); !errors.Is(err, vec.ErrDim) {
		t.Error(err)
	}
	if _, err := shape.Measure(ctx, gaussian(10, 3, 1), shape.Options{K: 10}); !errors.Is(err, vec.ErrTooFew) {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := shape.Measure(ended, gaussian(10, 3, 1), shape.Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if r := measure(t, vec.NewMatrix(5, 2), shape.Options{}); r.Hubness != nil || r.Norms.Zeros != 5 || r.Copies.Largest != 5 || len(r.Warnings) != 2 {
		t.Errorf("zeros: %+v", r)
	}
}

// Finite data of any kind gives a report that JSON can hold, with shares that are shares.
func TestAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := vec.NewMatrix(rapid.IntRange(1, 14).Draw(t, "n"), rapid.IntRange(1, 5).Draw(t, "d"))
		levels := rapid.SliceOfN(rapid.Float32Range(-1e15, 1e15), 1, 6).Draw(t, "levels") // squares stay finite
		for i := range x.Data {
			x.Data[i] = rapid.SampledFrom(levels).Draw(t, "x")
		}
		before := x.Clone()
		r, err := shape.Measure(ctx, x, shape.Options{Metric: vec.Metric(rapid.IntRange(0, 3).Draw(t, "metric"))})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(before.Data, x.Data) {
			t.Error("the data was changed")
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		var back shape.Report
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(*r, back) {
			t.Fatalf("%+v comes back from JSON as %+v, %v", *r, back, err)
		}
		s := r.Spread
		for _, v := range []float64{s.MeanShare, s.TopShare, s.Isotropy, math.Abs(s.MeanCosine)} {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("%+v", s)
			}
		}
	})
}

func ExampleMeasure() {
	x, _ := vec.FromRows([][]float32{{9, 1, 0}, {8, 2, 0}, {9, 3, 0}, {1, 0, 0}, {9, 1, 0}})
	r, _ := shape.Measure(context.Background(), x, shape.Options{})
	for _, w := range r.Warnings {
		fmt.Println(w)
	}
	// Output:
	// Rows that repeat others: 1 of 5 (20 %); row 0 occurs 2 times. Copies crowd out other neighbours: store each once.
	// Constant columns: 1 of 3 (1 of zeros), the first is column 2. They carry nothing: PCA drops them.
	// Norms vary, from 1 to 9.49 for nine tenths of the rows: if only direction means something, use cosine or normalise.
	// The vectors point in a common direction: two rows have a cosine of 0.98 on average, and 83 % of the energy is in their mean. Subtract the mean before you quantise, or compare by cosine.
	// One direction holds 95 % of the variance. See whether it means anything: it decides most distances.
}

// Lengths scale with the rows, all else stays: float32 squares would be infinite at 1e19 and 0 at 1e-25.
func TestScales(t *testing.T) {
	x := gaussian(500, 8, 3)
	copy(x.Row(7), x.Row(3))
	want := measure(t, x, shape.Options{})
	for _, metric := range []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct} {
		want := measure(t, x, shape.Options{Metric: metric})
		for _, e := range []int{63, -83, 120} { // 9e18, 1e-25, 1e36
			y := x.Clone()
			for i, v := range y.Data {
				y.Data[i] = float32(math.Ldexp(float64(v), e))
			}
			got := measure(t, y, shape.Options{Metric: metric})
			near(t, "length", got.Norms.Mean/math.Ldexp(want.Norms.Mean, e), 1, 1e-12)
			near(t, "a hundredth of the distance", got.Copies.NearDistance/math.Ldexp(want.Copies.NearDistance, e), 1, 1e-12)
			near(t, "largest share", got.Spread.TopShare, want.Spread.TopShare, 1e-5)
			near(t, "isotropy", got.Spread.Isotropy, want.Spread.Isotropy, 1e-5)
			if got.Copies.Equal != 1 || got.Copies.Near != want.Copies.Near || !reflect.DeepEqual(got.Hubness, want.Hubness) {
				t.Errorf("%v, scale 2^%d: %+v %+v, want %+v %+v", metric, e, got.Copies, got.Hubness, want.Copies, want.Hubness)
			}
		}
	}

	// One row far out is no reason to take the others for copies of each other.
	broken := x.Clone()
	for j := range broken.Row(100) {
		broken.Row(100)[j] = 1e30
	}
	got := measure(t, broken, shape.Options{})
	if got.Copies.Equal != 1 || got.Copies.Near > want.Copies.Near {
		t.Errorf("with a row of 1e30: %+v, want %+v", got.Copies, want.Copies)
	}
	near(t, "skewness", got.Hubness.Skewness, want.Hubness.Skewness, 0.1)
	if b, err := json.Marshal(got); err != nil {
		t.Errorf("%s: %v", b, err)
	}
}
