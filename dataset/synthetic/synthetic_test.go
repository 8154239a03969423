package synthetic

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/vec"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"
)

func generate(t testing.TB, spec string) Set {
	t.Helper()
	s, err := Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	set, err := s.Generate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := set.X.Check(); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	return set
}

// residuals are what the equations of a surface leave over; at noise 0 only rounding to float32 remains.
var residuals = map[string]func(x []float64) float64{
	"sphere": func(x []float64) float64 { return norm(x) - 1 },
	"affine3": func(x []float64) float64 { // two equations: what is orthogonal to the three directions
		a, b := x[0]-3, x[1]+1
		p, q := (0.9*a+0.5*b)/1.33, (1.2*b-0.5*a)/1.33 // the first two rows, solved
		c := x[2] + 0.5*p + 0.2*q
		return math.Hypot(x[3]-(0.4*p-0.9*q-0.1*c), x[4]-8-(1.1*p-0.3*q))
	},
	"cubic": func(x []float64) float64 { // some coordinate is 0 or 1
		m := 1.0
		for _, v := range x {
			m = min(m, math.Abs(v*(1-v)))
		}
		return m
	},
	"swissroll": func(x []float64) float64 {
		t := math.Hypot(x[0], x[2])
		return math.Hypot(x[0]-t*math.Cos(t), x[2]-t*math.Sin(t))
	},
	"scurve": func(x []float64) float64 { return x[0]*x[0] + (math.Abs(x[2])-1)*(math.Abs(x[2])-1) - 1 },
	"moebius": func(x []float64) float64 {
		phi, w := math.Atan2(x[1], x[0]), math.Hypot(math.Hypot(x[0], x[1])-1, x[2])
		u, v := math.Hypot(x[0], x[1])-1, x[2]
		return min(math.Hypot(u-w*math.Cos(5*phi), v-w*math.Sin(5*phi)), math.Hypot(u+w*math.Cos(5*phi), v+w*math.Sin(5*phi)))
	},
	"torus": func(x []float64) float64 { return math.Hypot(math.Hypot(x[0], x[1])-1, x[2]) - 0.25 },
	"helix": func(x []float64) float64 {
		t := math.Atan2(x[1], x[0])
		return math.Hypot(math.Hypot(x[0], x[1])-2-math.Cos(8*t), x[2]-math.Sin(8*t))
	},
	"helicoid": func(x []float64) float64 {
		r := math.Hypot(x[0], x[1])
		return math.Hypot(x[0]-r*math.Cos(2*x[2]), x[1]-r*math.Sin(2*x[2]))
	},
	"spiral": func(x []float64) float64 {
		return math.Hypot(x[0]-100*math.Cos(x[2]), x[1]-100*math.Sin(x[2]))
	},
	"nonlinear": func(x []float64) float64 { // the angle of each circle is the radius of the one before
		var worst float64
		for c := 0; c < len(x); c += 2 * 4 {
			for i := range 4 {
				angle := math.Mod(math.Atan2(x[c+2*i+1], x[c+2*i])/(2*math.Pi)+1, 1)
				j := (i + 3) % 4
				_, radius := c, math.Hypot(x[c+2*j], x[c+2*j+1])
				if d := math.Abs(angle - radius); math.Hypot(x[c+2*i], x[c+2*i+1]) > 0.01 && angle > 0.01 && angle < 0.99 {
					worst = max(worst, d)
				}
				worst = max(worst, math.Abs(x[c+2*i]-x[2*i]))
			}
		}
		return worst
	},
	"paraboloid": func(x []float64) float64 {
		k := len(x) / 3
		var sum, worst float64
		for i := range k - 1 {
			sum += x[i] * x[i]
		}
		worst = math.Abs(sum - x[k-1])
		for i := range k {
			worst = max(worst, math.Abs(x[k+i]-math.Sin(x[i])), math.Abs(x[2*k+i]-x[i]*x[i]))
		}
		return worst
	},
	"beta": func(x []float64) float64 { // both columns come of one b: scan it
		d := len(x) / 4
		var worst float64
		for i := range d {
			best := math.Inf(1)
			for k := range 20001 {
				b := float64(k) / 20000
				best = min(best, math.Hypot(x[i]-b*math.Sin(math.Cos(2*math.Pi*b)), x[d+i]-b*math.Cos(math.Sin(2*math.Pi*b))))
			}
			worst = max(worst, best-2e-4) // half a step, times the speed along the curve
		}
		return worst
	},
	"tangent": func(x []float64) float64 { // columns i and d-1-i are of the same two numbers, a and b
		d := len(x) / 4
		var worst float64
		for i := range d {
			j := d - 1 - i
			p, q := math.Atan(x[i]), math.Tan(x[d+i]) // a cos b, b sin a
			pj, qj := math.Atan(x[j]), math.Tan(x[d+j])
			// With pj = b cos a and qj = a sin b: a² = p²+qj², b² = pj²+q².
			a, b := math.Hypot(p, qj), math.Hypot(pj, q)
			if i == j {
				continue
			}
			worst = max(worst, math.Abs(p-a*math.Cos(b)), math.Abs(q-b*math.Sin(a)))
		}
		return worst
	},
	"ball-line": func(x []float64) float64 {
		if r := norm(x); r <= 1 {
			return 0
		} else if x[0] >= 2 && x[0] <= 4 {
			return r - x[0]
		}
		return 1
	},
	"nonlinear4": func(x []float64) float64 {
		// The first three columns give the other numbers from a; the last three then hold for the right a. Scan it, and
		// scan finer around the best.
		over := func(a float64) float64 {
			b2, c2 := x[0]/math.Cos(2*math.Pi*a), x[1]/math.Sin(2*math.Pi*a)
			if b2 < 0 || c2 < 0 {
				return math.Inf(1)
			}
			b, c, best := math.Sqrt(b2), math.Sqrt(c2), math.Inf(1)
			for _, sign := range []float64{1, -1} {
				d := b + sign*math.Sqrt(max(x[2]-b-c, 0))
				best = min(best, math.Abs(x[3]-(b-2*c+(a-d)*(a-d)))+math.Abs(x[4]-(-b-2*c+(c-d)*(c-d)))+math.Abs(x[5]-(a*a-b*b+c*c-d*d)))
			}
			return best
		}
		best := math.Inf(1)
		for k := range 400 {
			at, step := (float64(k)+0.5)/400, 1.0/800
			for range 40 {
				for _, a := range []float64{at - step, at + step} {
					if over(a) < over(at) {
						at = a
					}
				}
				step *= 0.7
			}
			best = min(best, over(at))
		}
		return max(0, best-0.01) // seen at most 0.003 over 400 rows, where a root multiplies rounding; 0.55 in the median off the surface
	},
}

func TestEquations(t *testing.T) {
	for name, residual := range residuals {
		n := "400"
		if name == "beta" || name == "nonlinear4" { // slow scans
			n = "12"
		}
		set := generate(t, "synthetic:"+name+"?seed=3&n="+n)
		scale := 0.0
		for _, v := range set.X.Data {
			scale = max(scale, math.Abs(float64(v)))
		}
		limit := 32 * 0x1p-24 * scale * max(1, scale) // rounding of columns, times how steep equations are
		for i := range set.X.Rows {
			if r := residual(widen(set.X.Row(i))); !(math.Abs(r) <= limit) {
				t.Errorf("%s: row %d %v leaves %g over, want at most %g", name, i, set.X.Row(i), r, limit)
				break
			}
		}
	}
}

// Every generator without an equation above fills its space; this one says that none was forgotten.
func TestEveryGeneratorIsChecked(t *testing.T) {
	full := []string{"ball", "cube", "gaussian", "subspace", "affine", "mixture", "clusters"}
	for _, g := range Generators() {
		if residuals[g.Name] == nil && !slices.Contains(full, g.Name) {
			t.Errorf("%s has no test of its equations", g.Name)
		}
		if g.Doc == "" || g.Defaults.D == 0 {
			t.Errorf("%s has no doc or no dimension", g.Name)
		}
	}
}

// Rows span as many directions as their equations say.
func TestRanks(t *testing.T) {
	for _, c := range []struct {
		spec string
		want int
	}{
		{"subspace?d=7&ambient=40&n=200", 7},
		{"gaussian?d=9&ambient=30&n=200", 9},
		{"cube?d=6&ambient=20&n=200", 6},
		{"affine3?n=200", 4}, // off the origin, so one more
		{"nonlinear?d=4&copies=3&n=200", 8},
		{"tangent?d=5&n=200", 10},
		{"beta?d=5&n=200", 10},
	} {
		set := generate(t, Prefix+c.spec)
		if got := rank(set.X); got != c.want {
			t.Errorf("%s: rank %d, want %d", c.spec, got, c.want)
		}
	}
	set := generate(t, "synthetic:clusters?n=4000&d=32&ambient=64&clusters=5&seed=9")
	for label := range 5 {
		var rows []int
		for i, l := range set.Labels {
			if l == label {
				rows = append(rows, i)
			}
		}
		if got, want := rank(set.X.Gather(rows)), int(set.PointIntrinsic[rows[0]])+1; got != want { // +1 for the centre
			t.Errorf("cluster %d: rank %d, want %d", label, got, want)
		}
	}
}

// The first moments, each within five standard errors of its closed form.
func TestMoments(t *testing.T) {
	const n = 20000
	for _, c := range []struct {
		spec string
		f    func(x []float64) float64
		want float64
	}{
		{"ball?d=10", func(x []float64) float64 { return sq(x) }, 10.0 / 12},
		{"ball?d=10", func(x []float64) float64 { return x[3] }, 0},
		{"ball?d=3", func(x []float64) float64 { return math.Pow(norm(x), 3) }, 0.5}, // uniform
		{"cube?d=4", func(x []float64) float64 { return x[1] * x[1] }, 1.0 / 3},
		{"sphere?d=5", func(x []float64) float64 { return x[2] * x[2] }, 1.0 / 6},
		{"sphere?d=5", func(x []float64) float64 { return math.Pow(x[2], 4) }, 3.0 / 48},
		{"gaussian?d=4", func(x []float64) float64 { return math.Pow(x[0], 4) }, 3},
		{"affine?d=4", func(x []float64) float64 { return sq(x) }, 4 * 25.0 / 12},
		{"subspace?d=8&ambient=20", func(x []float64) float64 { return sq(x) }, 8},
		{"cubic?d=3", func(x []float64) float64 { return x[1] * x[1] }, 3.0/4*1/3 + 1.0/4*1/2},
		{"torus", func(x []float64) float64 { return math.Hypot(x[0], x[1]) }, 1 + 0.25*0.25/2}, // area weight (1 + cos/4)
		{"paraboloid?d=2", func(x []float64) float64 { return x[0] }, 0.5},                      // E of 1/(1+E/E')
		{"ball-line?d=4", func(x []float64) float64 { return sq(x) }, (4.0/6 + 28.0/3) / 2},
		{"spiral?noise=2", func(x []float64) float64 { return x[2] }, 5 * math.Pi},
	} {
		set := generate(t, Prefix+c.spec+sep(c.spec)+"n=20000&seed=5")
		v := make([]float64, n)
		for i := range v {
			v[i] = c.f(widen(set.X.Row(i)))
		}
		mean, dev := stat.MeanStdDev(v, nil)
		if math.Abs(mean-c.want) > 5*dev/math.Sqrt(n)+1e-7 {
			t.Errorf("%s: mean %v ± %v, want %v", c.spec, mean, dev/math.Sqrt(n), c.want)
		}
	}
}

func TestNoiseIsAddedToEveryColumn(t *testing.T) {
	clean := generate(t, "synthetic:swissroll?n=1&ambient=3")
	noisy := generate(t, "synthetic:swissroll?n=1&ambient=3&noise=0.001")
	for j := range 3 {
		if d := math.Abs(float64(clean.X.Data[j] - noisy.X.Data[j])); d == 0 || d > 0.01 {
			t.Errorf("column %d moved by %g under noise 0.001", j, d)
		}
	}
	const n, dim, sigma = 500, 60, 0.25 // noise makes the columns beyond the native ones: their variance is σ²
	set := generate(t, "synthetic:helix?n=500&ambient=60&noise=0.25")
	var sum float64
	for _, v := range set.X.Data {
		sum += float64(v) * float64(v)
	}
	clear := generate(t, "synthetic:helix?n=500&ambient=60")
	var base float64
	for _, v := range clear.X.Data {
		base += float64(v) * float64(v)
	}
	// Rows of a block share one stream, so the curves differ; both have E|x|² = 5 (2+cos)² + sin² = 5, of variance 8.
	want, dev := n*(5+dim*sigma*sigma), math.Sqrt(n*(8+2*dim*math.Pow(sigma, 4)+4*5*sigma*sigma))
	if math.Abs(sum-want) > 5*dev {
		t.Errorf("Σ|x|² is %v, want %v ± %v", sum, want, dev)
	}
	if math.Abs(base-n*5) > 5*math.Sqrt(n*8) {
		t.Errorf("Σ|x|² without noise is %v, want %v", base, n*5)
	}
}

func TestNormalize(t *testing.T) {
	for _, name := range []string{"subspace", "gaussian", "mixture", "clusters"} {
		set := generate(t, Prefix+name+"?normalize=true&n=300")
		for i := range set.X.Rows {
			if n := norm(widen(set.X.Row(i))); math.Abs(n-1) > 1e-6 {
				t.Fatalf("%s: row %d has length %v", name, i, n)
			}
		}
	}
	if s := generate(t, "synthetic:subspace?normalize=true&d=8&n=9"); s.Intrinsic != 7 {
		t.Errorf("directions of an 8-dimensional subspace have dimension %v, want 7", s.Intrinsic)
	}
}

// A wider ambient space turns the set and changes no distance.
func TestEmbeddingKeepsDistances(t *testing.T) {
	for _, name := range []string{"swissroll", "nonlinear", "ball-line"} {
		a, b := generate(t, Prefix+name+"?n=40&seed=2"), generate(t, Prefix+name+"?n=40&seed=2&ambient=33")
		if b.X.Cols != 33 {
			t.Fatalf("%s: %d columns, want 33", name, b.X.Cols)
		}
		for i := range 40 {
			for j := range i {
				da, db := vec.SquaredL2(a.X.Row(i), a.X.Row(j)), vec.SquaredL2(b.X.Row(i), b.X.Row(j))
				if math.Abs(float64(da-db)) > 1e-4*(1+float64(da)) {
					t.Fatalf("%s: rows %d and %d are %v apart, embedded %v", name, i, j, da, db)
				}
			}
		}
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, g := range Generators() {
		spec := Prefix + g.Name + "?n=700&noise=0.01&seed="
		runtime.GOMAXPROCS(4)
		a := generate(t, spec+"1")
		runtime.GOMAXPROCS(1)
		b, c := generate(t, spec+"1"), generate(t, spec+"2")
		if !slices.Equal(a.X.Data, b.X.Data) || !slices.Equal(a.Labels, b.Labels) {
			t.Errorf("%s: the same seed gave other bytes with another GOMAXPROCS", g.Name)
		}
		if slices.Equal(a.X.Data, c.X.Data) {
			t.Errorf("%s: seeds 1 and 2 gave the same bytes", g.Name)
		}
		short := generate(t, Prefix+g.Name+"?n=300&noise=0.01&seed=1")
		if !slices.Equal(short.X.Data, a.X.Data[:len(short.X.Data)]) {
			t.Errorf("%s: 300 rows are not the first of 700", g.Name)
		}
	}
}

func TestIntrinsic(t *testing.T) {
	for _, c := range []struct {
		spec      string
		intrinsic float64
		ambient   int
	}{
		{"ball?d=4", 4, 4}, {"sphere", 10, 11}, {"swissroll", 2, 3}, {"subspace", 10, 50}, {"nonlinear?d=6&copies=3", 6, 36},
		{"paraboloid?d=6", 6, 21}, {"tangent", 18, 72}, {"M5a_Helix1d", 1, 3}, {"m6_nonlinear", 6, 36}, {"M8_Nonlinear", 12, 72},
		{"M10d_Cubic", 70, 71}, {"M13b_Spiral", 1, 13}, {"Mn2_Nonlinear", 24, 96}, {"Mp3_Paraboloid", 9, 30}, {"M1_Sphere?d=3", 3, 4},
	} {
		s := generate(t, Prefix+c.spec+sep(c.spec)+"n=3")
		if s.Intrinsic != c.intrinsic || s.X.Cols != c.ambient || s.X.Rows != 3 {
			t.Errorf("%s: dimension %v in R^%d, want %v in R^%d", c.spec, s.Intrinsic, s.X.Cols, c.intrinsic, c.ambient)
		}
	}
	for _, b := range Benchmarks {
		generate(t, Prefix+b.Name+"?n=2")
	}
	s := generate(t, "synthetic:clusters?n=5000") // 4, 8, 16, 32, 64 in turn
	if g, _ := lookup("clusters"); g.Intrinsic(s.Spec) != 24.8 {
		t.Errorf("clusters: expected dimension %v, want 24.8", g.Intrinsic(s.Spec))
	}
	if math.Abs(s.Intrinsic-24.8) > 5*22/math.Sqrt(5000) || stat.Mean(s.PointIntrinsic, nil) != s.Intrinsic {
		t.Errorf("clusters: mean dimension %v, want near 24.8 and the mean over rows", s.Intrinsic)
	}
	for i, l := range s.Labels {
		if s.PointIntrinsic[i] != float64(int(4)<<(l%5)) {
			t.Fatalf("row %d of cluster %d has dimension %v", i, l, s.PointIntrinsic[i])
		}
	}
}

func TestSubspaceIsTheGenerator(t *testing.T) {
	x, err := Subspace(50, 20, 4, false, 7)
	if err != nil || rank(x) != 4 || x.Cols != 20 {
		t.Fatalf("rank %d in R^%d (%v), want 4 in R^20", rank(x), x.Cols, err)
	}
	full, err := Subspace(50, 20, 20, true, 7)
	if err != nil || rank(full) != 20 {
		t.Fatalf("rank %d (%v), want 20", rank(full), err)
	}
}

func TestBadSpecs(t *testing.T) {
	for spec, want := range map[string]string{
		"ball":                                                `does not begin with "synthetic:"`,
		"synthetic:":                                          "there are affine, affine3, ball",
		"synthetic:blob":                                      `no generator is called "blob"; there are affine`,
		"synthetic:ball?dim=3":                                `no parameter is called "dim"; there are n, d`,
		"synthetic:ball?n=x":                                  `n="x" is not a number`,
		"synthetic:ball?n=-1":                                 "n=-1 is not within",
		"synthetic:ball?n=1&n=2":                              "n is given 2 times",
		"synthetic:ball?noise=NaN":                            "noise=NaN is not within",
		"synthetic:ball?noise=-1":                             "noise=-1 is not within",
		"synthetic:ball?clusters=3":                           "takes no clusters",
		"synthetic:ball?spread=3":                             "takes no spread",
		"synthetic:ball?normalize=1":                          "cannot be normalized",
		"synthetic:sphere?d=10&ambient=10":                    "fewer columns than the 11 that d=10 needs",
		"synthetic:swissroll?d=3":                             "has intrinsic dimension 2, not d=3",
		"synthetic:subspace?d=1&normalize=true":               "two points",
		"synthetic:beta?d=9999":                               "needs 39996 columns",
		"synthetic:ball?n=9000000000&ambient=99":              "more than the",
		"synthetic:ball?%zz":                                  "invalid URL escape",
		"synthetic:mixture?clusters=9999&d=9999&ambient=9999": "2 GiB",
		"synthetic:mixture?d=64&normalize=1":                  "larger ambient",
		"synthetic:clusters?d=3":                              "below 4",
	} {
		_, err := Parse(spec)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", spec, err, want)
		}
	}
}

func TestGenerateStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Spec{Name: "ball"}).Generate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

// A resolved spec, written out, reads back as itself.
func TestStringReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.SampledFrom(Generators()).Draw(t, "generator")
		s := Spec{Name: g.Name, N: rapid.IntRange(0, 1e6).Draw(t, "n"), Noise: rapid.Float64Range(0, 10).Draw(t, "noise"),
			Seed: rapid.Uint64().Draw(t, "seed")}
		if !g.Fixed {
			s.D = rapid.IntRange(4, 60).Draw(t, "d")
		}
		if rapid.Bool().Draw(t, "wide") {
			s.Ambient = rapid.IntRange(300, 500).Draw(t, "ambient")
		}
		want, err := s.Resolve()
		if err != nil && g.Name == "subspace" && s.Ambient == 0 { // d beyond its 50 columns
			t.Skip()
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(want.String())
		if err != nil || got != want {
			t.Fatalf("%s reads back as %+v (%v), want %+v", want, got, err, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, g := range Generators() {
		f.Add(Prefix + g.Name + "?n=5&d=" + "4" + "&noise=0.5&seed=9")
	}
	f.Add("synthetic:M6_Nonlinear?n=2500&ambient=50")
	f.Add("synthetic:mixture?clusters=3&spread=1e-300&normalize=T")
	f.Add("synthetic:?=&;%41")
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || again != s {
			t.Fatalf("%q is %+v, read back %+v (%v)", spec, s, again, err)
		}
		if s.N > 50 || s.Ambient > 50 || s.Clusters > 50 {
			return
		}
		set, err := s.Generate(t.Context())
		if err != nil || set.X.Rows != s.N || set.X.Cols != s.Ambient {
			t.Fatalf("%s: %d×%d (%v)", s, set.X.Rows, set.X.Cols, err)
		}
	})
}

func BenchmarkGenerate(b *testing.B) {
	for _, spec := range []string{"sphere?n=10000&d=10", "subspace?n=10000&d=32&ambient=256", "mixture?n=10000&d=16&ambient=128"} {
		b.Run(spec, func(b *testing.B) {
			s, err := Parse(Prefix + spec)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Generate(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// rank counts singular values above rounding of float32.
func rank(x vec.Matrix) int {
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(x.Rows, x.Cols, widen(x.Data)), mat.SVDNone) {
		return -1
	}
	v := svd.Values(nil)
	k := 0
	for k < len(v) && v[k] > 1e-5*v[0] {
		k++
	}
	return k
}

func widen(x []float32) []float64 {
	w := make([]float64, len(x))
	for i, v := range x {
		w[i] = float64(v)
	}
	return w
}

func sq(x []float64) (s float64) {
	for _, v := range x {
		s += v * v
	}
	return s
}

func norm(x []float64) float64 { return math.Sqrt(sq(x)) }

func sep(spec string) string {
	if strings.Contains(spec, "?") {
		return "&"
	}
	return "?"
}
