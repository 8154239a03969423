package subspace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/latent-go/latent/vec"
)

func normal(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 77))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func dot64(a, b []float32) (sum, size float64) {
	for i := range a {
		p := float64(a[i]) * float64(b[i])
		sum, size = sum+p, size+math.Abs(p)
	}
	return
}

// column is P·e_j.
func column(p Projector, j int) []float32 {
	d, D := p.Dims()
	e, c := make([]float32, d), make([]float32, D)
	e[j] = 1
	p.Apply(c, e)
	return c
}

func must(t testing.TB) func(p Projector, err error) Projector {
	return func(p Projector, err error) Projector {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// all are projectors of every family, of sizes that are powers of two and that are not.
func all(t *testing.T, seed uint64) map[string]Projector {
	out := map[string]Projector{}
	for _, n := range [][2]int{{1, 1}, {3, 16}, {7, 100}, {64, 64}, {20, 300}, {100, 5000}} {
		d, D := n[0], n[1]
		name := func(s string) string { return fmt.Sprintf("%s %d to %d", s, d, D) }
		out[name("dense")] = must(t)(NewDense(d, D, false, seed))
		out[name("orthonormal")] = must(t)(NewDense(d, D, true, seed))
		out[name("sparse")] = must(t)(NewSparse(d, D, seed))
		out[name("fastfood")] = must(t)(NewFastfood(d, D, seed))
	}
	out["dense to fewer"] = must(t)(NewDense(50, 10, false, seed))
	out["sparse to fewer"] = must(t)(NewSparse(50, 10, seed))
	out["whole"] = whole(40)
	return out
}

// ⟨P·v, g⟩ = ⟨v, Pᵀ·g⟩.
func TestAdjoint(t *testing.T) {
	for name, p := range all(t, 1) {
		d, D := p.Dims()
		v, g := normal(d, 2), normal(D, 3)
		pv, pg := make([]float32, D), make([]float32, d)
		p.Apply(pv, v)
		p.Adjoint(pg, g)
		a, size := dot64(pv, g)
		b, other := dot64(v, pg)
		if !(math.Abs(a-b) <= 1e-5*(size+other)) { // seen 1e-7
			t.Errorf("%s: ⟨Pv,g⟩ = %v, ⟨v,Pᵀg⟩ = %v", name, a, b)
		}
	}
}

// Each map is linear and is the matrix of its columns; Apply and Adjoint write over what was there.
func TestMatrix(t *testing.T) {
	for name, p := range all(t, 4) {
		d, D := p.Dims()
		v := normal(d, 5)
		want := make([]float64, D)
		for j := range d {
			for i, c := range column(p, j) {
				want[i] += float64(c) * float64(v[j])
			}
		}
		got := normal(D, 6)
		p.Apply(got, v)
		for i := range want {
			if !(math.Abs(float64(got[i])-want[i]) <= 2e-5*float64(vec.Norm(v))) {
				t.Fatalf("%s: number %d is %v, want %v", name, i, got[i], want[i])
			}
		}
	}
}

func TestColumns(t *testing.T) {
	for name, p := range all(t, 7) {
		d, D := p.Dims()
		_, fast := p.(fastfood)
		var mean float64
		for j := range d {
			n := float64(vec.Norm(column(p, j)))
			mean += n * n / float64(d)
			if exact := !fast || D&(D-1) == 0; exact && !(math.Abs(n-1) <= 1e-5) {
				t.Errorf("%s: column %d has length %v", name, j, n)
			}
		}
		// Rows left out: a column keeps a share of its length that differs by about √(2/D).
		if !(math.Abs(mean-1) <= 4*math.Sqrt(2/float64(D))) {
			t.Errorf("%s: mean square length %v", name, mean)
		}
	}
	p := must(t)(NewDense(64, 100, true, 8))
	for j := range 64 {
		for k := range j {
			if s, _ := dot64(column(p, j), column(p, k)); !(math.Abs(s) <= 1e-5) {
				t.Fatalf("orthonormal columns %d and %d have product %v", j, k, s)
			}
		}
	}
}

// TestFastfoodDefinition builds P from its factors.
func TestFastfoodDefinition(t *testing.T) {
	const d, D, L = 9, 27, 32
	p := must(t)(NewFastfood(d, D, 9)).(fastfood)
	hadamard := func(i, j int) float64 {
		s := 1.0
		for b := i & j; b != 0; b &= b - 1 {
			s = -s
		}
		return s
	}
	for j := range d {
		got := column(p, j)
		for i := range D {
			var want float64
			for k := range L { // (H·G·Π·H·B)ᵢⱼ = Σ Hᵢₖ Gₖ H_{π(k),j} Bⱼ
				want += hadamard(i, k) * float64(p.gauss[k]) * hadamard(int(p.order[k]), j) * float64(p.sign[j])
			}
			if !(math.Abs(float64(got[i])-want) <= 1e-6) {
				t.Fatalf("row %d, column %d: %v, want %v", i, j, got[i], want)
			}
		}
	}
	var square float64
	for _, g := range p.gauss {
		square += float64(g) * float64(g)
	}
	if want := 1 / float64(D); !(math.Abs(square-want) <= 1e-6) { // c²ΣG² = 1/D, as a column of L numbers has length² L·that
		t.Errorf("ΣG² is scaled to %v, want %v", square, want)
	}
	order := slices.Clone(p.order)
	slices.Sort(order)
	for i, o := range order {
		if int(o) != i {
			t.Fatal("Π is no permutation")
		}
	}
}

// Two columns of Fastfood have a product of mean 0 and deviation about √(2/D), D a power of two.
func TestFastfoodOrthogonal(t *testing.T) {
	const D = 1024
	var sum, square, n float64
	for seed := range uint64(20) {
		p := must(t)(NewFastfood(20, D, seed))
		var c [][]float32
		for j := range 20 {
			c = append(c, column(p, j))
			for k := range j {
				s, _ := dot64(c[j], c[k])
				sum, square, n = sum+s, square+s*s, n+1
			}
		}
	}
	sd := math.Sqrt(square / n)
	if want := math.Sqrt(2.0 / D); !(sd > 0.8*want && sd < 1.2*want) || !(math.Abs(sum/n) <= 4*sd/math.Sqrt(n)) { // seen 1.00
		t.Errorf("products of columns: mean %v, deviation %v; want 0 and %v", sum/n, sd, want)
	}
}

func TestSparse(t *testing.T) {
	const d, D = 400, 10_000
	p := must(t)(NewSparse(d, D, 3)).(sparse)
	n := 0
	for j, at := range p.at {
		n += len(at)
		if !slices.IsSorted(at) || len(slices.Compact(slices.Clone(at))) != len(at) {
			t.Fatalf("column %d: places %v", j, at)
		}
	}
	if want := float64(d) * math.Sqrt(D); !(math.Abs(float64(n)-want) <= 5*math.Sqrt(want)) {
		t.Errorf("%d numbers are not 0, want about %v", n, want)
	}
}

func TestSeeds(t *testing.T) {
	a, b, c := all(t, 1), all(t, 1), all(t, 2)
	for name := range a {
		if !slices.Equal(column(a[name], 0), column(b[name], 0)) {
			t.Errorf("%s: the same seed draws another", name)
		}
		if _, D := a[name].Dims(); D > 1 && name != "whole" && slices.Equal(column(a[name], 0), column(c[name], 0)) {
			t.Errorf("%s: another seed draws the same", name)
		}
	}
	// A delta that was written in the past must draw the same.
	for name, want := range map[string]string{
		"fastfood 3 to 16": "[-0.2001 -0.0668 0.1792 0.1083 -0.1523 -0.0335]",
		"dense 3 to 16":    "[0.2524 0.1348 -0.1932 -0.0091 0.2315 0.2144]",
	} {
		if got := fmt.Sprintf("%.4f", column(a[name], 1)[:6]); got != want {
			t.Errorf("%s: column 1 begins with %s, want %s", name, got, want)
		}
	}
	if p := a["sparse 7 to 100"].(sparse); fmt.Sprint(p.at[1][:4], p.minus[1][:4]) != "[6 14 18 36] [false true true true]" {
		t.Errorf("sparse: column 1 is at %v, minus %v", p.at[1], p.minus[1])
	}
}

func BenchmarkProject(b *testing.B) {
	const D = 55_050
	for _, d := range []int{100, 1000} {
		for name, p := range map[string]Projector{
			"dense": must(b)(NewDense(d, D, false, 1)), "sparse": must(b)(NewSparse(d, D, 1)), "fastfood": must(b)(NewFastfood(d, D, 1)),
		} {
			b.Run(fmt.Sprintf("%s/d=%d", name, d), func(b *testing.B) {
				v, g := normal(d, 1), normal(D, 1)
				for b.Loop() {
					p.Apply(g, v)
					p.Adjoint(v, g)
					vec.Normalize(v, v)
				}
			})
		}
	}
}
