package disentangle

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

	"github.com/latent-go/latent/measure/internal/made"
	"github.com/latent-go/latent/vec"
)

var noise, near = made.Noise, made.Near

func infomec(t testing.TB, z, s vec.Matrix, o Options) *Report {
	t.Helper()
	r, err := InfoMEC(context.Background(), z, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The wanted figures were printed by testdata/reference.py: the paper's own infomec.py, latent_quantization 9a420a3, on
// scikit-learn 1.4.2.
func TestReference(t *testing.T) {
	const n = 600
	values := []float64{4, 3, 2}
	s, e, z := noise(n, 3, 1), noise(n, 5, 2), vec.NewMatrix(n, 5)
	for i := range n {
		for j, k := range values {
			s.Row(i)[j] = float32(math.Floor((float64(s.Row(i)[j]) + .5) * k))
		}
		a, b, c := float64(s.Row(i)[0]), float64(s.Row(i)[1]), float64(s.Row(i)[2])
		u := func(j int) float64 { return float64(e.Row(i)[j]) }
		for j, v := range []float64{a + 4*u(0), b + a + 3*u(1), c + 2*u(2), 3 * u(3), .01 * u(4)} {
			z.Row(i)[j] = float32(v)
		}
	}
	r := infomec(t, z, s, Options{})
	if r.Latents != Continuous || r.Sources != Discrete || !reflect.DeepEqual(r.Active, []bool{true, true, true, true, false}) {
		t.Fatalf("%v latents, %v sources, active %v", r.Latents, r.Sources, r.Active)
	}
	// The program's own jitter moves its figures by about 1e-6; seen 3e-8 between the two.
	const tol = 1e-5
	near(t, "InfoM", r.InfoM, 0.722596850860528, tol)
	near(t, "InfoC", r.InfoC, 0.706247240618247, tol)
	near(t, "InfoE of the program", r.InfoE, 0.2988248369744296, tol)
	near(t, "InfoE at the optimum", r.InfoE, 0.2988242505453104, 1e-7)
	nmi := [][]float64{{0.30154825560613485, 0.241615348932876, 0.004058394433190412, 0.0, 0.0005118972239815031}, {0.011761105688209842, 0.18736515583545837, 0.004883536732524243, 0.028011176568019013, 0.0}, {0.0, 0.0, 0.45962545327600646, 0.009156246665466624, 0.005628283291637873}}
	for j := range nmi {
		for i, want := range nmi[j] {
			near(t, fmt.Sprintf("NMI of latent %d and source %d", i, j), r.NMI[i][j], want, tol)
		}
	}
	near(t, "MIG", r.MIG, 0.21510501197976847, 1e-9)
	near(t, "DCI disentanglement", r.DCI.Disentanglement, 0.490199946158986, 1e-5)
	near(t, "DCI completeness", r.DCI.Completeness, 0.6753138020862851, 1e-5)
	near(t, "DCI informativeness", r.DCI.Informativeness, 0.45059022594657083, 1e-5)

	zd := z.Clone()
	for i, v := range zd.Data {
		zd.Data[i] = float32(math.RoundToEven(float64(v)))
	}
	r = infomec(t, zd, s, Options{})
	if r.Latents != Discrete {
		t.Fatal(r.Latents)
	}
	near(t, "InfoM, discrete", r.InfoM, 0.6551605384131205, tol)
	near(t, "InfoC, discrete", r.InfoC, 0.7323626476103781, tol)
	near(t, "InfoE of the program, discrete", r.InfoE, 0.3147501865412244, tol)
	near(t, "InfoE at the optimum, discrete", r.InfoE, 0.3147588267490055, 1e-6)

	zs := columns(z)
	mi, err := MutualInfoKNN(zs[0], numbered(columns(s)[0]), 3, 0)
	near(t, "mutual_info_classif", mi, 0.41681728, 1e-6)
	mi, err2 := MutualInfoKSG(zs[0], zs[1], 3, 0)
	near(t, "mutual_info_regression", mi, 0.10554754, 1e-6)
	var sum []float64
	for i := range n {
		sum = append(sum, zs[3][i]+zs[0][i])
	}
	r3 := &Report{Latents: Continuous}
	r2, err3 := determination(r3.features(zs[:3]), sum)
	near(t, "R²", r2, 0.7440247808083924, 1e-9)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
}

// grid is a full factorial design: every combination of values once, times over.
func grid(times int, values ...int) vec.Matrix {
	n := times
	for _, v := range values {
		n *= v
	}
	m := vec.NewMatrix(n, len(values))
	for i := range n {
		at := i
		for j, v := range values {
			m.Row(i)[j] = float32(at % v)
			at /= v
		}
	}
	return m
}

// code builds latents from sources, row by row.
func code(s vec.Matrix, f func(s []float32) []float32) vec.Matrix {
	var out [][]float32
	for i := range s.Rows {
		out = append(out, f(s.Row(i)))
	}
	m, err := vec.FromRows(out)
	if err != nil {
		panic(err)
	}
	return m
}

func TestClosedForms(t *testing.T) {
	s := grid(10, 3, 4)
	for name, c := range map[string]struct {
		z             func(s []float32) []float32
		m, c          float64
		e, eTolerance float64
	}{
		"the sources":       {func(s []float32) []float32 { return s }, 1, 1, 1, .01},
		"permuted axes":     {func(s []float32) []float32 { return []float32{s[1], s[0]} }, 1, 1, 1, .01},
		"renamed values":    {func(s []float32) []float32 { return []float32{[]float32{7, -2, 30}[int(s[0])], s[1] * s[1]} }, 1, 1, 1, .01},
		"a constant beside": {func(s []float32) []float32 { return []float32{s[0], 3, s[1]} }, 1, 1, 1, .01},
		"two copies":        {func(s []float32) []float32 { return []float32{s[0], s[1], s[0], s[1]} }, 1, 1. / 3, 1, .01},
		"one source only":   {func(s []float32) []float32 { return []float32{s[0], s[0] + 1} }, 1, 0, .5, .01},
		"both in one":       {func(s []float32) []float32 { return []float32{s[0] + 3*s[1], s[0]} }, .5, .5, 1, .01},
	} {
		r := infomec(t, code(s, c.z), s, Options{Latents: Discrete})
		if name == "both in one" {
			// NMI rows: (1, 1) and (1, 0): M = ((½ + 1)/2 - ½)/½; columns (1, 1) and (1, 0) likewise.
			near(t, name+": NMI", r.NMI[0][1], 1, 1e-12)
		}
		near(t, name+": InfoM", r.InfoM, c.m, 1e-9)
		near(t, name+": InfoC", r.InfoC, c.c, 1e-9)
		near(t, name+": InfoE", r.InfoE, c.e, c.eTolerance)
	}
}

// From NMI alone, as the definition has it.
func TestScores(t *testing.T) {
	for _, c := range []struct {
		nmi  [][]float64
		m, c float64
	}{
		{[][]float64{{1, 0}, {.5, .5}}, .5, 2. / 3},
		{[][]float64{{1, 0}, {0, 1}}, 1, 1},
		{[][]float64{{.3, .3}, {.3, .3}}, 0, 0},
		{[][]float64{{1, 0}, {0, 1}, {1, 0}, {0, 1}}, 1, 1. / 3},
		{[][]float64{{0, 0}, {0, 1}}, 1, 1}, // what knows nothing is left out
	} {
		r := &Report{NMI: c.nmi, Active: []bool{true, true, true, true}[:len(c.nmi)]}
		r.score(c.nmi)
		near(t, "InfoM", r.InfoM, c.m, 1e-12)
		near(t, "InfoC", r.InfoC, c.c, 1e-12)
	}
}

// The exclusive or of two bits says nothing of either alone.
func TestXor(t *testing.T) {
	s := grid(10, 2, 2)
	r := infomec(t, code(s, func(s []float32) []float32 { return []float32{float32(int(s[0]) ^ int(s[1])), s[0]} }), s, Options{Latents: Discrete})
	near(t, "NMI", r.NMI[0][0]+r.NMI[0][1], 0, 1e-12)
	near(t, "InfoM", r.InfoM, 1, 1e-12)
	if len(r.Notes) == 0 {
		t.Error("left out without a word")
	}
}

// A rotation mixes two sources into each latent: modularity falls from 1 to 0 at 45°, explicitness stays, for the
// probe is linear.
func TestRotation(t *testing.T) {
	const n = 3000
	s := vec.NewMatrix(n, 2)
	rng := rand.New(rand.NewPCG(1, 0))
	for i := range s.Data {
		s.Data[i] = float32(rng.IntN(5))
	}
	at := func(degrees float64) *Report {
		sin, cos := math.Sincos(degrees * math.Pi / 180)
		rng := rand.New(rand.NewPCG(2, 0))
		return infomec(t, code(s, func(s []float32) []float32 {
			x, y := float64(s[0])+.3*rng.NormFloat64(), float64(s[1])+.3*rng.NormFloat64()
			return []float32{float32(cos*x - sin*y), float32(sin*x + cos*y)}
		}), s, Options{})
	}
	straight, tilted, mixed := at(0), at(15), at(45)
	t.Logf("InfoM %.3f, %.3f, %.3f; InfoE %.3f, %.3f, %.3f; MIG %.3f, %.3f, %.3f; DCI %.3f, %.3f, %.3f at 0°, 15°, 45°", straight.InfoM, tilted.InfoM, mixed.InfoM,
		straight.InfoE, tilted.InfoE, mixed.InfoE, straight.MIG, tilted.MIG, mixed.MIG, straight.DCI.Disentanglement, tilted.DCI.Disentanglement, mixed.DCI.Disentanglement)
	near(t, "InfoM at 0°", straight.InfoM, 1, .02)
	near(t, "InfoM at 45°", mixed.InfoM, 0, .05)
	if !(tilted.InfoM < straight.InfoM-.1 && tilted.InfoM > mixed.InfoM+.1) {
		t.Errorf("InfoM %v, %v, %v", straight.InfoM, tilted.InfoM, mixed.InfoM)
	}
	near(t, "InfoE at 45°", mixed.InfoE, straight.InfoE, 1e-3)
	if !strings.Contains(straight.Verdict, "almost wholly about one source") || !strings.Contains(mixed.Verdict, "hardly about one source") {
		t.Error(straight.Verdict, mixed.Verdict)
	}
}

// Continuous sources: bins and KSG both see a straight code as modular and a mixed one as not.
func TestContinuousSources(t *testing.T) {
	s := noise(1500, 2, 3)
	mix := code(s, func(s []float32) []float32 { return []float32{s[0] + s[1], s[0] - s[1]} })
	own := code(s, func(s []float32) []float32 { return []float32{s[1] * 3, s[0]*s[0]*s[0] + s[0]} })
	for _, ksg := range []bool{false, true} {
		r := infomec(t, own, s, Options{KSG: ksg})
		if r.Sources != Continuous || r.InfoM < .95 || r.InfoC < .95 || r.InfoE < .98 { // seen 0.99 and more
			t.Errorf("KSG %v: own %v %v %v", ksg, r.InfoM, r.InfoE, r.InfoC)
		}
		r = infomec(t, mix, s, Options{KSG: ksg})
		if r.InfoM > .1 || r.InfoE < .999 {
			t.Errorf("KSG %v: mixed %v %v %v", ksg, r.InfoM, r.InfoE, r.InfoC)
		}
	}
}

func TestMutualInformation(t *testing.T) {
	const n = 10000
	rng := rand.New(rand.NewPCG(1, 0))
	label, z, tied := make([]int, n), make([]float64, n), make([]float64, n)
	for i := range label {
		label[i] = rng.IntN(6)
		z[i] = rng.NormFloat64()
		tied[i] = float64(label[i]) + 1e-3*rng.NormFloat64()
	}
	mi, err := MutualInfoKNN(z, label, 3, 0)
	near(t, "independent", mi, 0, .02)
	all, err2 := MutualInfoKNN(tied, label, 3, 0)
	near(t, "the label with a little noise", all, entropyOf(label), .02*math.Log(6))
	self, err3 := MutualInfo(label, label)
	near(t, "a label itself", self, entropyOf(label), 1e-12)
	// Gaussians of correlation ρ share -½ ln(1-ρ²).
	y := make([]float64, 2000)
	for i := range y {
		y[i] = .8*z[i] + .6*rng.NormFloat64()
	}
	g, err4 := MutualInfoKSG(z[:2000], y, 3, 0)
	near(t, "Gaussians of correlation 0.8", g, -.5*math.Log(1-.64), .05)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	s := columns(grid(2, 6, 4))
	independent, _ := MutualInfo(numbered(s[0]), numbered(s[1]))
	near(t, "columns of a factorial design", independent, 0, 1e-12)
	near(t, "six values", entropyOf(numbered(s[0])), math.Log(6), 1e-12)
}

func TestInvariances(t *testing.T) {
	s := grid(8, 3, 4)
	rng := rand.New(rand.NewPCG(4, 0))
	z := code(s, func(s []float32) []float32 {
		return []float32{s[0] + float32(rng.NormFloat64()), s[1] + .5*s[0] + float32(rng.NormFloat64()), float32(rng.NormFloat64())}
	})
	base := infomec(t, z, s, Options{})
	perm := rng.Perm(s.Rows)
	moved := infomec(t, code(z.Gather(perm), func(z []float32) []float32 { return []float32{5 * z[2], 5 * z[0], 5 * z[1], .001} }),
		code(s.Gather(perm), func(s []float32) []float32 { return []float32{s[1], -s[0]} }), Options{})
	near(t, "InfoM", moved.InfoM, base.InfoM, 1e-6)
	near(t, "InfoC", moved.InfoC, base.InfoC, 1e-6)
	near(t, "InfoE", moved.InfoE, base.InfoE, 1e-6)
	if again := infomec(t, z, s, Options{}); !reflect.DeepEqual(base, again) {
		t.Error("same seed, other report")
	}
	if _, err := json.Marshal(base); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	s := grid(5, 3, 4)
	bad := s.Clone()
	bad.Data[4] = float32(math.NaN())
	constant := code(s, func(s []float32) []float32 { return []float32{s[0], 2} })
	for name, c := range map[string]struct {
		z, s vec.Matrix
		is   error
		says string
	}{
		"rows":           {s, s.Slice(0, 30), vec.ErrDim, "30"},
		"few":            {s.Slice(0, 19), s.Slice(0, 19), vec.ErrTooFew, "19"},
		"one source":     {s, vec.NewMatrix(60, 1), vec.ErrTooFew, "at least 2"},
		"one class only": {s, constant, vec.ErrZero, "source 1"},
		"dead latents":   {vec.NewMatrix(60, 2), s, vec.ErrZero, "constant"},
		"no latents":     {vec.NewMatrix(60, 0), s, vec.ErrTooFew, "no latents"},
		"nan":            {bad, s, vec.ErrNotFinite, "latents"},
	} {
		if _, err := InfoMEC(t.Context(), c.z, c.s, Options{}); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := MutualInfoKNN([]float64{1, 2}, []int{0, 1}, 3, 0); !errors.Is(err, vec.ErrTooFew) {
		t.Error(err)
	}
	if _, err := MutualInfoKSG([]float64{1, 2}, []float64{0, 1}, 3, 0); !errors.Is(err, vec.ErrTooFew) {
		t.Error(err)
	}
	if _, err := MutualInfo([]int{1}, nil); !errors.Is(err, vec.ErrDim) {
		t.Error(err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := InfoMEC(ended, s, s, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func ExampleInfoMEC() {
	s := grid(5, 3, 4)                                                              // every combination of two sources
	z := code(s, func(s []float32) []float32 { return []float32{10 * s[1], s[0]} }) // each in a latent of its own
	r, _ := InfoMEC(context.Background(), z, s, Options{Latents: Discrete})
	fmt.Printf("%.2f %.2f %.2f\n", r.InfoM, r.InfoE, r.InfoC)
	// Output: 1.00 1.00 1.00
}

func BenchmarkInfoMEC(b *testing.B) {
	s := noise(10000, 6, 1)
	for i, v := range s.Data {
		s.Data[i] = float32(math.Floor((float64(v) + .5) * 10))
	}
	e := noise(10000, 12, 2)
	z := vec.NewMatrix(10000, 12)
	for i := range z.Rows {
		for j := range 12 {
			z.Row(i)[j] = s.Row(i)[j%6] + s.Row(i)[(j+1)%6]/2 + 2*e.Row(i)[j]
		}
	}
	rounded := z.Clone()
	for i, v := range rounded.Data {
		rounded.Data[i] = float32(math.Round(float64(v)))
	}
	for name, x := range map[string]vec.Matrix{"continuous": z, "discrete": rounded} {
		b.Run(name+"/n=10000/latents=12/sources=6", func(b *testing.B) {
			for b.Loop() {
				infomec(b, x, s, Options{})
			}
		})
	}
}

// Of classes that lie apart the estimate from neighbours is ψ(n) - ψ(n/2), a little above ln 2: the share is 1.
func TestShareIsAtMostOne(t *testing.T) {
	s, z := grid(100, 2, 2), noise(400, 2, 7)
	for i := range z.Data {
		z.Data[i] += 5 * s.Data[i]
	}
	labels := make([]int, 400)
	for i := range labels {
		labels[i] = int(s.Row(i)[0])
	}
	if mi, err := MutualInfoKNN(columns(z)[0], labels, 10, 0); err != nil || !(mi > math.Ln2) {
		t.Fatalf("%v nats of %v, want more: %v", mi, math.Ln2, err)
	}
	r := infomec(t, z, s, Options{})
	near(t, "share", r.NMI[0][0], 1, 0)
	near(t, "the other share", r.NMI[1][1], 1, 0)
}

// Neither latents nor sources have a scale that counts.
func TestScales(t *testing.T) {
	s := noise(400, 2, 3)
	z := vec.NewMatrix(400, 3)
	for i := range 400 {
		z.Row(i)[0], z.Row(i)[1], z.Row(i)[2] = s.Row(i)[0], s.Row(i)[1]*s.Row(i)[1], s.Row(i)[0]+s.Row(i)[1]
	}
	want := infomec(t, z, s, Options{})
	for _, e := range []int{63, -83, 120} { // 9e18, 1e-25, 1e36
		zy, sy := z.Clone(), s.Clone()
		for i, v := range zy.Data {
			zy.Data[i] = float32(math.Ldexp(float64(v), e))
		}
		for i, v := range sy.Data {
			sy.Data[i] = float32(math.Ldexp(float64(v), e))
		}
		got := infomec(t, zy, sy, Options{})
		near(t, "InfoM", got.InfoM, want.InfoM, 1e-9)
		near(t, "InfoE", got.InfoE, want.InfoE, 1e-9)
		near(t, "InfoC", got.InfoC, want.InfoC, 1e-9)
		near(t, "MIG", got.MIG, want.MIG, 1e-9)
		near(t, "DCI", got.DCI.Informativeness, want.DCI.Informativeness, 1e-9)
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
	}
}
