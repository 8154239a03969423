package entropy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/measure/internal/made"
	"github.com/latent-go/latent/vec"
)

var noise, normal, near = made.Noise, made.Normal, made.Near

func dse(t testing.TB, x vec.Matrix, o Options) *Result {
	t.Helper()
	r, err := DSE(context.Background(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The wanted figures were printed by testdata/reference.py: DiffusionSpectralEntropy dc20ffd on numpy 1.26.4, and
// scikit-learn 1.4.2 for the clusters. The program adds 2e-16 to each share and rounds nothing else.
func TestReference(t *testing.T) {
	x := noise(120, 4, 1)
	for i := range 120 {
		for j := range 4 {
			x.Row(i)[j] = x.Row(i)[j]*20 + 8*float32(i%3)
		}
	}
	for _, c := range []struct {
		sigma float64
		t     int
		want  float64
	}{{10, 1, 4.4861483869149765}, {10, 2, 2.5640766775600907}, {3, 1, 6.72432539584028}, {30, 3, 0.045521432725383885}} {
		near(t, fmt.Sprintf("DSE at sigma %v, t %d", c.sigma, c.t), dse(t, x, Options{Sigma: c.sigma, T: c.t}).EntropyBits, c.want, 1e-5)
	}
	near(t, "DSE at alpha 1/2", dse(t, x, Options{Sigma: 10, Alpha: .5}).EntropyBits, 4.529196150896393, 1e-5)
	for bins, want := range map[int]float64{2: 3.5393753628628209, 3: 5.157922073868247} {
		got, err := CSE(x, bins)
		if err != nil {
			t.Fatal(err)
		}
		near(t, fmt.Sprintf("CSE with %d bins", bins), got, want, 1e-9)
	}
	ase, _, err := ASE(t.Context(), x, Options{Sigma: 10})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "ASE", ase, 4.312866428235184, 1e-5)
	y := noise(150, 3, 5)
	for i := range 150 {
		y.Row(i)[0] += 1.2 * float32(i%4)
	}
	labels, err := Cluster(t.Context(), y, 4, 9, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, l := range labels {
		got += fmt.Sprint(l)
	}
	const want = "012301230123012301230123012311230123012301230123012301230123012301230123012301230123012301230123012301230123112301230123012301230123012301230123012301"
	if got != want {
		t.Errorf("clusters\n%s, want\n%s", got, want)
	}
}

// at puts one point on each axis at distance r from all others.
func equidistant(n int, r float64) vec.Matrix {
	x := vec.NewMatrix(n, n)
	for i := range n {
		x.Row(i)[i] = float32(r / math.Sqrt2)
	}
	return x
}

func TestClosedForms(t *testing.T) {
	near(t, "identical rows", dse(t, vec.NewMatrix(20, 3), Options{Sigma: 1}).EntropyBits, 0, 1e-9)
	near(t, "8 rows far apart", dse(t, equidistant(8, 1e4), Options{Sigma: 1}).EntropyBits, 3, 1e-9)
	clusters := equidistant(5, 1e4).Gather([]int{0, 0, 0, 1, 1, 2, 3, 4, 4, 4, 4})
	near(t, "5 clusters far apart", dse(t, clusters, Options{Sigma: 1}).EntropyBits, math.Log2(5), 1e-9)
	for _, c := range []struct {
		n, t   int
		lambda float64
		want   float64
	}{{2, 1, 0.244919, 0.715349}, {2, 2, 0.244919, 0.313759}, {3, 1, 0.177794, 1.092529}} {
		r := dse(t, equidistant(c.n, 3), Options{Sigma: 3, T: c.t})
		near(t, "equidistant rows", r.EntropyBits, c.want, 2e-6)
		near(t, "their second eigenvalue", r.Eigenvalues[1], c.lambda, 1e-6)
	}
}

// Rows evenly on a circle make a circulant kernel: its eigenvalues are the Fourier transform of one row over its sum.
func TestCirculant(t *testing.T) {
	const n, sigma = 64, 2.5
	x := vec.NewMatrix(n, 2)
	row := make([]float64, n)
	for i := range n {
		s, c := math.Sincos(2 * math.Pi * float64(i) / n)
		x.Row(i)[0], x.Row(i)[1] = float32(7*c), float32(7*s)
		row[i] = math.Exp(-49 * (1 - c) / (sigma * sigma))
	}
	var p []float64
	for k := range n {
		f := 0.0
		for j, v := range row {
			f += v * math.Cos(2*math.Pi*float64(j*k)/n)
		}
		p = append(p, math.Pow(math.Abs(f/floats.Sum(row)), 2))
	}
	want, total := 0.0, floats.Sum(p)
	for _, v := range p {
		if v > 0 {
			want -= v / total * math.Log2(v/total)
		}
	}
	for _, alpha := range []float64{0, .5, 1} { // a uniform density: nothing to divide out
		near(t, "DSE of a circle", dse(t, x, Options{Sigma: sigma, T: 2, Alpha: alpha}).EntropyBits, want, 1e-5)
	}
}

// The largest eigenvalue is 1, none is larger, their sum is the trace; entropy stays within its bounds and falls with T.
func TestSpectrum(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 30).Draw(rt, "n")
		x := normal(n, rapid.IntRange(1, 5).Draw(rt, "d"), rapid.Uint64().Draw(rt, "seed"))
		o := Options{Sigma: rapid.Float64Range(.05, 20).Draw(rt, "sigma"), Alpha: rapid.Float64Range(0, 1).Draw(rt, "alpha")}
		last := math.Inf(1)
		for _, o.T = range []int{1, 2, 5} {
			r := dse(t, x, o)
			if v := r.Eigenvalues; math.Abs(v[0]-1) > 1e-10 || v[n-1] < -1e-6 { // distances are float32
				rt.Fatalf("eigenvalues from %v to %v", v[0], v[n-1])
			}
			if r.EntropyBits < 0 || r.EntropyBits > r.MaxBits+1e-9 || r.EntropyBits > last+1e-9 {
				rt.Fatalf("t = %d: %v bits after %v, at most %v", o.T, r.EntropyBits, last, r.MaxBits)
			}
			last = r.EntropyBits
		}
		g := mat.NewSymDense(n, nil)
		d := distances(x)
		for i := range n {
			for j := i; j < n; j++ {
				g.SetSym(i, j, math.Exp(-d.At(i, j)/(2*o.Sigma*o.Sigma)))
			}
		}
		divide(g, .5)
		v, _ := walk(d, o.Sigma, 0)
		if math.Abs(floats.Sum(v)-mat.Trace(g)) > 1e-9 {
			rt.Fatalf("eigenvalues sum to %v, trace %v", floats.Sum(v), mat.Trace(g))
		}
	})
}

func TestInvariances(t *testing.T) {
	x := normal(60, 3, 1)
	base := dse(t, x, Options{Sigma: 2}).EntropyBits
	y := vec.NewMatrix(60, 3)
	for i := range 60 { // a rotation by 0.8/0.6, a move, a scale and another order
		r := x.Row((i*7 + 3) % 60)
		y.Row(i)[0], y.Row(i)[1], y.Row(i)[2] = 5*(.8*r[0]-.6*r[1])+100, 5*(.6*r[0]+.8*r[1])-40, 5*r[2]
	}
	near(t, "moved, turned, scaled, reordered", dse(t, y, Options{Sigma: 10}).EntropyBits, base, 1e-4)
	near(t, "at the median bandwidth", dse(t, y, Options{}).EntropyBits, dse(t, x, Options{}).EntropyBits, 1e-4)
	for i := range 60 {
		vec.Normalize(y.Row(i), x.Row(i))
	}
	near(t, "normalised", dse(t, x, Options{Normalize: true}).EntropyBits, dse(t, y, Options{}).EntropyBits, 1e-6)
}

// Dossier, figure A: N = 500 rows of 1024 columns, the first d of them uniform on ±1, with uniform noise on all.
func TestDimensionCurve(t *testing.T) {
	const n = 500
	clean := [5]float64{1.56, 4.99, 7.28, 8.51, 8.86} // of a reference run: other random numbers
	noisy := [5]float64{1.95, 5.16, 7.35, 8.53, 8.87}
	rng := rand.New(rand.NewPCG(1, 0))
	var last [2]float64
	for i, d := range []int{50, 200, 400, 700, 1024} {
		if testing.Short() && i > 1 {
			break
		}
		x := vec.NewMatrix(n, 1024)
		for r := range n {
			for j := range d {
				x.Row(r)[j] = float32(2*rng.Float64() - 1)
			}
		}
		var got [2]float64
		got[0] = dse(t, x, Options{Sigma: PaperSigma}).EntropyBits
		cse, err := CSE(x, 2)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "CSE, blind to dimension", cse, math.Log2(500), .05)
		for k := range x.Data {
			x.Data[k] += .1 * float32(2*rng.Float64()-1)
		}
		got[1] = dse(t, x, Options{Sigma: PaperSigma}).EntropyBits
		t.Logf("d = %d: %.2f, noisy %.2f (reference %.2f, %.2f), CSE %.3f", d, got[0], got[1], clean[i], noisy[i], cse)
		near(t, "DSE", got[0], clean[i], .05)
		near(t, "DSE under noise", got[1], noisy[i], .05)
		if got[0] <= last[0] || got[1] <= last[1] {
			t.Errorf("d = %d: not rising: %v after %v", d, got, last)
		}
		last = got
	}
}

// Dossier, figure B: 4 classes of 100 points N(0, I₁₆), a class's mean delta along an axis of its own.
func TestLabels(t *testing.T) {
	labels := make([]int, 400)
	shuffled := make([]int, 400)
	for i, j := range rand.New(rand.NewPCG(5, 0)).Perm(400) {
		labels[i], shuffled[j] = i/100, i/100
	}
	want := map[float32]float64{0: 0, 5: .76, 10: 1.58, 20: 1.87, 40: 1.87}
	last := -1.0
	for _, delta := range []float32{0, 5, 10, 20, 40} {
		x := normal(400, 16, 3)
		for i, l := range labels {
			x.Row(i)[l] += delta
		}
		m, err := DSMI(t.Context(), x, labels, Options{Sigma: PaperSigma})
		if err != nil {
			t.Fatal(err)
		}
		s, err := DSMI(t.Context(), x, shuffled, Options{Sigma: PaperSigma})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("delta %v: %.3f ± %.3f bits, shuffled %.3f; %s", delta, m.Bits, m.Noise, s.Bits, m.Verdict)
		near(t, fmt.Sprintf("DSMI at delta %v", delta), m.Bits, want[delta], .05)
		near(t, "DSMI of shuffled labels", s.Bits, 0, .03)
		if delta <= 20 && m.Bits <= last {
			t.Errorf("not rising: %v after %v", m.Bits, last)
		}
		if says := strings.Contains(m.Verdict, "next to nothing"); says != (delta == 0) || !strings.Contains(s.Verdict, "next to nothing") {
			t.Errorf("%s; shuffled: %s", m.Verdict, s.Verdict)
		}
		last = m.Bits
	}
}

// Two classes of coincident points far apart: a class has entropy 0, and as many rows of both have 1 bit.
func TestTwoPoints(t *testing.T) {
	x, labels := vec.NewMatrix(40, 1), make([]int, 40)
	for i := range 40 {
		if i%2 == 1 {
			x.Row(i)[0], labels[i] = 1000, -7
		}
	}
	m, err := DSMI(t.Context(), x, labels, Options{Sigma: 1})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "DSMI", m.Bits, 1, 1e-9)
	near(t, "label entropy", m.LabelBits, 1, 1e-12)
	if m.Classes[0].Label != -7 || m.Classes[0].EntropyBits > 1e-9 || math.Abs(m.Classes[1].AnyBits-1) > 1e-9 {
		t.Errorf("%+v", m.Classes)
	}
}

func TestDraws(t *testing.T) {
	x := normal(900, 6, 2)
	o := Options{MaxRows: 300, Seed: 4}
	r, again := dse(t, x, o), dse(t, x, o)
	if !reflect.DeepEqual(r, again) {
		t.Error("same seed, other result")
	}
	if r.Rows != 300 || r.Total != 900 || r.Draws != 3 || r.SD == 0 || len(r.Notes) == 0 {
		t.Errorf("%+v", r.Setting)
	}
	whole := dse(t, x.Gather([]int{0, 1, 2, 3}), o)
	if whole.Draws != 1 || whole.SD != 0 || whole.SigmaRule != "median distance" {
		t.Errorf("%+v", whole)
	}
}

func TestErrors(t *testing.T) {
	ctx, x := t.Context(), normal(10, 2, 1)
	bad := x.Clone()
	bad.Data[3] = float32(math.Inf(1))
	ask := func(x vec.Matrix, o Options) error { _, err := DSE(ctx, x, o); return err }
	mi := func(labels []int) error { _, err := DSMI(ctx, x, labels, Options{}); return err }
	bin := func(v []float64, k int) error { _, err := Bin(v, k); return err }
	cse := func(x vec.Matrix, k int) error { _, err := CSE(x, k); return err }
	cluster := func(x vec.Matrix, k, near int) error { _, err := Cluster(ctx, x, k, near, 0); return err }
	for i, c := range []struct{ err, is error }{
		{ask(x.Slice(0, 1), Options{}), vec.ErrTooFew},
		{ask(bad, Options{}), vec.ErrNotFinite},
		{ask(vec.NewMatrix(5, 2), Options{}), vec.ErrZero},
		{ask(vec.NewMatrix(5, 2), Options{Normalize: true}), vec.ErrZero},
		{ask(x, Options{Sigma: -1}), vec.ErrNotFinite},
		{ask(x, Options{Alpha: 2}), vec.ErrNotFinite},
		{mi(make([]int, 9)), vec.ErrDim},
		{mi(make([]int, 10)), vec.ErrTooFew}, // one class only
		{bin([]float64{1, 1}, 3), vec.ErrZero},
		{bin([]float64{1, math.NaN()}, 3), vec.ErrNotFinite},
		{bin([]float64{1, 2}, 1), vec.ErrTooFew},
		{cse(vec.Matrix{}, 2), vec.ErrTooFew},
		{cse(bad, 2), vec.ErrNotFinite},
		{cluster(x, 3, 10), vec.ErrTooFew},
		{cluster(x, 11, 3), vec.ErrTooFew},
		{cluster(bad, 2, 3), vec.ErrNotFinite},
	} {
		if !errors.Is(c.err, c.is) {
			t.Errorf("%d: %v, want %v", i, c.err, c.is)
		}
	}
	ended, stop := context.WithCancel(ctx)
	stop()
	if _, err := DSE(ended, x, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestBinAndConstantColumns(t *testing.T) {
	b, err := Bin([]float64{0, .099, .1, .5, 1}, 10)
	if err != nil || !reflect.DeepEqual(b, []int{0, 0, 1, 5, 9}) {
		t.Error(b, err)
	}
	x, _ := vec.FromRows([][]float32{{1, 7}, {2, 7}, {3, 7}, {4, 7}})
	bits, err := CSE(x, 2)
	if err != nil || bits != 1 {
		t.Error(bits, err)
	}
}

// TestSampling prints what a draw costs in accuracy: LATENT_LARGE=1.
func TestSampling(t *testing.T) {
	if os.Getenv("LATENT_LARGE") == "" {
		t.Skip("set LATENT_LARGE=1: takes a minute")
	}
	x := normal(20000, 512, 1)
	for i := range x.Rows {
		for j := range 512 {
			x.Row(i)[j] *= 3 / float32(math.Sqrt(float64(j+1)))
		}
		x.Row(i)[0] += float32(i%10) * 4
	}
	for _, rows := range []int{500, 1000, 1500} {
		r := dse(t, x, Options{MaxRows: rows})
		t.Log(r.Verdict, r.Notes)
		half := dse(t, x.Slice(0, rows), Options{Sigma: r.Sigma})
		t.Logf("the first %d rows: %.3f", rows, half.EntropyBits)
	}
	labels := make([]int, x.Rows)
	for i := range labels {
		labels[i] = i % 10
	}
	for _, rows := range []int{1000, 2000, 4000} {
		m, err := DSMI(t.Context(), x, labels, Options{MaxRows: rows})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(rows, m.Bits, m.Verdict)
	}
}

func ExampleDSE() {
	// Twelve rows in three places far apart.
	x, _ := vec.FromRows([][]float32{{0}, {0}, {0}, {0}, {50}, {50}, {50}, {50}, {99}, {99}, {99}, {99}})
	r, _ := DSE(context.Background(), x, Options{Sigma: 5})
	fmt.Println(r.Verdict)
	// Output: 12 rows are as diverse as 3.0 clusters far apart: 1.58 of at most 3.58 bits, at bandwidth 5 and t = 1.
}

func BenchmarkDSE(b *testing.B) {
	x := normal(2000, 128, 1)
	for _, n := range []int{500, 1000, 2000} {
		b.Run(fmt.Sprintf("n=%d/d=128", n), func(b *testing.B) {
			for b.Loop() {
				dse(b, x.Slice(0, n), Options{MaxRows: n})
			}
		})
	}
}

// Entropy does not see a common scale, and the bandwidth scales with the rows.
func TestScales(t *testing.T) {
	x := normal(200, 6, 4)
	labels := make([]int, x.Rows)
	for i := range labels {
		labels[i] = i % 2
		x.Row(i)[0] += 3 * float32(labels[i])
	}
	want := dse(t, x, Options{})
	mi, err := DSMI(t.Context(), x, labels, Options{})
	cluster, err2 := Cluster(t.Context(), x, 2, 9, 1)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for _, e := range []int{63, -83, 120} { // 9e18, 1e-25, 1e36
		y := x.Clone()
		for i, v := range y.Data {
			y.Data[i] = float32(math.Ldexp(float64(v), e))
		}
		got := dse(t, y, Options{})
		near(t, "bandwidth", got.Sigma/math.Ldexp(want.Sigma, e), 1, 1e-6)
		near(t, "entropy", got.EntropyBits, want.EntropyBits, 1e-5)
		given := dse(t, y, Options{Sigma: math.Ldexp(want.Sigma, e)})
		near(t, "entropy at a given bandwidth", given.EntropyBits, want.EntropyBits, 1e-5)
		near(t, "entropy of directions", dse(t, y, Options{Normalize: true}).EntropyBits, dse(t, x, Options{Normalize: true}).EntropyBits, 1e-5)
		m, err := DSMI(t.Context(), y, labels, Options{})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "information", m.Bits, mi.Bits, 1e-5)
		c, err := Cluster(t.Context(), y, 2, 9, 1)
		if err != nil || !slices.Equal(c, cluster) {
			t.Errorf("scale 2^%d: clusters differ: %v", e, err)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
	}
}
