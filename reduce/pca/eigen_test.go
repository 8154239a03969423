package pca

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// symmetric matrices that are hard for one method or another, and random ones.
func matrices(rng *rand.Rand) map[string]*mat.SymDense {
	out := map[string]*mat.SymDense{}
	make := func(name string, n int, at func(i, j int) float64) {
		s := mat.NewSymDense(n, nil)
		for i := range n {
			for j := range i + 1 {
				s.SetSym(i, j, at(i, j))
			}
		}
		out[name] = s
	}
	make("one", 1, func(i, j int) float64 { return -3 })
	make("two", 2, func(i, j int) float64 { return float64(1 + i - j) })
	make("zero", 9, func(i, j int) float64 { return 0 })
	make("identity", 9, func(i, j int) float64 { return float64(1 - min(1, i-j)) })
	make("ones", 20, func(i, j int) float64 { return 1 })
	make("random", 37, func(i, j int) float64 { return rng.NormFloat64() })
	make("random, even", 64, func(i, j int) float64 { return rng.NormFloat64() })
	make("tiny", 12, func(i, j int) float64 { return 1e-150 * rng.NormFloat64() })
	make("huge", 12, func(i, j int) float64 { return 1e150 * rng.NormFloat64() })
	make("wilkinson", 21, func(i, j int) float64 { // pairs of eigenvalues that agree to 14 digits
		switch i - j {
		case 0:
			return math.Abs(float64(i - 10))
		case 1:
			return 1
		}
		return 0
	})
	make("glued wilkinson", 84, func(i, j int) float64 {
		switch i - j {
		case 0:
			return math.Abs(float64(i%21 - 10))
		case 1:
			if i%21 == 0 {
				return 1e-9
			}
			return 1
		}
		return 0
	})
	make("hilbert", 24, func(i, j int) float64 { return 1 / float64(i+j+1) })
	make("graded", 40, func(i, j int) float64 {
		return math.Pow(10, -float64(i)/2) * math.Pow(10, -float64(j)/2) * rng.NormFloat64()
	})
	make("arrow", 30, func(i, j int) float64 {
		if i == 29 || i == j {
			return 1
		}
		return 0
	})
	// Low rank, with eigenvalues that come in clusters, and zero rows as constant columns give them.
	for _, spectrum := range [][]float64{{3}, {3, 3, 3}, {5, 1, 1 + 1e-13, 1 + 1e-12, 1e-3, 1e-3, 1e-9}} {
		q := mat.NewDense(60, len(spectrum), nil)
		for i := range 50 {
			for j := range spectrum {
				q.Set(i, j, rng.NormFloat64())
			}
		}
		var qr mat.QR
		qr.Factorize(q)
		var full mat.Dense
		qr.QTo(&full)
		make("clusters", 60, func(i, j int) (s float64) {
			for c, v := range spectrum {
				s += v * full.At(i, c) * full.At(j, c)
			}
			return s
		})
		out["clusters of "+string(rune('0'+len(spectrum)))] = out["clusters"]
	}
	return out
}

func TestEigen(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for name, s := range matrices(rng) {
		n := s.SymmetricDim()
		a := slices.Clone(mat.DenseCopyOf(s).RawMatrix().Data)
		kept := slices.Clone(a)
		for _, k := range []int{n, n / 2} {
			values, vectors, err := eigen(context.Background(), a, n, func([]float64) int { return k })
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			checkEigen(t, name, s, k, values, vectors)
			values, vectors, err = eigenByQL(a, n, max(mat.Max(s), -mat.Min(s), 1e-300), func([]float64) int { return k })
			if err != nil {
				t.Fatalf("%s by QL: %v", name, err)
			}
			checkEigen(t, name+" by QL", s, k, values, vectors)
		}
		if !slices.Equal(a, kept) {
			t.Errorf("%s: the matrix was changed", name)
		}
	}
}

// checkEigen holds the values against gonum's, and the vectors against their definition: Av = λv, vᵀw = δ.
func checkEigen(t *testing.T, name string, s *mat.SymDense, k int, values, vectors []float64) {
	t.Helper()
	n := s.SymmetricDim()
	if len(values) != n || len(vectors) != k*n {
		t.Fatalf("%s: %d values, %d numbers in vectors; want %d and %d", name, len(values), len(vectors), n, k*n)
	}
	// Scaled, for gonum's values alone (Dsterf of v0.17.0) panic on matrices near the ends of float64.
	scale := max(mat.Max(s), -mat.Min(s), 1e-300)
	var scaled mat.SymDense
	scaled.ScaleSym(1/scale, s)
	var e mat.EigenSym
	e.Factorize(&scaled, false)
	want := e.Values(nil)
	slices.Reverse(want)
	for i := range want {
		want[i] *= scale
	}
	scale = max(math.Abs(want[0]), math.Abs(want[n-1]))
	for i := range n {
		if !(math.Abs(values[i]-want[i]) <= 1e-13*float64(n)*scale) {
			t.Errorf("%s: value %d is %v, gonum has %v", name, i, values[i], want[i])
		}
	}
	v := mat.NewDense(max(k, 1), n, append(vectors, make([]float64, max(0, n-len(vectors)))...))
	var av, vv mat.Dense
	av.Mul(v, s)
	vv.Mul(v, v.T())
	for i := range k {
		for j := range n {
			if r := av.At(i, j) - values[i]*v.At(i, j); !(math.Abs(r) <= 1e-13*float64(n)*scale) {
				t.Fatalf("%s: vector %d of %d leaves a residual of %v at %d, scale %v", name, i, k, r, j, scale)
			}
		}
		for j := range i + 1 {
			want := 0.0
			if i == j {
				want = 1
			}
			// Seen up to 7e-12.
			if !(math.Abs(vv.At(i, j)-want) <= 1e-9) {
				t.Fatalf("%s: the product of vectors %d and %d of %d is %v", name, i, j, k, vv.At(i, j))
			}
		}
	}
}

func BenchmarkEigen(b *testing.B) {
	rng := rand.New(rand.NewPCG(2, 2))
	n := 784
	x := mat.NewDense(2*n, n, nil)
	for i := range 2 * n {
		for j := range n {
			x.Set(i, j, rng.NormFloat64()/math.Sqrt(float64(j+1)))
		}
	}
	var s mat.SymDense
	s.SymOuterK(1, x.T())
	a := mat.DenseCopyOf(&s).RawMatrix().Data
	for _, bb := range []struct {
		name string
		k    int
	}{{"n=784/k=50", 50}, {"n=784/k=128", 128}, {"n=784/k=784", 784}} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := eigen(context.Background(), a, n, func([]float64) int { return bb.k }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("n=784/gonum", func(b *testing.B) {
		for b.Loop() {
			var e mat.EigenSym
			e.Factorize(&s, true)
		}
	})
}

// Sums of a few outer products of small whole numbers have equal eigenvalues, zeros, and exact pivots of zero.
func TestEigenOfWholeNumbers(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 9))
		n := 1 + rng.IntN(40)
		s := mat.NewSymDense(n, nil)
		for range 1 + rng.IntN(n) {
			v := mat.NewVecDense(n, nil)
			for i := range n {
				v.SetVec(i, float64(max(0, rng.IntN(7)-2)-2))
			}
			s.SymRankOne(s, math.Exp2(float64(rng.IntN(20))), v)
		}
		tri, err := tridiagonalize(context.Background(), mat.DenseCopyOf(s).RawMatrix().Data, n, 1/max(mat.Max(s), 1))
		if err != nil {
			t.Fatal(err)
		}
		found, ok := tri.eigenvalues()
		if ok {
			_, ok = tri.eigenvectors(found)
		}
		if !ok {
			t.Errorf("seed %d: no convergence; seen none among 20,000", seed)
		}
		values, vectors, err := eigen(context.Background(), mat.DenseCopyOf(s).RawMatrix().Data, n, func([]float64) int { return n })
		if err != nil {
			t.Fatal(err)
		}
		checkEigen(t, "whole numbers", s, n, values, vectors)
	}
}
