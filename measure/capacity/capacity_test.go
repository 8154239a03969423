package capacity

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

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/measure/internal/made"
	"github.com/latent-go/latent/vec"
)

var noise, near = made.Noise, made.Near

func all(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// The wanted figures were printed by testdata/reference.py: neural_manifolds_replicaMFT d56eda1 with cvxopt 1.3.2, and
// mmcr fafd3a9 with torch 2.2.2.
func TestReference(t *testing.T) {
	points := noise(40, 6, 1)
	for i := range points.Data {
		points.Data[i] *= 3
	}
	p := centredRows(points, all(40))
	dirs := mat.NewDense(80, 7, nil)
	for i, v := range noise(80, 7, 2).Data {
		dirs.RawMatrix().Data[i] = 5 * float64(v)
	}
	for _, c := range []struct{ margin, capacity, radius, dim float64 }{
		{0, 0.10016323114197234, 1.5855504717398525, 5.5362295877098155},
		{.4, 0.08784442895667244, 1.5249619915284827, 5.635451251575328},
	} {
		a, err := probe(t.Context(), p, dirs, c.margin)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "capacity", a.capacity, c.capacity, 1e-6)
		near(t, "radius", a.radius, c.radius, 1e-5)
		near(t, "dimension", a.dim, c.dim, 1e-5)
	}
	groups := make([]int, 60)
	for i := range groups {
		groups[i] = i / 4
	}
	s, err := MMCR(noise(60, 8, 3), groups)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "global", s.Global, 5.262055499477306, 1e-6)
	near(t, "local", s.Local*15, 56.448202135439516, 1e-6)
	near(t, "loss", s.Loss(.1), -4.885734151907709, 1e-6)
}

func TestPhi(t *testing.T) {
	for kappa, want := range map[float64]float64{0: 2, .5: .961205, 1: .519572, 2: .200231, 3: .100002} {
		near(t, fmt.Sprintf("φ(%v)", kappa), Phi(kappa), want, 1e-6)
	}
}

// What is known of spheres at the ends: points, small spheres of many dimensions, and large ones, which only a readout
// orthogonal to all their axes separates.
func TestSphere(t *testing.T) {
	near(t, "points", Sphere(0, 5, 0), 2, 1e-9)
	near(t, "points with margin", Sphere(0, 5, 1), Phi(1), 1e-9)
	near(t, "small and many-dimensional", Sphere(.02, 2500, 0), Phi(.02*50), .01*Phi(1))
	near(t, "large", 1/Sphere(1e6, 7, 0), 7.5, 1e-3)
	// One dimension is a segment: (R, 1) and (-R, 1), a case of two points by the same integral done by adding up.
	const r = .7
	sum, steps := 0.0, 2000
	for i := range steps {
		x := (float64(i) + .5) * 16 / float64(steps)
		for j := range steps {
			y := -8 + (float64(j)+.5)*16/float64(steps)
			c := 0.0
			switch {
			case y+r*x <= 0:
			case y <= x/r:
				c = (r*x + y) * (r*x + y) / (1 + r*r)
			default:
				c = x*x + y*y
			}
			sum += c * math.Exp(-(x*x+y*y)/2) / math.Pi
		}
	}
	near(t, "a segment", 1/Sphere(r, 1, 0), sum*16*16/float64(steps*steps), 1e-4)
}

// The estimate on points of a circle, for the same directions, against the circle's exact cost; the estimate as a
// whole against the exact capacity.
func TestCircle(t *testing.T) {
	const m = 120
	for _, radius := range []float64{.3, 1, 2} {
		p := mat.NewDense(m, 2, nil)
		for i := range m {
			s, c := math.Sincos(2 * math.Pi * float64(i) / m)
			p.Set(i, 0, radius*c)
			p.Set(i, 1, radius*s)
		}
		rng := rand.New(rand.NewPCG(1, 0))
		dirs := mat.NewDense(1500, 3, nil)
		for i := range dirs.RawMatrix().Data {
			dirs.RawMatrix().Data[i] = rng.NormFloat64()
		}
		a, err := probe(t.Context(), p, dirs, 0)
		if err != nil {
			t.Fatal(err)
		}
		cost := 0.0
		for i := range 1500 {
			r, y := math.Hypot(dirs.At(i, 0), dirs.At(i, 1)), dirs.At(i, 2)
			switch {
			case y+radius*r <= 0:
			case y <= r/radius:
				cost += (radius*r + y) * (radius*r + y) / (1 + radius*radius) / 1500
			default:
				cost += (r*r + y*y) / 1500
			}
		}
		near(t, "capacity for these directions", a.capacity*cost, 1, 2e-3) // a polygon of 120 corners is a little smaller
		near(t, "capacity", a.capacity, Sphere(radius, 2, 0), 4*a.se)
	}
	// While the cone's tip is out of reach, anchors lie on the circle along the direction.
	p := mat.NewDense(2, 1, []float64{.05, -.05})
	dirs := mat.NewDense(3, 2, []float64{1, .5, -2, .3, .7, -3})
	a, _ := probe(t.Context(), p, dirs, 0)
	near(t, "dimension", a.dim, 1, 1e-6)
}

// The weights meet the conditions that only the optimum meets.
func TestNonNegative(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, d := rapid.IntRange(1, 30).Draw(rt, "m"), rapid.IntRange(1, 8).Draw(rt, "d")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		s, target := mat.NewDense(m, d, nil), mat.NewVecDense(d, nil)
		for i := range m {
			for j := range d {
				s.Set(i, j, math.Round(3*rng.NormFloat64())) // whole numbers make equal and dependent rows
			}
		}
		for j := range d {
			target.SetVec(j, rng.NormFloat64())
		}
		var g mat.Dense
		g.Mul(s, s.T())
		var b mat.VecDense
		b.MulVec(s, target)
		w := nonNegative(&g, b.RawVector().Data)
		var gw mat.VecDense
		gw.MulVec(&g, mat.NewVecDense(m, w))
		for i := range m {
			slope := b.AtVec(i) - gw.AtVec(i)
			if w[i] < 0 || slope > 1e-6 || w[i] > 1e-9 && math.Abs(slope) > 1e-6 {
				rt.Fatalf("weight %d is %v, slope %v", i, w[i], slope)
			}
		}
	})
}

// clouds are Gaussian classes around orthogonal centres at distance 1.
func clouds(classes, per, d int, spread float64, seed uint64) (vec.Matrix, []int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	x, labels := vec.NewMatrix(classes*per, d), make([]int, classes*per)
	for i := range x.Rows {
		labels[i] = i % classes
		for j := range x.Row(i) {
			x.Row(i)[j] = float32(spread * rng.NormFloat64())
		}
		x.Row(i)[labels[i]]++
	}
	return x, labels
}

func TestMeanField(t *testing.T) {
	o := Options{Directions: 100, MaxPoints: 40, Seed: 3}
	last := 2.0
	for _, spread := range []float64{.01, .05, .2} {
		x, labels := clouds(8, 50, 60, spread, 1)
		r, err := MeanField(t.Context(), x, labels, o)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := MeanField(t.Context(), x, labels, o)
		if !reflect.DeepEqual(r, again) {
			t.Error("same seed, other report")
		}
		t.Log(r.Verdict, r.CentreCorrelation)
		if r.Capacity >= last {
			t.Errorf("spread %v: capacity %v after %v", spread, r.Capacity, last)
		}
		last = r.Capacity
		// A cloud's standard deviations are spread on each of 60 axes; centres lie √(7/8) from their mean.
		near(t, "ellipse radius", r.Classes[0].Ellipse.Radius, spread*math.Sqrt(60)/math.Sqrt(7./8), .12*spread*math.Sqrt(60))
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
		if len(r.Notes) == 0 || r.Classes[0].Total != 50 || r.Classes[0].Rows != 40 {
			t.Error("sampling is not told")
		}
	}
	// Centres alone: points, capacity 2.
	x, labels := clouds(6, 5, 20, 1e-6, 1)
	r, err := MeanField(t.Context(), x, labels, Options{Directions: 2000})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "capacity of points", r.Capacity, 2, 4*r.SE)
	near(t, "centre correlation", r.CentreCorrelation, .2, 1e-4) // 6 corners of a simplex: cosine -1/5
}

func TestGeometry(t *testing.T) {
	// Corners of a box with half-sides 3, 1, 1 around (5, 5, 5).
	x := vec.NewMatrix(8, 3)
	for i := range 8 {
		for j, h := range []float32{3, 1, 1} {
			x.Row(i)[j] = 5 + h*float32(2*(i>>j&1)-1)
		}
	}
	e, err := Geometry(x)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "radius", e.Radius, math.Sqrt(11), 1e-6)
	near(t, "dimension", e.Dim, 25./11, 1e-6)
	near(t, "nuclear", e.Nuclear, 5, 1e-6)
}

func TestMMCRClosedForms(t *testing.T) {
	score := func(rows [][]float32, groups ...int) Score {
		x, err := vec.FromRows(rows)
		if err != nil {
			t.Fatal(err)
		}
		s, err := MMCR(x, groups)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := score([][]float32{{2, 0, 0}, {5, 0, 0}, {0, 1, 0}, {0, 3, 0}}, 0, 0, 1, 1)
	near(t, "orthonormal centroids: loss", s.Loss(0), -2, 1e-12)
	near(t, "excess", s.Excess, 0, 1e-12)
	near(t, "equal views: local", s.Local, math.Sqrt2, 1e-7)
	near(t, "centroid norm", s.MeanCentroidNorm, 1, 1e-12)
	s = score([][]float32{{1, 0}, {1, 0}, {1, 0}, {1, 0}}, 0, 1, 2, 3)
	near(t, "all the same", s.Global, 2, 1e-7)
	near(t, "their bound", s.Bound, math.Sqrt(8), 1e-12)
	s = score([][]float32{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, 7, 7, 7)
	near(t, "orthonormal views: local", s.Local, 3, 1e-12)
	for degrees, want := range map[float64]float64{60: 1.931852, 90: 2, 0: 1.414214} {
		sin, cos := math.Sincos(degrees * math.Pi / 180)
		near(t, "two centroids", score([][]float32{{1, 0}, {float32(cos), float32(sin)}}, 0, 1).Global, want, 1e-6)
	}
}

func TestMMCRInvariances(t *testing.T) {
	x, groups := noise(24, 3, 1), make([]int, 24)
	turned, moved := vec.NewMatrix(24, 3), make([]int, 24)
	for i := range 24 {
		groups[i] = i / 4
	}
	for i, j := range rand.New(rand.NewPCG(1, 0)).Perm(24) {
		r, scale := x.Row(j), float32(j+1)
		turned.Row(i)[0], turned.Row(i)[1], turned.Row(i)[2] = scale*(.6*r[0]-.8*r[2]), scale*r[1], scale*(.8*r[0]+.6*r[2])
		moved[i] = 100 - groups[j]
	}
	a, err := MMCR(x, groups)
	b, err2 := MMCR(turned, moved)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if d := floats.Distance([]float64{a.Global, a.Local, a.MeanCentroidNorm}, []float64{b.Global, b.Local, b.MeanCentroidNorm}, math.Inf(1)); d > 1e-5 {
		t.Errorf("%+v, turned, scaled and reordered %+v", a, b)
	}
}

func TestErrors(t *testing.T) {
	x, labels := clouds(3, 4, 5, .1, 1)
	bad := x.Clone()
	bad.Data[2] = float32(math.NaN())
	single := append([]int(nil), labels...)
	single[0] = 99
	centred, _ := vec.FromRows([][]float32{{1, 0}, {-1, 0}, {0, 1}, {0, -1}})
	mf := func(x vec.Matrix, l []int, o Options) error { _, err := MeanField(t.Context(), x, l, o); return err }
	mm := func(x vec.Matrix, l []int) error { _, err := MMCR(x, l); return err }
	geo := func(x vec.Matrix) error { _, err := Geometry(x); return err }
	for i, c := range []struct {
		err, is error
		says    string
	}{
		{mf(x, labels[:3], Options{}), vec.ErrDim, "3 labels"},
		{mf(x, make([]int, 12), Options{}), vec.ErrTooFew, "label 0"},
		{mf(x, single, Options{}), vec.ErrTooFew, "label 99"},
		{mf(x, single, Options{Names: []string{"cat"}}), vec.ErrTooFew, "label 99"},
		{mf(x, make([]int, 12), Options{Names: []string{"cat"}}), vec.ErrTooFew, `label "cat"`},
		{mf(bad, labels, Options{}), vec.ErrNotFinite, "row 0"},
		{mf(centred, []int{0, 0, 1, 1}, Options{}), vec.ErrZero, "label 0"},
		{mf(x, labels, Options{Margin: -1}), vec.ErrTooFew, "margin -1"},
		{mf(vec.Matrix{}, nil, Options{}), vec.ErrTooFew, "0 rows"},
		{mm(vec.NewMatrix(2, 2), []int{0, 1}), vec.ErrZero, "row 0"},
		{mm(x, nil), vec.ErrDim, "0 labels"},
		{geo(x.Slice(0, 1)), vec.ErrTooFew, "1 rows"},
		{geo(bad), vec.ErrNotFinite, "column 2"},
	} {
		if !errors.Is(c.err, c.is) || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("%d: %v", i, c.err)
		}
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := MeanField(ended, x, labels, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func ExampleSphere() {
	fmt.Printf("points %.2f, circles as wide as they are far %.2f\n", Sphere(0, 2, 0), Sphere(1, 2, 0))
	// Output: points 2.00, circles as wide as they are far 0.67
}

func BenchmarkMeanField(b *testing.B) {
	x, labels := clouds(10, 200, 512, .1, 1)
	b.Run("classes=10/rows=200/d=512", func(b *testing.B) {
		for b.Loop() {
			if _, err := MeanField(b.Context(), x, labels, Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// No figure sees a common scale but those of Geometry, which are in the units of the rows.
func TestScales(t *testing.T) {
	x, labels := clouds(4, 15, 10, .5, 6)
	o := Options{Directions: 40}
	want, err := MeanField(t.Context(), x, labels, o)
	score, err2 := MMCR(x, labels)
	geometry, err3 := Geometry(x)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, e := range []int{63, -83, 120} { // 9e18, 1e-25, 1e36
		y := x.Clone()
		for i, v := range y.Data {
			y.Data[i] = float32(math.Ldexp(float64(v), e))
		}
		got, err := MeanField(t.Context(), y, labels, o)
		s, err2 := MMCR(y, labels)
		g, err3 := Geometry(y)
		if err := errors.Join(err, err2, err3); err != nil {
			t.Errorf("scale 2^%d: %v", e, err)
			continue
		}
		near(t, "capacity", got.Capacity, want.Capacity, 1e-9)
		near(t, "radius", got.Radius, want.Radius, 1e-9)
		near(t, "dimension", got.Dim, want.Dim, 1e-9)
		near(t, "correlation", got.CentreCorrelation, want.CentreCorrelation, 1e-9)
		near(t, "nuclear norm", s.Global, score.Global, 1e-9)
		near(t, "radius of all", g.Radius/math.Ldexp(geometry.Radius, e), 1, 1e-9)
		near(t, "dimension of all", g.Dim, geometry.Dim, 1e-9)
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
	}
}
