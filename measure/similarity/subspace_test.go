package similarity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/vec"
)

// planted are two sets with shared factors, each with noise of its own of 0.5, mixed into p and q columns together with
// private factors of standard deviation 4/√j.
func planted(n, shared, private, p, q int, seed uint64) (a, b vec.Matrix) {
	common := normal(n, shared, 5*seed)
	side := func(d int, seed uint64) vec.Matrix {
		own, extra, mix := normal(n, shared, seed), normal(n, private, seed+1000), normal(shared+private, d, seed+2000)
		x := vec.NewMatrix(n, shared+private)
		for i := range n {
			for j := range shared {
				x.Row(i)[j] = common.Row(i)[j] + .5*own.Row(i)[j]
			}
			for j := range private {
				x.Row(i)[shared+j] = extra.Row(i)[j] * 4 / float32(math.Sqrt(float64(j+1)))
			}
		}
		return vec.Mul(vec.Matrix{}, x, mix)
	}
	return side(p, 5*seed+1), side(q, 5*seed+2)
}

func subspaces(t testing.TB, a, b vec.Matrix, o SubspaceOptions) *Subspaces {
	t.Helper()
	s, err := pair(t, a, b).Subspaces(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Few factors among many: hardly alike as they stand, and alike in just as many directions as were planted. Correlation of
// a factor with its other copy is 1/1.25, so that CKA inside is at most 0.64.
func TestPlantedSubspace(t *testing.T) {
	for seed := range uint64(3) {
		a, b := planted(2500, 8, 40, 50, 60, seed+1)
		s := subspaces(t, a, b, SubspaceOptions{Seed: seed})
		t.Log(s.Verdict, s.Finds)
		if s.K != 8 || s.ShuffledK > 1 || !s.Confined() {
			t.Errorf("%d directions, shuffled %d: %s", s.K, s.ShuffledK, s.Verdict)
		}
		near(t, "CKA inside", s.Inside.Value, .64, .03)     // seen 0.62
		near(t, "CKA of shuffled rows", s.Shuffled, 0, .01) // seen 0.001 at most
		if s.Raw.Value > .05 {                              // seen 0.02
			t.Errorf("raw %v", s.Raw)
		}
		whole, inside := s.Finds[0], s.Finds[2]
		if !(inside.First > 3*whole.First && inside.Matched > 3*whole.Matched) { // seen 5.6 to 6.7 times
			t.Errorf("found %+v", s.Finds)
		}
		best := 0
		for i, p := range s.Path {
			if p.Found > s.Path[best].Found {
				best = i
			}
		}
		if k := s.Path[best].K; k < 5 || k > 10 {
			t.Errorf("most partners are found in %d directions", k)
		}
		if testing.Short() {
			break
		}
	}
}

// Nothing shared: chance must not be taken for a subspace, however many directions there are to choose from.
func TestSubspacesOfUnrelatedSets(t *testing.T) {
	trials := uint64(40)
	if testing.Short() {
		trials = 10
	}
	wrong, most := 0, 0.0
	for s := range trials {
		r := subspaces(t, normal(200, 20, 2*s), normal(200, 30, 2*s+1), SubspaceOptions{Seed: s})
		if r.K > 0 {
			wrong++
		}
		most = max(most, r.Inside.Low)
		if r.Confined() {
			t.Error(r.Verdict)
		}
	}
	t.Logf("%d of %d, low end of CKA at most %.4f", wrong, trials, most)
	if wrong > 2 || most > .03 { // seen 0; of 200 pairs each of 60, 100, 300 and 1000 rows: 0, 0, 1 and 2, at most 0.0003
		t.Errorf("%d of %d unrelated pairs share a subspace, CKA from %.4f", wrong, trials, most)
	}
}

// Turning, moving or scaling a set changes nothing; nor does it where an outer scale overflows float32 squares.
func TestSubspacesInvariances(t *testing.T) {
	a, b := planted(600, 4, 20, 20, 24, 9)
	want := subspaces(t, a, b, SubspaceOptions{})
	got := subspaces(t, mapped(a, rotation(20, 1), 3, 5), mapped(b, rotation(24, 2), .1, 0), SubspaceOptions{})
	if got.K != want.K || got.Most != want.Most {
		t.Errorf("k %d of %d, turned %d of %d", want.K, want.Most, got.K, got.Most)
	}
	near(t, "raw", got.Raw.Value, want.Raw.Value, 1e-5)
	near(t, "inside", got.Inside.Value, want.Inside.Value, 1e-5)
	near(t, "share", got.ShareA, want.ShareA, 1e-5)
	for i, p := range want.Path {
		near(t, "path", got.Path[i].CKA.Value, p.CKA.Value, 1e-5)
	}
	huge := a.Clone()
	for i, v := range huge.Data {
		huge.Data[i] = float32(math.Ldexp(float64(v), 90))
	}
	scaled := subspaces(t, huge, b, SubspaceOptions{})
	near(t, "inside at 2^90", scaled.Inside.Value, want.Inside.Value, 1e-9)
	if !reflect.DeepEqual(want, subspaces(t, a, b, SubspaceOptions{})) {
		t.Error("two runs differ")
	}
}

// Variates have covariance 1, correlate only with their partner, and least squares from the one side's to the other's is
// the diagonal of the correlations. An invertible map of a set changes neither.
func TestShared(t *testing.T) {
	const n, k = 400, 4
	a := normal(n, 6, 1)
	b := normal(n, 5, 2)
	for i := range n {
		for j := range 3 {
			b.Row(i)[j] += float32(3-j) * a.Row(i)[j]
		}
	}
	p := pair(t, a, b)
	s, err := p.Shared(k, CCAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.A(a)
	y, err2 := s.B(b)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	v := pair(t, x, y)
	to, err := solve(v.bb, mat.DenseCopyOf(v.ab.T()), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range k {
		for j := range k {
			one, rho := 0.0, 0.0
			if i == j {
				one, rho = 1, s.Rho[i]
			}
			near(t, "covariance", v.aa.At(i, j)/(n-1), one, 1e-6)
			near(t, "covariance of the second", v.bb.At(i, j)/(n-1), one, 1e-6)
			near(t, "across", v.ab.At(i, j)/(n-1), rho, 1e-6)
			near(t, "least squares", to.At(i, j), rho, 1e-6)
		}
	}
	near(t, "CKA of variates", v.LinearCKA().Biased, (s.Rho[0]*s.Rho[0]+s.Rho[1]*s.Rho[1]+s.Rho[2]*s.Rho[2]+s.Rho[3]*s.Rho[3])/k, 1e-6)
	shear := mat.NewDense(6, 6, nil)
	shear.Add(rotation(6, 3), mat.NewDiagDense(6, []float64{1, 4, 2, 1, 5, 1}))
	other, err := pair(t, mapped(a, shear, 2, 9), b).Shared(k, CCAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	same, err := other.A(mapped(a, shear, 2, 9))
	if err != nil {
		t.Fatal(err)
	}
	for j := range k {
		near(t, "correlation", other.Rho[j], s.Rho[j], 1e-6)
		near(t, "the same variate", math.Abs(stat.Correlation(columnOf(x, j), columnOf(same, j), nil)), 1, 1e-6)
	}
	all, err := pair(t, a, mapped(a, shear, 1, 0)).Shared(0, CCAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, rho := range all.Rho {
		near(t, "correlation with an invertible map", rho, 1, 1e-6)
	}
	near(t, "variance held by all", all.ShareA, 1, 1e-9)
	unrelated, err := pair(t, normal(5000, 6, 5), normal(5000, 5, 6)).Shared(1, CCAOptions{})
	if err != nil || unrelated.Rho[0] > 3*math.Sqrt(11./5000) {
		t.Errorf("unrelated: %v, %v", unrelated.Rho, err)
	}
	if _, err := p.Shared(6, CCAOptions{}); !errors.Is(err, vec.ErrTooFew) {
		t.Error(err)
	}
	if _, err := s.A(b); !errors.Is(err, vec.ErrDim) {
		t.Error(err)
	}
}

// Against the definition: the CKA of the sets with the two rows as one pair more.
func TestLocalCKA(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, p, q := rapid.IntRange(4, 20).Draw(rt, "n"), rapid.IntRange(1, 6).Draw(rt, "p"), rapid.IntRange(1, 6).Draw(rt, "q")
		seed, e := rapid.Uint64().Draw(rt, "seed"), rapid.SampledFrom([]int{0, -80, 100}).Draw(rt, "exponent")
		a, b := normal(n+2, p, seed), normal(n+3, q, seed+1)
		for i, v := range a.Data {
			a.Data[i] = float32(math.Ldexp(float64(v), e))
		}
		got, err := pair(t, a.Slice(0, n), b.Slice(0, n)).LocalCKA(a.Slice(n, n+2), b.Slice(n, n+3))
		if err != nil {
			rt.Fatal(err)
		}
		ids := make([]int, n+1)
		for i := range n {
			ids[i] = i
		}
		for i := range 3 {
			for j := range 2 {
				ids[n] = n + j
				x := a.Gather(ids)
				ids[n] = n + i
				if want := pair(t, x, b.Gather(ids)).LinearCKA().Biased; math.Abs(got.At(i, j)-want) > 1e-10 {
					rt.Fatalf("row %d of b, %d of a: %.15f, want %.15f", i, j, got.At(i, j), want)
				}
			}
		}
	})
	p := pair(t, normal(20, 3, 1), normal(20, 4, 2))
	if _, err := p.LocalCKA(normal(2, 4, 1), normal(2, 4, 1)); !errors.Is(err, vec.ErrDim) {
		t.Error(err)
	}
}

func TestChooseK(t *testing.T) {
	for _, c := range []struct {
		r    []float64
		n, k int
	}{
		{nil, 100, 0},
		{[]float64{.39}, 101, 0}, // 3.9 deviations
		{[]float64{.41}, 101, 1},
		{[]float64{.9, .8, .1, .7, 0, .05}, 101, 4},  // one bad pair among good ones stays
		{[]float64{.9, .8, -.1, 0, .1, .45}, 101, 2}, // a lucky one far down does not carry those before
		{[]float64{-.9, -.8}, 101, 0},                // against the sign that was fitted
		{[]float64{.9, -.9, .9}, 101, 1},
	} {
		if k := ChooseK(c.r, c.n); k != c.k {
			t.Errorf("%v of %d rows: %d, want %d", c.r, c.n, k, c.k)
		}
	}
	// Chance: a walk that falls by 16 a step on average rarely gets above 0.
	rng := rand.New(rand.NewPCG(1, 0))
	above := 0
	for range 2000 {
		r := make([]float64, 100)
		for i := range r {
			r[i] = rng.NormFloat64() / math.Sqrt(999)
		}
		if ChooseK(r, 1000) > 0 {
			above++
		}
	}
	if above > 2 { // a share of 0.00003 to begin with; seen 0
		t.Errorf("%d of 2000 by chance", above)
	}
}

// Few rows: chance fits many directions perfectly, and the rows left out say so.
func TestSubspacesOfFewRows(t *testing.T) {
	a, b := planted(60, 3, 40, 80, 90, 4)
	if c, _ := pair(t, a, b).CCA(CCAOptions{}); c.Rho[20] < .999 {
		t.Fatalf("no over-fit to see: %v", c.Rho[20])
	}
	s := subspaces(t, a, b, SubspaceOptions{})
	if s.Most != 4 || s.Queries != 12 { // a tenth of 48 rows, a fifth of 60
		t.Errorf("%d directions tried, %d queries", s.Most, s.Queries)
	}
	if s.K > 0 && s.Inside.Value > .9 {
		t.Error(s.Verdict)
	}
}

func TestSubspacesErrors(t *testing.T) {
	a := normal(60, 3, 1)
	one := vec.NewMatrix(60, 2)
	one.Row(7)[1] = 1
	ask := func(a, b vec.Matrix, o SubspaceOptions) error {
		_, err := pair(t, a, b).Subspaces(t.Context(), o)
		return err
	}
	for i, c := range []struct {
		err, is error
		says    string
	}{
		{ask(a.Slice(0, 39), a.Slice(0, 39), SubspaceOptions{}), vec.ErrTooFew, "39 pairs"},
		{ask(a, a, SubspaceOptions{Ks: []int{4}}), vec.ErrTooFew, "want 1 to 3"},
		{ask(a, a, SubspaceOptions{Ks: []int{0}}), vec.ErrTooFew, "want 1 to 3"},
		{ask(a, a, SubspaceOptions{Queries: -1}), vec.ErrTooFew, "-1 queries"},
		{ask(a, a, SubspaceOptions{Confidence: 1}), vec.ErrTooFew, "confidence 1"},
		{ask(one, a, SubspaceOptions{}), vec.ErrZero, "fifth"},
	} {
		if !errors.Is(c.err, c.is) || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("%d: %v", i, c.err)
		}
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := pair(t, a, a).Subspaces(ended, SubspaceOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func ExamplePair_Subspaces() {
	// Three factors in common, among forty that each set has for itself.
	a, b := planted(1000, 3, 40, 43, 43, 1)
	p, _ := NewPair(context.Background(), a, b)
	s, _ := p.Subspaces(context.Background(), SubspaceOptions{})
	fmt.Printf("%d directions: CKA %.1f inside, %.1f over all\n", s.K, s.Inside.Value, s.Raw.Value)
	// Output: 3 directions: CKA 0.6 inside, 0.0 over all
}
