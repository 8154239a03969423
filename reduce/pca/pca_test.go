package pca

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/reduce"
	"github.com/latent-go/latent/vec"
)

var (
	_   reduce.Map = (*Map)(nil)
	ctx            = context.Background()
)

func gaussian(rng *rand.Rand, n, d int) vec.Matrix {
	x := vec.NewMatrix(n, d)
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

// lowRank returns n points about offset in a random subspace of m dimensions, along whose axes the standard deviation is
// 1, 1/2, 1/3 and so on.
func lowRank(rng *rand.Rand, n, d, m int, offset float64) vec.Matrix {
	axes := gaussian(rng, m, d)
	orthonormalize(axes)
	x := vec.NewMatrix(n, d)
	for i := range n {
		row := make([]float64, d)
		for j := range row {
			row[j] = offset
		}
		for a := range m {
			s := rng.NormFloat64() / float64(a+1)
			for j, v := range axes.Row(a) {
				row[j] += s * float64(v)
			}
		}
		narrow(x.Row(i), row)
	}
	return x
}

func fit(t *testing.T, x vec.Matrix, o Options) *Map {
	t.Helper()
	m, err := Fit(ctx, x, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// near fails unless got is want to within tol.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s is %v, want %v ± %v", what, got, want, tol)
	}
}

// checkOrthonormal also holds that variances fall and are not negative, and sum up to no more than the total.
func checkOrthonormal(t *testing.T, m *Map) {
	t.Helper()
	v := m.Components()
	for i := range v.Rows {
		for j := range i + 1 {
			var got, want float64
			for l, a := range v.Row(i) {
				got += float64(a) * float64(v.Row(j)[l])
			}
			if i == j {
				want = 1
			}
			if !(math.Abs(got-want) <= 1e-5) { // seen up to 2e-7
				t.Errorf("components %d and %d have product %v, want %v", i, j, got, want)
			}
		}
	}
	var sum float64
	for i, s := range m.Variances() {
		sum += s
		if s < 0 || i > 0 && s > m.Variances()[i-1] {
			t.Errorf("variances do not fall: %v", m.Variances())
		}
	}
	if !(sum <= m.TotalVariance()*(1+1e-6)) {
		t.Errorf("variances sum up to %v, more than all variance, %v", sum, m.TotalVariance())
	}
}

// Four points of a cross: the axes are its arms, the variances known.
func TestCross(t *testing.T) {
	x, err := vec.FromRows([][]float32{{5, 1, 0}, {-1, 1, 0}, {2, 3, 0}, {2, -1, 0}})
	if err != nil {
		t.Fatal(err)
	}
	m := fit(t, x, Options{})
	if got := m.Mean(); got[0] != 2 || got[1] != 1 || got[2] != 0 {
		t.Errorf("mean is %v", got)
	}
	for i, want := range []float64{6, 8. / 3, 0} {
		near(t, fmt.Sprint("variance ", i), m.Variances()[i], want, 1e-12)
	}
	near(t, "total", m.TotalVariance(), 6+8./3, 1e-12)
	near(t, "share", m.Ratios()[0], 6/(6+8./3), 1e-12)
	for i := range 3 {
		for j, v := range m.Components().Row(i) {
			want := 0.0
			if i == j {
				want = 1
			}
			near(t, fmt.Sprintf("component %d, %d", i, j), float64(v), want, 1e-12)
		}
	}
	y := m.Apply(vec.Matrix{}, x)
	if got := y.Row(0); got[0] != 3 || got[1] != 0 || got[2] != 0 {
		t.Errorf("the first point maps to %v, want 3 0 0", got)
	}
	if m.String() != "pca:3" || m.InDim() != 3 || m.OutDim() != 3 {
		t.Errorf("%v from %d to %d", m, m.InDim(), m.OutDim())
	}
}

// Gonum's PCA works by SVD in float64.
func TestAgreesWithGonum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, shape := range [][2]int{{200, 1}, {300, 17}, {7000, 20}, {30, 30}, {20, 57}, {2, 9}} {
		n, d := shape[0], shape[1]
		x := gaussian(rng, n, d)
		for i := range n {
			for j := range d {
				x.Row(i)[j] = x.Row(i)[j]*float32(math.Pow(0.8, float64(j))) + float32(j)
			}
		}
		m := fit(t, x, Options{})
		checkOrthonormal(t, m)
		wide := mat.NewDense(n, d, nil)
		for i := range n {
			for j, v := range x.Row(i) {
				wide.Set(i, j, float64(v))
			}
		}
		var want stat.PC
		if !want.PrincipalComponents(wide, nil) {
			t.Fatal("gonum fails")
		}
		values := want.VarsTo(nil)
		var vectors mat.Dense
		want.VectorsTo(&vectors)
		least := min(n, d)
		if m.OutDim() != least {
			t.Fatalf("%d×%d: %d components, want %d", n, d, m.OutDim(), least)
		}
		for i := range least {
			near(t, fmt.Sprintf("%d×%d: variance %d", n, d, i), m.Variances()[i], values[i], 2e-6*values[0]) // seen up to 3e-7 of it
			gap := math.Inf(1)
			for _, j := range []int{i - 1, i + 1} {
				if j >= 0 && j < len(values) {
					gap = min(gap, math.Abs(values[i]-values[j]))
				}
			}
			if i == least-1 && least < d {
				continue // of n rows the last component has no variance
			}
			var dot float64
			for j, v := range m.Components().Row(i) {
				dot += float64(v) * vectors.At(j, i)
			}
			// By Davis and Kahan, the angle is at most the error of the covariance over the gap.
			if e := 2e-6 * values[0] / gap; e < 0.1 {
				near(t, fmt.Sprintf("%d×%d: |cosine| of component %d", n, d, i), math.Abs(dot), 1, e*e+1e-6)
			}
		}
	}
}

func TestLowRankComesBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, shape := range [][3]int{{500, 40, 5}, {30, 100, 5}, {6, 100, 5}, {100, 3, 3}} {
		n, d, rank := shape[0], shape[1], shape[2]
		x := lowRank(rng, n, d, rank, 2)
		for _, o := range []Options{{Components: rank}, {Components: rank, Whiten: true}, {Variance: 1 - 1e-6},
			{Components: rank, Solver: Randomized}, {}} {
			m := fit(t, x, o)
			checkOrthonormal(t, m)
			if o.Variance > 0 && m.OutDim() != rank {
				t.Errorf("%d×%d of rank %d: all variance but 1e-6 takes %d components", n, d, rank, m.OutDim())
			}
			var sum float64
			for _, r := range m.Ratios() {
				sum += r
			}
			near(t, "share kept", sum, 1, 1e-5)
			back := m.Inverse(vec.Matrix{}, m.Apply(vec.Matrix{}, x))
			for i, v := range back.Data {
				if !(math.Abs(float64(v-x.Data[i])) <= 1e-5) { // seen up to 1e-6
					t.Fatalf("%d×%d of rank %d, %+v: %v came back as %v", n, d, rank, o, x.Data[i], v)
				}
			}
		}
	}
}

// Distances between mapped vectors are those between the vectors, if all directions are kept.
func TestRotationKeepsDistances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 12).Draw(t, "d")
		n := rapid.IntRange(max(2, d), 30).Draw(t, "n")
		x := vec.Matrix{Rows: n, Cols: d, Data: rapid.SliceOfN(rapid.Float32Range(-10, 10), n*d, n*d).Draw(t, "x")}
		m, err := Fit(ctx, x, Options{Uncentered: rapid.Bool().Draw(t, "uncentered")})
		if err != nil {
			t.Fatal(err)
		}
		y := m.Apply(vec.Matrix{}, x)
		for i := range n {
			want, got := vec.SquaredL2(x.Row(0), x.Row(i)), vec.SquaredL2(y.Row(0), y.Row(i))
			if !(math.Abs(float64(got-want)) <= 1e-4*float64(want)+1e-3) {
				t.Fatalf("rows 0 and %d are %v apart, mapped %v", i, want, got)
			}
		}
		var all, total float64
		for _, v := range m.Variances() {
			all += v
		}
		if total = m.TotalVariance(); !(math.Abs(all-total) <= 1e-5*total) {
			t.Fatalf("variances sum up to %v, want %v", all, total)
		}
	})
}

func TestWhitened(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, shape := range [][2]int{{3000, 12}, {40, 60}} {
		n, d := shape[0], shape[1]
		x := gaussian(rng, n, d)
		for i := range n {
			for j := range d {
				x.Row(i)[j] *= float32(math.Pow(0.7, float64(j%12)))
			}
			x.Row(i)[d-1] = 4 // a column that does not vary
		}
		m := fit(t, x, Options{Whiten: true})
		if want := fmt.Sprintf("pca:%d,whiten", min(n, d)); m.String() != want {
			t.Errorf("it says %q, want %q", m, want)
		}
		y := m.Apply(vec.Matrix{}, x)
		last := m.OutDim() - 1 // of no variance, in both shapes
		for i := range m.OutDim() {
			for j := range i + 1 {
				var got float64
				for r := range n {
					got += float64(y.Row(r)[i]) * float64(y.Row(r)[j]) / float64(n-1)
				}
				want := 0.0
				if i == j && i != last {
					want = 1
				}
				near(t, fmt.Sprintf("%d×%d: covariance of %d and %d", n, d, i, j), got, want, 1e-3) // seen up to 6e-5
			}
		}
		back := m.Inverse(vec.Matrix{}, y)
		for i, v := range back.Data {
			near(t, "a value come back", float64(v), float64(x.Data[i]), 1e-4)
		}
	}
}

func TestStreamedIsTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	x := lowRank(rng, 2*blockRows+777, 9, 9, 3)
	want := fit(t, x, Options{Variance: 0.9})
	for range 5 {
		a := NewAccumulator(9)
		for at := 0; at < x.Rows; {
			next := min(x.Rows, at+1+rng.IntN(blockRows*3/2))
			if err := a.Add(x.Slice(at, next)); err != nil {
				t.Fatal(err)
			}
			at = next
		}
		if a.Len() != x.Rows || a.Dim() != 9 {
			t.Errorf("%d rows of %d", a.Len(), a.Dim())
		}
		for range 2 { // to fit changes nothing
			m, err := a.Fit(ctx, Options{Variance: 0.9})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(written(t, m), written(t, want)) {
				t.Fatal("it is another map than that of all rows at once")
			}
		}
	}
}

func TestMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	x := lowRank(rng, blockRows+3000, 7, 7, 100)
	for i := range 4000 { // parts of different mean
		x.Row(i)[3] += 20
	}
	want := fit(t, x, Options{})
	for _, cut := range []int{0, 1, 3000, 5000, blockRows + 100, x.Rows} {
		a, b := NewAccumulator(7), NewAccumulator(7)
		if err := errors.Join(a.Add(x.Slice(0, cut)), b.Add(x.Slice(cut, x.Rows)), a.Merge(b)); err != nil {
			t.Fatal(err)
		}
		if a.Len() != x.Rows || b.Len() != x.Rows-cut {
			t.Errorf("%d rows and still %d, want %d and %d", a.Len(), b.Len(), x.Rows, x.Rows-cut)
		}
		m, err := a.Fit(ctx, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range m.Variances() {
			near(t, fmt.Sprintf("cut at %d: variance %d", cut, i), v, want.Variances()[i], 1e-6*want.Variances()[0])
			near(t, "cosine", float64(vec.Dot(m.Components().Row(i), want.Components().Row(i))), 1, 1e-5)
		}
		for i, v := range m.Mean() {
			near(t, "mean", float64(v), float64(want.Mean()[i]), 1e-5)
		}
	}
	twice := NewAccumulator(7)
	if err := errors.Join(twice.Add(x), twice.Merge(twice)); err != nil {
		t.Fatal(err)
	}
	m, err := twice.Fit(ctx, Options{})
	if err != nil || twice.Len() != 2*x.Rows {
		t.Fatalf("%d rows, %v", twice.Len(), err)
	}
	n := float64(x.Rows)
	near(t, "variance of the data twice", m.TotalVariance(), want.TotalVariance()*2*(n-1)/(2*n-1), 1e-6*want.TotalVariance())
	if err := twice.Merge(NewAccumulator(6)); !errors.Is(err, vec.ErrDim) {
		t.Errorf("merged with another dimension: %v", err)
	}
}

// A shift of the data by more than its spread moves the mean and nothing else.
func TestTranslation(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for _, shape := range [][2]int{{3000, 10}, {8, 20}} {
		x := lowRank(rng, shape[0], shape[1], 5, 0)
		for i, v := range x.Data {
			x.Data[i] = float32(math.Round(float64(v)*1024) / 1024) // so that the shift is exact
		}
		moved := x.Clone()
		for i := range moved.Data {
			moved.Data[i] += 1000
		}
		for _, o := range []Options{{Components: 4}, {Components: 4, Solver: Randomized}} {
			a, b := fit(t, x, o), fit(t, moved, o)
			for i, v := range a.Variances() {
				near(t, "variance", b.Variances()[i], v, 1e-5*a.Variances()[0])
				near(t, "cosine", float64(vec.Dot(a.Components().Row(i), b.Components().Row(i))), 1, 1e-5)
			}
			for i, v := range a.Mean() {
				near(t, "mean", float64(b.Mean()[i]), float64(v)+1000, 1e-4)
			}
			ya, yb := a.Apply(vec.Matrix{}, x), b.Apply(vec.Matrix{}, moved)
			for i, v := range ya.Data {
				near(t, "score", float64(yb.Data[i]), float64(v), 5e-3) // rounding of 1000·√d; seen up to 4e-4
			}
		}
	}
}

// Rows and dimensions exchanged: a matrix and the same with zero columns added, wide enough to go by rows.
func TestByRowsAgreesWithByCovariance(t *testing.T) {
	x := lowRank(rand.New(rand.NewPCG(7, 7)), 40, 30, 30, 1)
	wide := vec.NewMatrix(40, 60)
	for i := range 40 {
		copy(wide.Row(i), x.Row(i))
	}
	a, b := fit(t, x, Options{Components: 30}), fit(t, wide, Options{Components: 30})
	for i, v := range a.Variances() {
		near(t, fmt.Sprint("variance ", i), b.Variances()[i], v, 1e-6*a.Variances()[0])
		if i < 10 { // apart enough
			near(t, fmt.Sprint("cosine ", i), float64(vec.Dot(a.Components().Row(i), b.Components().Row(i)[:30])), 1, 1e-4)
		}
	}
	checkOrthonormal(t, b)
}

func TestRandomizedFindsTheLeading(t *testing.T) {
	x := lowRank(rand.New(rand.NewPCG(8, 8)), 2500, 120, 100, 5)
	exact := fit(t, x, Options{Components: 20, Solver: Exact})
	for seed := range uint64(3) {
		m := fit(t, x, Options{Components: 20, Solver: Randomized, Seed: seed})
		checkOrthonormal(t, m)
		near(t, "total", m.TotalVariance(), exact.TotalVariance(), 1e-5*exact.TotalVariance())
		var got, want float64
		for i, v := range m.Variances() {
			got, want = got+v, want+exact.Variances()[i]
			if i < 10 {
				near(t, fmt.Sprint("variance ", i), v, exact.Variances()[i], 1e-5)
				near(t, fmt.Sprint("cosine ", i), float64(vec.Dot(m.Components().Row(i), exact.Components().Row(i))), 1, 1e-4)
			}
		}
		near(t, "variance kept", got/want, 1, 1e-4) // seen less than it by 2e-6
		if !bytes.Equal(written(t, m), written(t, fit(t, x, Options{Components: 20, Solver: Randomized, Seed: seed}))) {
			t.Error("the same seed gives another map")
		}
	}
}

func TestUncentered(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, shape := range [][2]int{{900, 11}, {9, 30}} {
		x := lowRank(rng, shape[0], shape[1], 8, 3)
		for _, o := range []Options{{Uncentered: true}, {Uncentered: true, Solver: Randomized, Components: min(shape[0], shape[1])}} {
			m := fit(t, x, o)
			var squares float64
			for i := range x.Rows {
				squares += float64(vec.Dot(x.Row(i), x.Row(i))) / float64(x.Rows)
			}
			near(t, "mean square", m.TotalVariance(), squares, 1e-4*squares)
			y := m.Apply(vec.Matrix{}, x)
			for i := range x.Rows {
				want := float64(vec.Dot(x.Row(0), x.Row(i)))
				near(t, "inner product", float64(vec.Dot(y.Row(0), y.Row(i))), want, 1e-5*squares)
			}
			if slices.Max(m.Mean()) != 0 {
				t.Errorf("mean is %v", m.Mean())
			}
		}
	}
}

func TestDataThatDoesNotVary(t *testing.T) {
	for _, shape := range [][2]int{{5, 3}, {3, 5}, {2, 1}} {
		x := vec.NewMatrix(shape[0], shape[1])
		for i := range x.Data {
			x.Data[i] = 7
		}
		for _, o := range []Options{{}, {Whiten: true}, {Variance: 0.5}, {Components: 1, Solver: Randomized}} {
			m := fit(t, x, o)
			checkOrthonormal(t, m)
			if m.TotalVariance() != 0 || m.Variances()[0] != 0 || m.Ratios()[0] != 0 {
				t.Errorf("variances %v, shares %v of %v", m.Variances(), m.Ratios(), m.TotalVariance())
			}
			if o.Variance > 0 && m.OutDim() != 1 {
				t.Errorf("half of no variance takes %d components, want 1", m.OutDim())
			}
			for _, v := range m.Inverse(vec.Matrix{}, m.Apply(vec.Matrix{}, x)).Data {
				near(t, "a constant come back", float64(v), 7, 1e-5)
			}
		}
	}
}

func TestFitRefuses(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(10, 10)), 6, 4)
	bad := x.Clone()
	bad.Data[9] = float32(math.Inf(1))
	large := x.Clone()
	for i := range large.Data {
		large.Data[i] *= 1e25
	}
	for _, tt := range []struct {
		name string
		x    vec.Matrix
		o    Options
		want error
	}{
		{"one row", x.Slice(0, 1), Options{}, vec.ErrTooFew},
		{"no rows", x.Slice(0, 0), Options{}, vec.ErrTooFew},
		{"no columns", vec.NewMatrix(3, 0), Options{}, vec.ErrTooFew},
		{"infinity", bad, Options{}, vec.ErrNotFinite},
		{"squares beyond float32", large, Options{}, vec.ErrNotFinite},
		{"squares beyond float32, by rows", large.Slice(0, 3), Options{}, vec.ErrNotFinite},
		{"squares beyond float32, randomised", large, Options{Solver: Randomized, Components: 2}, vec.ErrNotFinite},
		{"short", vec.Matrix{Rows: 2, Cols: 2, Data: make([]float32, 3)}, Options{}, vec.ErrDim},
		{"more components than columns", x, Options{Components: 5}, vec.ErrTooFew},
		{"more components than rows", x.Slice(0, 3), Options{Components: 4}, vec.ErrTooFew},
		{"negative components", x, Options{Components: -1}, nil},
		{"more than all variance", x, Options{Variance: 1.5}, nil},
		{"variance NaN", x, Options{Variance: math.NaN()}, nil},
		{"both", x, Options{Components: 2, Variance: 0.5}, nil},
		{"no such solver", x, Options{Solver: 9}, nil},
		{"randomised by variance", x, Options{Solver: Randomized, Variance: 0.5}, nil},
	} {
		m, err := Fit(ctx, tt.x, tt.o)
		if err == nil || m != nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, m, err, tt.want)
		}
	}
	a := NewAccumulator(4)
	if err := a.Add(bad); !errors.Is(err, vec.ErrNotFinite) || a.Len() != 0 {
		t.Errorf("infinity added: %v, %d rows", err, a.Len())
	}
	if err := a.Add(vec.NewMatrix(2, 3)); !errors.Is(err, vec.ErrDim) {
		t.Errorf("another dimension added: %v", err)
	}
	if _, err := a.Fit(ctx, Options{}); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("an empty accumulator fits: %v", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	for _, o := range []Options{{}, {Solver: Randomized, Components: 2}} {
		for _, x := range []vec.Matrix{x, x.Slice(0, 3)} {
			if _, err := Fit(over, x, o); !errors.Is(err, context.Canceled) {
				t.Errorf("%+v: the context is over, and the error %v", o, err)
			}
		}
	}
}

func TestProgressEndsAtTheEnd(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(11, 11)), blockRows+5, 3)
	for _, o := range []Options{{}, {Solver: Randomized, Components: 2}} {
		last, total := 0, 0
		o.Progress = func(done, of int) {
			if done <= last || total != 0 && of != total {
				t.Errorf("progress went from %d of %d to %d of %d", last, total, done, of)
			}
			last, total = done, of
		}
		fit(t, x, o)
		if last != total || total == 0 {
			t.Errorf("progress ended at %d of %d", last, total)
		}
	}
}

func TestApplyToOneRowAllocatesNothing(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(12, 12)), 300, 64)
	m := fit(t, x, Options{Components: 10})
	all := m.Apply(vec.Matrix{}, x)
	dst, one := vec.NewMatrix(1, 10), x.Slice(3, 4)
	if n := testing.AllocsPerRun(20, func() { m.Apply(dst, one) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	for i, v := range dst.Data {
		near(t, "a value of one row", float64(v), float64(all.Row(3)[i]), 1e-5)
	}
}

func written(t *testing.T, m *Map) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := m.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, b.Len(), err)
	}
	return b.Bytes()
}

func TestRead(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(13, 13)), 50, 6)
	for _, o := range []Options{{}, {Components: 2, Whiten: true}} {
		m := fit(t, x, o)
		b := bytes.NewBuffer(append(written(t, m), "what follows"...))
		got, err := Read(b)
		if err != nil || b.String() != "what follows" {
			t.Fatalf("%v, left %q", err, b)
		}
		if !slices.Equal(got.Apply(vec.Matrix{}, x).Data, m.Apply(vec.Matrix{}, x).Data) || got.String() != m.String() {
			t.Errorf("%v read as %v maps otherwise", m, got)
		}
		if !slices.Equal(got.Variances(), m.Variances()) || got.TotalVariance() != m.TotalVariance() {
			t.Error("the variances are others")
		}
	}
}

func FuzzRead(f *testing.F) {
	write := func(h header, mean []float64, components []float32, variances []float64) {
		var b bytes.Buffer
		if _, err := artifact.Write(&b, kind, 1, artifact.JSON("header", h), artifact.Numbers("mean", mean),
			artifact.Numbers("components", components), artifact.Numbers("variances", variances)); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	write(header{2, 1, 3, true}, []float64{1, 2}, []float32{0.6, 0.8}, []float64{3})
	write(header{2, 1, 3, true}, []float64{1, 2}, []float32{0.6, 0.8}, []float64{0})
	write(header{1, 2, 3, false}, []float64{1}, []float32{0.6, 0.8}, []float64{3, 2})
	write(header{-1, -1, 3, false}, nil, []float32{1}, nil)
	write(header{1 << 40, 1 << 40, 3, false}, []float64{1}, []float32{1}, []float64{1})
	write(header{2, 1, 3, false}, []float64{1, math.NaN()}, []float32{0.6, 0.8}, []float64{3})
	write(header{2, 1, 3, false}, []float64{1, 2}, []float32{0.6, float32(math.NaN())}, []float64{-3})
	f.Add([]byte("latent"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Read(bytes.NewReader(b))
		if err != nil {
			var bad *artifact.CorruptError
			if !errors.As(err, &bad) {
				t.Errorf("the error is %v, want a CorruptError", err)
			}
			return
		}
		again, err := Read(bytes.NewReader(written(t, m)))
		if err != nil || again.String() != m.String() {
			t.Errorf("%v reads again as %v, %v", m, again, err)
		}
		m.Inverse(vec.Matrix{}, m.Apply(vec.Matrix{}, vec.NewMatrix(2, m.InDim())))
	})
}
