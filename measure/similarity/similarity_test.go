package similarity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/measure/internal/made"
	"github.com/latent-go/latent/measure/lasso"
	"github.com/latent-go/latent/vec"
)

var noise, normal, near = made.Noise, made.Normal, made.Near

func pair(t testing.TB, a, b vec.Matrix) *Pair {
	t.Helper()
	p, err := NewPair(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The wanted figures were printed by testdata/reference.py, which names the programs and their versions.
func TestReference(t *testing.T) {
	const n = 300
	a, b := noise(n, 6, 1), noise(n, 9, 2)
	for i := range n {
		for j := range 4 {
			b.Row(i)[j] = b.Row(i)[j] + 2*a.Row(i)[j]*(a.Row(i)[j]+1) - a.Row(i)[j+1]
		}
	}
	p := pair(t, a, b)
	const tol = 1e-5
	near(t, "CKA (resi 24ab9e5)", p.LinearCKA().Biased, 0.5821461152546915, tol)
	near(t, "debiased CKA (platonic-rep dcd76ba)", p.LinearCKA().Debiased, 0.5752719638493876, tol)
	rbf, err := p.RBFCKA(1)
	if err != nil {
		t.Fatal(err)
	}
	// The program adds 1e-6 to a denominator that is about 10 here.
	near(t, "RBF CKA (platonic-rep)", rbf.Biased, 0.589990565225957, 2e-5)
	near(t, "debiased RBF CKA (platonic-rep)", rbf.Debiased, 0.5773566316639724, 1e-4)
	c, err := p.CCA(CCAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.93720963, 0.91359208, 0.86566008, 0.7622583, 0.10350302, 0.0706527} {
		near(t, fmt.Sprintf("canonical correlation %d (google/svcca 1f3fbf1)", i), c.Rho[i], want, tol)
	}
	near(t, "PWCCA by a (numpy 1.26.4, from the equations)", c.WeightedA, 0.6136233854074673, tol)
	near(t, "PWCCA by b (numpy 1.26.4)", c.WeightedB, 0.7187281886336938, tol)
	c, err = p.CCA(CCAOptions{Keep: .8})
	if err != nil || c.RankA != 5 || c.RankB != 4 {
		t.Fatalf("SVCCA of rank %d and %d: %v", c.RankA, c.RankB, err)
	}
	for i, want := range []float64{0.9355391, 0.88917118, 0.79273004, 0.42932587} {
		near(t, fmt.Sprintf("SVCCA correlation %d (google/svcca)", i), c.Rho[i], want, tol)
	}
	turn, err := p.Procrustes()
	near(t, "Procrustes (resi)", turn, 0.6469403742131967, tol)
	perm, err2 := p.Permutation()
	near(t, "permutation (scipy 1.11.4)", perm, 0.59464643659137, tol)
	rsa, err3 := p.RSA(false)
	near(t, "RSA (resi)", rsa, 0.5705837924058755, tol)
	rsa, err4 := p.RSA(true)
	near(t, "Euclidean RSA (resi)", rsa, 0.5021790070750067, tol)
	knn, err5 := p.MutualKNN(10)
	near(t, "mutual k-NN (scipy)", knn, 0.20566666666666666, 1e-12)
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	na, nb := a.Clone(), b.Clone()
	for i := range n {
		vec.Normalize(na.Row(i), na.Row(i))
		vec.Normalize(nb.Row(i), nb.Row(i))
	}
	knn, _ = pair(t, na, nb).MutualKNN(10)
	near(t, "mutual k-NN of directions (platonic-rep)", knn, 0.2186666876077652, 1e-6)
	r, err := p.Regression(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "regression b from a (resi)", r.FitAtoB, 0.6621996628185822, tol)
	near(t, "regression a from b (resi)", r.FitBtoA, 0.5010151973426475, tol)
	u, err := p.Units()
	if err != nil {
		t.Fatal(err)
	}
	one, err := u.OneToOne(false)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "one-to-one (resi)", meanR(one, false), 0.549485865399442, tol)
	fa, fb := u.Best(false)
	near(t, "best (resi)", (meanR(fa, false)+meanR(fb, false))/2, 0.4721832569783142, tol)
	sa, _ := deviations(p.aa, u.A, n)
	sb, _ := deviations(p.bb, u.B, n)
	gram, xy := scaled(p.aa, u.A, u.A, sa, sa, n), scaled(p.ab, u.A, u.B, sa, sb, n)
	for lambda, want := range map[float64][]float64{
		.3:  {0.479346062, -0.101242006, 0, 0, 0, 0},
		.01: {0.785454723, -0.400416646, -0.028702016, 0.043699227, 0, 0},
	} {
		w, err := lasso.Fit(gram, mat.Col(nil, 0, xy), lambda, lasso.Options{})
		if err != nil || floats.Distance(w, want, math.Inf(1)) > tol {
			t.Errorf("lasso at %v (scikit-learn 1.4.2): %v %v, want %v", lambda, w, err, want)
		}
	}
}

// rotation is a random orthogonal matrix.
func rotation(d int, seed uint64) *mat.Dense {
	var qr mat.QR
	x := normal(d, d, seed)
	m := mat.NewDense(d, d, nil)
	for i := range d {
		for j := range d {
			m.Set(i, j, float64(x.Row(i)[j]))
		}
	}
	qr.Factorize(m)
	var q mat.Dense
	qr.QTo(&q)
	return &q
}

// mapped is scale·x·m + offset.
func mapped(x vec.Matrix, m *mat.Dense, scale, offset float64) vec.Matrix {
	_, c := m.Dims()
	out := vec.NewMatrix(x.Rows, c)
	for i := range x.Rows {
		for j := range c {
			s := 0.0
			for k, v := range x.Row(i) {
				s += float64(v) * m.At(k, j)
			}
			out.Row(i)[j] = float32(scale*s + offset)
		}
	}
	return out
}

// all is every measure's value but regression's.
func all(t testing.TB, p *Pair) map[string]float64 {
	t.Helper()
	o := Options{Seed: 1}.filled()
	out := map[string]float64{}
	for _, m := range measures {
		if m.of != nil {
			v, err := m.of(p, &o)
			if err != nil {
				t.Fatal(m.name, err)
			}
			out[m.name] = v
		}
	}
	return out
}

// What each measure does not see leaves it at 1, and what it does see does not.
func TestInvariances(t *testing.T) {
	const n, d = 200, 5
	a := normal(n, d, 1)
	for i := range n { // directions of different variance, for a rotation to matter
		for j := range d {
			a.Row(i)[j] *= float32(j + 1)
		}
	}
	turned := mapped(a, rotation(d, 2), 3, 7)
	order := mat.NewDense(d, d, nil)
	for j, to := range []int{2, 0, 4, 1, 3} {
		order.Set(j, to, 1)
	}
	reordered := mapped(a, order, 2, -1)
	shear := mat.NewDense(d, d, nil)
	shear.Add(rotation(d, 3), mat.NewDiagDense(d, []float64{.1, 30, .2, 50, 1}))
	sheared := mapped(a, shear, 1, 0)
	// rsa compares rows across columns, so that an offset, or a rotation that moves the mean of a row, changes it.
	for name, c := range map[string]struct {
		b    vec.Matrix
		ones string
	}{
		"itself":    {a, "cka cka-debiased cka-rbf procrustes permutation cca svcca pwcca rsa mutual-knn one-to-one best-for-a best-for-b"},
		"reordered": {reordered, "cka cka-debiased cka-rbf procrustes permutation cca svcca pwcca rsa mutual-knn one-to-one best-for-a best-for-b"},
		"turned":    {turned, "cka cka-debiased cka-rbf procrustes cca svcca pwcca mutual-knn"},
		"sheared":   {sheared, "cca svcca pwcca"}, // svcca: what is kept of b lies within a, of which all is kept
	} {
		ones := strings.Fields(c.ones)
		for m, v := range all(t, pair(t, a, c.b)) {
			is := false
			for _, o := range ones {
				is = is || o == m
			}
			// 1e-5 is the rounding of float32 inputs; the least of those below 1 was seen at 0.973 (svcca, sheared).
			if is && math.Abs(v-1) > 1e-5 || !is && v > .99 {
				t.Errorf("%s against %s: %.6f, is 1 expected: %v", m, name, v, is)
			}
		}
	}
}

// Independent sets: the debiased estimator is about 0 at any size, the biased one is not; its excess is known.
func TestIndependent(t *testing.T) {
	const n, p, q, trials = 60, 20, 30, 40
	var biased, debiased, squares float64
	for s := range uint64(trials) {
		c := pair(t, normal(n, p, 2*s), normal(n, q, 2*s+1)).LinearCKA()
		biased += c.Biased / trials
		debiased += c.Debiased / trials
		squares += c.Debiased * c.Debiased / trials
	}
	sd := math.Sqrt(squares - debiased*debiased)
	if math.Abs(debiased) > 3*sd/math.Sqrt(trials) { // seen 0.0011, sd 0.032
		t.Errorf("debiased mean %v, sd %v", debiased, sd)
	}
	// E|AᵀB|² = npq, E|AᵀA|² = np(n+p+1): √pq/√((n+p)(n+q)) = 0.289 up to the mean's share.
	near(t, "biased mean", biased, math.Sqrt(p*q)/math.Sqrt((n+p)*(n+q)), .02) // seen 0.290
}

// HSIC through feature moments is HSIC through kernels.
func TestLinearCKAIsKernelCKA(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(5, 20).Draw(rt, "n")
		a := normal(n, rapid.IntRange(1, 30).Draw(rt, "p"), rapid.Uint64().Draw(rt, "seed"))
		b := normal(n, 3, rapid.Uint64().Draw(rt, "other"))
		p := pair(t, a, b)
		k, l := gram(a), gram(b)
		near(t, "biased", p.LinearCKA().Biased, ratio(hsic(k, l, n), hsic(k, k, n), hsic(l, l, n)), 1e-9)
		want := ratio(unbiasedHSIC(k, l, n), unbiasedHSIC(k, k, n), unbiasedHSIC(l, l, n))
		if got := p.LinearCKA().Debiased; want != 0 && math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
			t.Errorf("debiased %v, want %v", got, want)
		}
	})
}

func gram(x vec.Matrix) []float64 {
	out := make([]float64, x.Rows*x.Rows)
	for i := range x.Rows {
		for j := range x.Rows {
			for k, v := range x.Row(i) {
				out[i*x.Rows+j] += float64(v) * float64(x.Row(j)[k])
			}
		}
	}
	return out
}

// Moments of nine tenths, by taking away, are those of nine tenths, by adding up; the same for distances.
func TestFolds(t *testing.T) {
	a, b := noise(103, 4, 5), noise(103, 3, 6)
	for i := range a.Data {
		a.Data[i] += 1000 // a large mean is where taking away would lose digits
	}
	p := pair(t, a, b)
	fs, err := p.folds(t.Context(), 10, 3)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range fs {
		n += f.in.n
		rest := f.whole(p)
		fresh := pair(t, rest.a, rest.b)
		for _, m := range [][2]*mat.Dense{{rest.aa, fresh.aa}, {rest.bb, fresh.bb}, {rest.ab, fresh.ab}} {
			if !mat.EqualApprox(m[0], m[1], 1e-9) {
				t.Fatal("moments differ")
			}
		}
		if !reflect.DeepEqual(rest.distA(), fresh.distA()) || !reflect.DeepEqual(rest.distB(), fresh.distB()) {
			t.Fatal("distances differ")
		}
	}
	if n != 103 {
		t.Errorf("folds hold %d rows", n)
	}
}

// Held-out regression from moments against fitting and predicting row by row.
func TestRegressionHeldOut(t *testing.T) {
	a := noise(80, 3, 1)
	b := noise(80, 2, 2)
	for i := range 80 {
		b.Row(i)[0] += 2*a.Row(i)[1] + 5
	}
	p := pair(t, a, b)
	fs, _ := p.folds(t.Context(), 10, 0)
	got, err := p.regression(fs, 0)
	if err != nil {
		t.Fatal(err)
	}
	lost, had := 0.0, 0.0
	in := map[[3]float32]bool{}
	for _, f := range fs {
		clear(in)
		for _, i := range f.keep {
			in[[3]float32(a.Row(i))] = true
		}
		w, _ := solve(f.rest.aa, f.rest.ab, 0)
		for i := range 80 {
			if in[[3]float32(a.Row(i))] {
				continue
			}
			for c := range 2 {
				y, guess := float64(b.Row(i)[c]), f.rest.meanB[c]
				had += (y - guess) * (y - guess)
				for k := range 3 {
					guess += (float64(a.Row(i)[k]) - f.rest.meanA[k]) * w.At(k, c)
				}
				lost += (y - guess) * (y - guess)
			}
		}
	}
	near(t, "held-out share", got.AtoB, 1-lost/had, 1e-9)
}

func TestNearestAgainstSort(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(rt, "n")
		d := make([]float64, n)
		for i := range d {
			d[i] = float64(rapid.IntRange(0, 9).Draw(rt, "d"))
		}
		self, k := rapid.IntRange(0, n-1).Draw(rt, "self"), rapid.IntRange(1, n-1).Draw(rt, "k")
		got := map[int]bool{}
		for _, j := range nearest(d, self, k, make([]int, n)) {
			got[j] = true
		}
		if len(got) != k {
			rt.Fatalf("%d neighbours", len(got))
		}
		for in := range got {
			for out := range n {
				if out != self && !got[out] && (d[out] < d[in] || d[out] == d[in] && out < in) || in == self {
					rt.Fatalf("%d is taken, %d not", in, out)
				}
			}
		}
	})
}

// Dossier: columns of B are those of A in another order, with noise.
func TestPlantedPermutation(t *testing.T) {
	const n, d = 500, 24
	a := normal(n, d, 1)
	b, extra := vec.NewMatrix(n, d), normal(n, d, 2)
	perm := rand.New(rand.NewPCG(3, 0)).Perm(d)
	for i := range n {
		for j, to := range perm {
			b.Row(i)[to] = a.Row(i)[j] + .1*extra.Row(i)[j]
		}
	}
	r, err := Compare(t.Context(), a, b, Options{Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Units.OneToOne {
		if perm[m.A] != m.B {
			t.Errorf("unit %d is paired with %d, want %d", m.A, m.B, perm[m.A])
		}
	}
	if !strings.Contains(r.Verdict, "same units, in another order") {
		t.Error(r.Verdict)
	}
	s := r.Units.Sparse
	if w := s.Path[0].Weights; math.Abs(w-1) > 1e-9 {
		t.Errorf("%v units used where one is enough", w)
	}
	// One unit predicts all but the noise: 1 - 1/1.01.
	near(t, "loss of the single unit", s.Single, .0099, .002)
}

// Three units of A at a time are mixed into three of B by the reflection I - ⅔·11ᵀ: no unit has a partner.
func TestPlantedSubspaces(t *testing.T) {
	const n, groups = 2000, 8
	a := normal(n, 3*groups, 1)
	b := vec.NewMatrix(n, 3*groups)
	for g := range groups {
		for i := range n {
			for c := range 3 {
				b.Row(i)[c*groups+g] = a.Row(i)[3*g+c]
				for k := range 3 {
					b.Row(i)[c*groups+g] -= a.Row(i)[3*g+k] * 2 / 3
				}
			}
		}
	}
	r, err := Compare(t.Context(), a, b, Options{Measures: []string{"one-to-one", "procrustes"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Units.Groups) != groups {
		t.Fatalf("%d groups, want %d", len(r.Units.Groups), groups)
	}
	for _, g := range r.Units.Groups {
		if len(g.A) != 3 || len(g.B) != 3 || g.B[0]%groups != g.A[0]/3 || g.A[0]/3 != g.A[2]/3 || g.B[0]%groups != g.B[2]%groups {
			t.Errorf("%+v", g)
		}
	}
	one, _ := r.Score("one-to-one")
	if !(one.Value < .5) { // 1/3: each partner is the one that correlates 1/3, the others -2/3
		t.Errorf("one-to-one %v", one.Value)
	}
	if !strings.Contains(r.Verdict, "turned") {
		t.Error(r.Verdict)
	}
}

// Semi-matching is never worse than bipartite matching; both ignore scale, and sign only where told so.
func TestUnits(t *testing.T) {
	a, b := noise(100, 7, 1), noise(100, 5, 2)
	u, _ := pair(t, a, b).Units()
	one, _ := u.OneToOne(false)
	fa, fb := u.Best(false)
	if len(one) != 5 || len(fa) != 7 || len(fb) != 5 {
		t.Fatalf("%d, %d, %d matches", len(one), len(fa), len(fb))
	}
	if meanR(fb, false) < meanR(one, false) {
		t.Error("a free choice is worse than a pairing")
	}
	flip := a.Clone()
	for i := range 100 {
		for j := range 7 {
			flip.Row(i)[j] *= -3
		}
	}
	u, _ = pair(t, a, flip).Units()
	signed, _ := u.OneToOne(false)
	free, _ := u.OneToOne(true)
	near(t, "absolute", meanR(free, true), 1, 1e-6)
	if meanR(signed, false) > .5 {
		t.Error("sign was overlooked")
	}
	for i := range 100 {
		flip.Row(i)[2] = 4.2
	}
	u, err := pair(t, a, flip).Units()
	if err != nil || !reflect.DeepEqual(u.DeadB, []int{2}) || len(u.B) != 6 {
		t.Errorf("dead %v, live %v: %v", u.DeadB, u.B, err)
	}
}

// Information matches what correlation matches, and finds what it cannot see.
func TestUnitsByInformation(t *testing.T) {
	const n = 2000
	a, b := normal(n, 6, 1), vec.NewMatrix(n, 5)
	perm := []int{3, 0, 5, 1}
	extra := normal(n, 6, 2)
	for i := range n {
		for j, from := range perm {
			b.Row(i)[j] = a.Row(i)[from] + .2*extra.Row(i)[j]
		}
		b.Row(i)[4] = a.Row(i)[2] * a.Row(i)[2] // uncorrelated with column 2, but wholly dependent on it
		a.Row(i)[4] = max(a.Row(i)[4], 0)       // half of it zeros
	}
	u, err := pair(t, a, b).UnitsByInformation(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	m, err := u.OneToOne(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range m {
		want := 2
		if x.B < 4 {
			want = perm[x.B]
		}
		if x.A != want || x.R < .5 {
			t.Errorf("%+v, want partner %d", x, want)
		}
	}
	near(t, "independent", u.R.At(4, 0), 0, .02)
	self, _ := pair(t, a, a).UnitsByInformation(t.Context(), 10)
	// The bias taken away from ln 10 is that of independent columns.
	near(t, "a column itself", self.R.At(0, 0), math.Log(10)-81./(2*n), 1e-9)
	// Half zeros: one bin of ½ and five of a tenth.
	near(t, "a rectified column itself", self.R.At(4, 4), .5*math.Log(2)+.5*math.Log(10)-25./(2*n), .01)
	if _, err := pair(t, a, b).UnitsByInformation(t.Context(), 1); !errors.Is(err, vec.ErrTooFew) {
		t.Error(err)
	}
}

func TestVerdicts(t *testing.T) {
	const n = 400
	a := normal(n, 8, 1)
	shear := mat.NewDense(8, 8, nil)
	shear.Add(rotation(8, 2), mat.NewDiagDense(8, []float64{.1, 5, .1, .1, 5, .1, .1, 5}))
	part, weak := normal(n, 8, 9), normal(n, 8, 9)
	for i := range n {
		part.Row(i)[0] += a.Row(i)[0]
		weak.Row(i)[0] += a.Row(i)[0] / 2
	}
	for want, b := range map[string]vec.Matrix{
		"in the same order":     a,
		"same shape, turned":    mapped(a, rotation(8, 3), 2, 1),
		"same information":      mapped(a, shear, 1, 0),
		"first contains the":    mapped(a, mat.DenseCopyOf(rotation(8, 4).Slice(0, 8, 0, 3)), 1, 0),
		"Alike in part":         part,
		"Something in common":   weak,
		"Unrelated, as far as ": normal(n, 8, 77),
	} {
		r, err := Compare(t.Context(), a, b, Options{MaxRows: 200})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.Verdict, want) {
			t.Errorf("%q, want %q", r.Verdict, want)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	}
}

// The intervals hold what they promise, about: 95 % of them should hold the value of very many rows.
func TestIntervals(t *testing.T) {
	if testing.Short() {
		t.Skip("40 comparisons")
	}
	mix := func(n int, seed uint64) (vec.Matrix, vec.Matrix) {
		a, b := normal(n, 5, seed), normal(n, 5, seed+1000)
		for i := range n {
			for j := range 5 {
				b.Row(i)[j] += a.Row(i)[j] * float32(j) / 2
			}
		}
		return a, b
	}
	a, b := mix(200000, 99)
	truth := all2(t, pair(t, a, b))
	const trials = 40
	inside := map[string]int{}
	for s := range uint64(trials) {
		a, b := mix(300, s)
		r, err := Compare(t.Context(), a, b, Options{Measures: []string{"cka-debiased", "procrustes", "one-to-one"}, NoUnits: true, NoSubspaces: true, Permutations: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, sc := range r.Scores {
			if sc.Low <= truth[sc.Name] && truth[sc.Name] <= sc.High {
				inside[sc.Name]++
			}
		}
	}
	for name, k := range inside {
		if k < 33 { // seen 35 to 40 of 40
			t.Errorf("%s: %d of %d intervals hold the truth", name, k, trials)
		}
	}
	t.Log(inside)
}

func all2(t *testing.T, p *Pair) map[string]float64 {
	turn, err := p.Procrustes()
	u, err2 := p.Units()
	one, err3 := u.OneToOne(false)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	return map[string]float64{"cka-debiased": p.LinearCKA().Debiased, "procrustes": turn, "one-to-one": meanR(one, false)}
}

func TestErrors(t *testing.T) {
	ctx := t.Context()
	a := normal(50, 3, 1)
	bad := a.Clone()
	bad.Data[7] = float32(math.NaN())
	for name, c := range map[string]struct {
		a, b vec.Matrix
		o    Options
		is   error
		says string
	}{
		"rows":       {a, normal(49, 3, 1), Options{}, vec.ErrDim, "49"},
		"few":        {a.Slice(0, 30), a.Slice(0, 30), Options{}, vec.ErrTooFew, "30"},
		"nan":        {a, bad, Options{}, vec.ErrNotFinite, "second set"},
		"constant":   {vec.NewMatrix(50, 3), a, Options{}, vec.ErrZero, "first set"},
		"neighbours": {a, a, Options{K: 49}, vec.ErrTooFew, "49 nearest"},
		"confidence": {a, a, Options{Confidence: 1.5}, vec.ErrTooFew, "confidence 1.5"},
		"shuffles":   {a, a, Options{Permutations: -1}, vec.ErrTooFew, "permutations -1"},
		"name":       {a, a, Options{Measures: []string{"cak"}}, nil, "cka-debiased"},
		"no columns": {vec.NewMatrix(50, 0), a, Options{}, vec.ErrTooFew, "columns"},
	} {
		_, err := Compare(ctx, c.a, c.b, c.o)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, stop := context.WithCancel(ctx)
	stop()
	if _, err := Compare(ended, a, a, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A row without variation has no correlation with others: rsa is left out, not everything.
func TestUndefined(t *testing.T) {
	a := normal(60, 3, 1)
	clear(a.Row(5))
	r, err := Compare(t.Context(), a, a, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Score("rsa"); ok || len(r.Scores) != len(Names())-1 || !strings.Contains(strings.Join(r.Notes, " "), "rsa is left out: similarity: RSA of the first set: row 5 is constant") {
		t.Error(len(r.Scores), r.Notes)
	}
}

func TestSameTwiceAndInputsUntouched(t *testing.T) {
	a, b := noise(60, 4, 1), noise(60, 5, 2)
	ca, cb := a.Clone(), b.Clone()
	x, err := Compare(t.Context(), a, b, Options{Seed: 5, MaxRows: 50})
	y, err2 := Compare(t.Context(), a, b, Options{Seed: 5, MaxRows: 50})
	if err := errors.Join(err, err2); err != nil || !reflect.DeepEqual(x, y) {
		t.Errorf("two reports differ: %v", err)
	}
	if !reflect.DeepEqual(a, ca) || !reflect.DeepEqual(b, cb) {
		t.Error("inputs changed")
	}
}

// halves are two sets of which the first half of the columns is shared, in another order, with noise.
func halves(n, d int) (a, b vec.Matrix) {
	a, b = normal(n, d, 1), normal(n, d, 2)
	for i := range n {
		for j := range d / 2 {
			a.Row(i)[j] *= 3 / float32(math.Sqrt(float64(j+1)))
			b.Row(i)[j] = b.Row(i)[j]/2 + a.Row(i)[(j*7)%(d/2)]
		}
	}
	return a, b
}

// TestLarge is the size that must be handled in minutes and 4 GiB. LATENT_LARGE=1 runs it and prints what sampling costs.
func TestLarge(t *testing.T) {
	if os.Getenv("LATENT_LARGE") == "" {
		t.Skip("set LATENT_LARGE=1: takes minutes")
	}
	a, b := halves(20000, 512)
	r, err := Compare(t.Context(), a, b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Scores {
		t.Logf("%-18s %.4f [%.4f, %.4f] chance %.4f, %d rows", s.Name, s.Value, s.Low, s.High, s.Chance, s.Rows)
	}
	t.Logf("sparse %+v", r.Units.Sparse)
	t.Log(len(r.Units.Groups), "groups;", r.Verdict, r.Subspaces.Verdict)
}

// TestSampling prints what looking at 2000 of 6000 rows costs the measures of pairs of rows: LATENT_LARGE=1.
func TestSampling(t *testing.T) {
	if os.Getenv("LATENT_LARGE") == "" {
		t.Skip("set LATENT_LARGE=1: takes a minute")
	}
	const n = 6000
	a, b := halves(n, 64)
	r, err := Compare(t.Context(), a, b, Options{Measures: []string{"cka-rbf", "rsa", "mutual-knn"}, NoUnits: true, NoSubspaces: true, Permutations: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := pair(t, a, b)
	rbf, err := p.RBFCKA(1)
	rsa, err2 := p.RSA(false)
	knn, err3 := p.MutualKNN(30)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	for i, exact := range []float64{rbf.Debiased, rsa, knn} {
		s := r.Scores[i]
		t.Logf("%s: %d rows %.4f [%.4f, %.4f], all %d rows %.4f", s.Name, s.Rows, s.Value, s.Low, s.High, n, exact)
	}
}

func ExampleCompare() {
	a := noise(100, 3, 1)
	b := vec.NewMatrix(100, 3)
	for i := range 100 { // the same columns in another order, on another scale
		b.Row(i)[0], b.Row(i)[1], b.Row(i)[2] = 2*a.Row(i)[2], 2*a.Row(i)[0], 2*a.Row(i)[1]
	}
	r, _ := Compare(context.Background(), a, b, Options{})
	fmt.Println(r.Verdict)
	cka, _ := r.Score("cka")
	fmt.Printf("%.3f\n", cka.Value)
	// Output:
	// The same units, in another order: partners correlate 1.00 on average.
	// 1.000
}

// No score sees a common scale: float32 squares would be infinite at 1e19 and 0 at 1e-25.
func TestScales(t *testing.T) {
	a, b := normal(120, 5, 1), normal(120, 4, 2)
	for i := range a.Rows {
		copy(b.Row(i)[:2], a.Row(i)[1:3])
	}
	scores := func(b vec.Matrix) *Report {
		r, err := Compare(t.Context(), a, b, Options{Permutations: 2})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	want := scores(b)
	for _, e := range []int{63, -83, 120} { // 9e18, 1e-25, 1e36
		y := b.Clone()
		for i, v := range y.Data {
			y.Data[i] = float32(math.Ldexp(float64(v), e))
		}
		got := scores(y)
		if len(got.Scores) != len(measures) {
			t.Errorf("scale 2^%d: %d scores of %d: %q", e, len(got.Scores), len(measures), got.Notes)
		}
		for i, s := range got.Scores {
			near(t, fmt.Sprintf("scale 2^%d: %s", e, s.Name), s.Value, want.Scores[i].Value, 1e-5)
			near(t, fmt.Sprintf("scale 2^%d: low of %s", e, s.Name), s.Low, want.Scores[i].Low, 1e-5)
		}
	}

	// A row of 1e30 is named, the others keep their neighbours, and what is left goes into JSON. (The mean moves towards it by 1 of 120: 0.8 %.)
	broken := b.Clone()
	broken.Row(30)[1] = 1e30
	r := scores(broken)
	if !strings.Contains(strings.Join(r.Notes, " "), "Row 30 holds 99.2 % of the variance of the second set") {
		t.Errorf("notes: %q", r.Notes)
	}
	got, _ := r.Score("mutual-knn")
	plain, _ := want.Score("mutual-knn")
	near(t, "neighbours beside a row of 1e30", got.Value, plain.Value, .02)
}
