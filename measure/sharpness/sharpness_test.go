package sharpness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/measure/internal/made"
	"github.com/latent-go/latent/vec"
)

func label(t testing.TB, x vec.Matrix, labels []int, o Options) *Result {
	t.Helper()
	r, err := Label(context.Background(), x, labels, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func uniform(n, d int, seed uint64) vec.Matrix {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := vec.NewMatrix(n, d)
	for i := range x.Data {
		x.Data[i] = rng.Float32()
	}
	return x
}

var noise, near = made.Noise, made.Near

// The wanted figures were printed by testdata/reference.py: scipy 1.17.1, scikit-dimension 0.5.0 and statsmodels 0.15.0.
func TestReference(t *testing.T) {
	labels := make([]int, 400)
	for i := range labels {
		labels[i] = i % 3
	}
	p, err := Measure(t.Context(), noise(400, 5, 1), vec.Matrix{}, labels, Options{})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "K_F (scipy)", float64(p.Sharpness.K), 10.842076884875114, 1e-4)
	near(t, "d_data (scikit-dimension)", p.Data.Value, 4.174435361446702, 1e-5)
	near(t, "d_data by TwoNN (scikit-dimension)", p.DataTwoNN.Value, 4.408352326509063, 1e-5)

	var runs []Observation
	u := noise(16, 4, 5)
	n, loss := make([]int, u.Rows), make([]float64, u.Rows)
	for i := range u.Rows {
		at := func(j int) float64 { return float64(u.Row(i)[j]) + .5 }
		k := .1 + at(1)
		n[i], loss[i] = int(500+1500*at(0)), (.05+at(3))*k
		runs = append(runs, Observation{N: n[i], K: k, Dim: 5 + 10*at(2), Loss: loss[i]})
	}
	l, err := FitLaw(runs)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]float64{
		"constant": {l.Const, -1.05634773}, "power of K": {l.OfK, 1.10930319}, "power of N": {l.OfN, -0.34347195},
		"error of K": {l.OfKErr, 0.47444823}, "error of N": {l.OfNErr, 0.61042938}, "R²": {l.R2, 0.3157052676655451},
	} {
		near(t, name+" (statsmodels)", c[0], c[1], 1e-6)
	}
	near(t, "rank of K (scipy)", l.RankK, 0.44705882352941173, 1e-9)
	near(t, "rank of the dimension (scipy)", l.RankDim, -0.11470588235294117, 1e-9)
	rate, err := Rate(n, loss)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "rate (scipy)", rate, 0.21486343821038353, 1e-6)
}

func TestByHand(t *testing.T) {
	x, _ := vec.FromRows([][]float32{{0, 0}, {3, 4}, {0, 1}, {6, 8}})
	r := label(t, x, []int{0, 0, 1, 1}, Options{})
	if r.K != 1 || r.I != 0 || r.J != 2 || r.LabelI != 0 || r.LabelJ != 1 || r.Draws != 1 || r.SD != 0 {
		t.Errorf("%+v", r)
	}
	// A point of a third class between: 1/√(1.5² + 2²).
	y, _ := vec.FromRows([][]float32{{0, 0}, {3, 4}, {1.5, 2}})
	near(t, "three classes", float64(label(t, y, []int{0, 1, 2}, Options{}).K), .4, 1e-6)
	// The far pair only: that equal labels are near says nothing.
	near(t, "equal labels", float64(label(t, y, []int{5, 5, -1}, Options{}).K), .4, 1e-6)
}

func TestDuplicates(t *testing.T) {
	x, _ := vec.FromRows([][]float32{{1, 1}, {2, 2}, {1, 1}, {1, 1}})
	r := label(t, x, []int{0, 1, 1, 0}, Options{})
	if !math.IsInf(float64(r.K), 1) || r.Clashes != 2 || r.I != 0 || r.J != 2 {
		t.Errorf("%+v", r)
	}
	p, err := Measure(t.Context(), uniformWithCopy(), vec.Matrix{}, []int{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, Options{Names: []string{"cat", "dog"}})
	if err != nil || !strings.Contains(p.Verdict, `labelled "cat" and "dog"`) {
		t.Errorf("%+v, %v", p, err)
	}
	b, err := json.Marshal(r)
	var back Result
	if err != nil || json.Unmarshal(b, &back) != nil || !reflect.DeepEqual(*r, back) {
		t.Errorf("%s: %v", b, err)
	}
}

// uniformWithCopy has 24 rows, of which 2 and 3 are equal.
func uniformWithCopy() vec.Matrix {
	x := uniform(24, 2, 1)
	copy(x.Row(3), x.Row(2))
	return x
}

// Against the formula as it stands, with its invariances: scale, shift, new names, more points.
func TestFormula(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, d := rapid.IntRange(4, 30).Draw(rt, "n"), rapid.IntRange(1, 4).Draw(rt, "d")
		x := uniform(n, d, rapid.Uint64().Draw(rt, "seed"))
		labels := make([]int, n)
		for i := range labels {
			labels[i] = i % rapid.IntRange(2, 3).Draw(rt, "classes")
		}
		labels[0], labels[1] = 0, 1
		want := 0.0
		for i := range n {
			for j := range n {
				if labels[i] != labels[j] {
					s := 0.0
					for k := range d {
						s += math.Pow(float64(x.Row(i)[k])-float64(x.Row(j)[k]), 2)
					}
					want = max(want, 1/math.Sqrt(s))
				}
			}
		}
		got := float64(label(t, x, labels, Options{}).K)
		if math.Abs(got/want-1) > 1e-5 {
			rt.Fatalf("%v, want %v", got, want)
		}
		if soft := float64(label(t, x, labels, Options{}).Soft); soft > got {
			rt.Fatalf("soft %v above %v", soft, got)
		}
		scaled, renamed := x.Clone(), make([]int, n)
		for i := range scaled.Data {
			scaled.Data[i] *= 4
		}
		for i := range renamed {
			renamed[i] = 7 - labels[i]
		}
		if k := float64(label(t, scaled, renamed, Options{}).K); math.Abs(4*k/got-1) > 1e-5 {
			rt.Fatalf("scaled by 4: %v after %v", k, got)
		}
		if labels[2] != labels[3] {
			if fewer := float64(label(t, x.Slice(0, n-1), labels[:n-1], Options{}).K); fewer > got*(1+1e-6) {
				rt.Fatalf("fewer points: %v, all: %v", fewer, got)
			}
		}
	})
}

// Draws are balanced, reproducible and told.
func TestDraws(t *testing.T) {
	x, labels := uniform(3000, 3, 1), make([]int, 3000)
	for i := range labels {
		if i%10 == 0 {
			labels[i] = 1
		}
	}
	o := Options{Rows: 200, Seed: 9}
	r := label(t, x, labels, o)
	if !reflect.DeepEqual(r, label(t, x, labels, o)) || r.Rows != 200 || r.Draws != 5 || r.SD <= 0 {
		t.Errorf("%+v", r)
	}
	if whole := label(t, x, labels, Options{Rows: 3000}); whole.K < r.K || whole.Rows != 3000 {
		t.Errorf("all rows %v, draws %v", whole.K, r.K)
	}
}

func TestMeasure(t *testing.T) {
	// A plane in 20 columns, labels by a line in it; features: the position across that line.
	flat, x, feature, labels := uniform(1500, 2, 1), vec.NewMatrix(1500, 20), vec.NewMatrix(1500, 3), make([]int, 1500)
	rng := rand.New(rand.NewPCG(2, 0))
	turn := make([]float32, 40)
	for i := range turn {
		turn[i] = float32(rng.NormFloat64())
	}
	for i := range 1500 {
		a, b := flat.Row(i)[0], flat.Row(i)[1]
		for j := range 20 {
			x.Row(i)[j] = a*turn[j] + b*turn[20+j]
		}
		if a > .5 {
			labels[i] = 1
		}
		feature.Row(i)[0], feature.Row(i)[1] = a, a*a
	}
	p, err := Measure(t.Context(), x, feature, labels, Options{})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "d_data", p.Data.Value, 2, .2)
	near(t, "d_repr", p.Repr.Value, 1, .15)
	near(t, "difficulty", float64(p.Difficulty), max(1, float64(p.Sharpness.K))*math.Pow(1500, -1/p.Data.Value), 1e-9)
	if !strings.Contains(p.Verdict, "within the data's") {
		t.Error(p.Verdict)
	}
	if q, err := Measure(t.Context(), x, vec.Matrix{}, labels, Options{}); err != nil || q.Repr != nil {
		t.Error(q, err)
	}
	if _, err := json.Marshal(p); err != nil {
		t.Error(err)
	}
}

func TestLaw(t *testing.T) {
	var runs []Observation
	for i := range 24 {
		r := Observation{N: 500 + 250*(i%6), K: .1 + .05*float64(i%7), Dim: 8 + float64(i%5)}
		r.Loss = 3 * math.Pow(r.K, .8) * math.Pow(float64(r.N), -1.3/r.Dim)
		runs = append(runs, r)
	}
	l, err := FitLaw(runs)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "power of K", l.OfK, .8, 1e-9)
	near(t, "power of N", l.OfN, 1.3, 1e-8)
	near(t, "R²", l.R2, 1, 1e-12)
	near(t, "prediction", l.Predict(runs[3]), runs[3].Loss, 1e-9)
	if !strings.Contains(l.Verdict, "Loss grows with label sharpness") {
		t.Error(l.Verdict)
	}
	// With noise, the truth lies within a few standard errors.
	rng := rand.New(rand.NewPCG(1, 0))
	for i := range runs {
		runs[i].Loss *= math.Exp(.1 * rng.NormFloat64())
	}
	l, _ = FitLaw(runs)
	near(t, "power of K under noise", l.OfK, .8, 4*l.OfKErr)
	near(t, "power of N under noise", l.OfN, 1.3, 4*l.OfNErr)
}

// A smooth function learnt by its nearest neighbour: the more dimensions, the slower the error falls, as -1/d.
func TestRateFallsWithDimension(t *testing.T) {
	slopes := map[int]float64{}
	for _, d := range []int{1, 2, 4, 8} {
		sizes, losses := []int{250, 500, 1000, 2000}, []float64{}
		test := uniform(200, d, 99)
		for _, n := range sizes {
			train := uniform(n, d, uint64(n))
			loss := 0.0
			for i := range 200 {
				best, at := float32(math.Inf(1)), 0
				for j := range n {
					if s := vec.SquaredL2(test.Row(i), train.Row(j)); s < best {
						best, at = s, j
					}
				}
				loss += math.Abs(teach(test.Row(i))-teach(train.Row(at))) / 200
			}
			losses = append(losses, loss)
		}
		s, err := Rate(sizes, losses)
		if err != nil {
			t.Fatal(err)
		}
		slopes[d] = s
	}
	t.Log(slopes)
	for _, d := range []int{1, 2, 4} {
		near(t, fmt.Sprintf("rate in %d dimensions", d), slopes[d], -1/float64(d), .15)
		if slopes[d] >= slopes[2*d] {
			t.Errorf("in %d dimensions the rate is %v, in %d it is %v", d, slopes[d], 2*d, slopes[2*d])
		}
	}
}

func teach(x []float32) (y float64) {
	for j, v := range x {
		y += math.Sin(3*float64(v) + float64(j))
	}
	return y
}

func TestErrors(t *testing.T) {
	x := uniform(30, 2, 1)
	two := make([]int, 30)
	two[3] = 1
	bad := x.Clone()
	bad.Data[5] = float32(math.NaN())
	kf := func(x vec.Matrix, l []int, o Options) error { _, err := Label(t.Context(), x, l, o); return err }
	law := func(r ...Observation) error { _, err := FitLaw(r); return err }
	rate := func(n []int, l []float64) error { _, err := Rate(n, l); return err }
	ok := Observation{N: 100, K: 1, Dim: 2, Loss: 1}
	_, pairs := Measure(t.Context(), x, x.Slice(0, 20), two, Options{})
	for i, c := range []struct {
		err, is error
		says    string
	}{
		{kf(x, make([]int, 30), Options{}), vec.ErrTooFew, "two labels"}, // one class only
		{kf(x, two[:9], Options{}), vec.ErrDim, "9 labels"},
		{kf(bad, two, Options{}), vec.ErrNotFinite, "row 2"},
		{kf(x, two, Options{Quantile: 1}), vec.ErrTooFew, "quantile 1"},
		{kf(vec.Matrix{}, nil, Options{}), vec.ErrTooFew, "0 rows"},
		{pairs, vec.ErrDim, "20 of features"},
		{law(ok, ok), vec.ErrTooFew, "2 runs"},
		{law(ok, ok, ok, ok, ok), vec.ErrZero, "do not vary"},
		{law(ok, ok, ok, ok, Observation{N: 1, K: 1, Dim: 1}), vec.ErrNotFinite, "run 4"},
		{rate([]int{5, 5}, []float64{1, 2}), vec.ErrTooFew, "two different"},
		{rate([]int{5}, nil), vec.ErrDim, "1 sizes"},
		{rate([]int{5, 6}, []float64{1, 0}), vec.ErrNotFinite, "loss 0"},
	} {
		if !errors.Is(c.err, c.is) || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("%d: %v", i, c.err)
		}
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Label(ended, x, two, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func ExampleLabel() {
	x, _ := vec.FromRows([][]float32{{0, 0}, {3, 4}, {0, 2}, {6, 8}})
	r, _ := Label(context.Background(), x, []int{0, 0, 1, 1}, Options{})
	fmt.Printf("%.2f, from rows %d and %d\n", r.K, r.I, r.J)
	// Output: 0.50, from rows 0 and 2
}

// Sharpness is 1/distance, and equal rows are those that are: float32 squares are infinite at 1e19 and 0 at 1e-25.
func TestScales(t *testing.T) {
	x := uniform(120, 5, 8)
	labels := make([]int, x.Rows)
	for i := range labels {
		labels[i] = i % 3
	}
	want, err := Measure(t.Context(), x, vec.Matrix{}, labels, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []int{63, -83, 120} { // 9e18, 1e-25, 1e36
		y := x.Clone()
		for i, v := range y.Data {
			y.Data[i] = float32(math.Ldexp(float64(v), e))
		}
		got, err := Measure(t.Context(), y, vec.Matrix{}, labels, Options{})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "sharpness", float64(got.Sharpness.K)/math.Ldexp(float64(want.Sharpness.K), -e), 1, 1e-6)
		near(t, "soft", float64(got.Sharpness.Soft)/math.Ldexp(float64(want.Sharpness.Soft), -e), 1, 1e-6)
		near(t, "dimension", got.Data.Value, want.Data.Value, 1e-6)
		if s := got.Sharpness; s.Clashes != 0 || s.I != want.Sharpness.I || s.J != want.Sharpness.J {
			t.Errorf("scale 2^%d: rows %d and %d, %d equal, want %d and %d", e, s.I, s.J, s.Clashes, want.Sharpness.I, want.Sharpness.J)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
	}
}
