package spectral

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/vec"
)

// The random walk on a ring of n nodes has the eigenvalues cos(2πj/n).
func TestRing(t *testing.T) {
	const n, k = 60, 9
	var edges []Edge
	for i := range n {
		edges = append(edges, Edge{i, (i + 1) % n, 2.5})
	}
	g, err := New(n, edges)
	if err != nil {
		t.Fatal(err)
	}
	for _, leading := range []func(context.Context, int, uint64) ([]float64, *mat.Dense, error){g.Leading, g.iterate} {
		values, v, err := leading(t.Context(), k, 1)
		if err != nil {
			t.Fatal(err)
		}
		ring(t, values, v)
	}
}

func ring(t *testing.T, values []float64, v *mat.Dense) {
	const n, k = 60, 9
	for j, got := range values {
		want := math.Cos(2 * math.Pi * float64((j+1)/2) / n)
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("eigenvalue %d is %v, want %v", j, got, want)
		}
	}
	var gram mat.Dense
	gram.Mul(v.T(), v)
	for i := range k {
		gram.Set(i, i, gram.At(i, i)-1)
	}
	if e := mat.Norm(&gram, 2); e > 1e-10 {
		t.Errorf("eigenvectors are off orthonormal by %v", e)
	}
}

// Against all eigenvalues of the same matrix.
func TestAgainstDense(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	const n = 150
	var edges []Edge
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i {
			if w := rng.Float64(); w > .8 {
				edges = append(edges, Edge{i, j, w})
				s.SetSym(i, j, w)
			}
		}
	}
	g, _ := New(n, edges)
	for i := range n {
		for j := range i + 1 {
			s.SetSym(i, j, s.At(i, j)/math.Sqrt(g.degree[i]*g.degree[j]))
		}
	}
	var e mat.EigenSym
	e.Factorize(s, false)
	all := e.Values(nil)
	values, _, err := g.iterate(t.Context(), 12, 0)
	if err != nil {
		t.Fatal(err)
	}
	for j, v := range values {
		if math.Abs(v-all[n-1-j]) > 1e-12 {
			t.Errorf("eigenvalue %d is %v, want %v", j, v, all[n-1-j])
		}
	}
}

// A graph that falls apart is cut exactly there, though its leading eigenvalue is k-fold.
func TestParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	sizes := []int{5, 30, 12, 1, 40}
	var edges []Edge
	var want []int
	for part, size := range sizes {
		lo := len(want)
		for i := range size {
			want = append(want, part)
			for j := range i {
				edges = append(edges, Edge{lo + i, lo + j, 1 + rng.Float64()})
			}
		}
	}
	g, _ := New(len(want), edges)
	got, err := g.Cluster(t.Context(), len(sizes), 7)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	values, _, err := g.iterate(t.Context(), len(sizes)+1, 7)
	if err != nil || math.Abs(values[4]-1) > 1e-12 || values[5] > .9 {
		t.Errorf("iterated: %v %v, want 1 five times", values, err)
	}
	one, err := g.Cluster(t.Context(), 1, 7)
	if err != nil || one[0] != 0 || one[len(one)-1] != 0 {
		t.Errorf("one group: %v %v", one, err)
	}
}

func TestBipartite(t *testing.T) {
	g, err := Bipartite(mat.NewDense(3, 2, []float64{.9, 0, 0, .8, .7, 0}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Cluster(t.Context(), 2, 0)
	if want := "[0 1 0 0 1]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v %v, want %s", got, err, want)
	}
}

func TestErrors(t *testing.T) {
	if _, err := New(2, []Edge{{0, 2, 1}}); !errors.Is(err, vec.ErrDim) {
		t.Error(err)
	}
	for _, w := range []float64{-1, math.NaN(), math.Inf(1)} {
		if _, err := New(2, []Edge{{0, 1, w}}); !errors.Is(err, vec.ErrNotFinite) {
			t.Error(w, err)
		}
	}
	g, _ := New(2, nil)
	if _, err := g.Cluster(t.Context(), 3, 0); !errors.Is(err, vec.ErrTooFew) {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := g.Cluster(ctx, 1, 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func ExampleGraph_Cluster() {
	x, _ := vec.FromRows([][]float32{{0}, {1}, {2}, {50}, {51}, {52}})
	g, _ := Nearest(context.Background(), x, 2)
	label, _ := g.Cluster(context.Background(), 2, 0)
	fmt.Println(label)
	// Output: [0 0 0 1 1 1]
}

func BenchmarkCluster(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	const n = 20000
	var edges []Edge
	for i := range n {
		for range 10 {
			edges = append(edges, Edge{i, (i/2000*2000 + rng.IntN(2400)) % n, .5})
		}
	}
	g, _ := New(n, edges)
	b.Run("n=20000/k=10", func(b *testing.B) {
		for b.Loop() {
			if _, err := g.Cluster(b.Context(), 10, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}
